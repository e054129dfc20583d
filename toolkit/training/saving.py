"""When a checkpoint is due, and what goes into it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from toolkit.recipe import TrainOptions
from toolkit.training.checkpoint import Checkpoint, Checkpoints
from toolkit.training.distribution import Distribution
from toolkit.training.optimizers import UpdateRule
from toolkit.training.run_directory import RunDirectory
from toolkit.training.state import Arrays, TrainingState, capture, restore

STATE = "__state__"


class Saver:
    """Saves and restores a training. Every worker reads its variables; only the chief writes.

    Args:
        run: where.
        options: ``checkpoint_every``, ``keep`` and ``average_checkpoints``.
        model: the model.
        rule: the optimizer's and the averages' variables.
        state: the rest.
        distribution: who is the chief.
        steps_per_epoch: what an epoch is.
    """

    def __init__(
        self,
        run: RunDirectory,
        options: TrainOptions,
        model: keras.Model,
        rule: UpdateRule,
        state: TrainingState,
        distribution: Distribution,
        steps_per_epoch: int,
    ) -> None:
        keep_last = max(options.keep.last, options.average_checkpoints)
        self.checkpoints = Checkpoints(run.checkpoints, keep_last, options.keep.every)
        self.model = model
        self.rule = rule
        self.state = state
        self.distribution = distribution
        every = options.checkpoint_every
        factor = {"steps": 1, "epochs": steps_per_epoch, "seconds": 0}[every.unit]
        self.every_steps = int(every.value * factor)
        self.every_seconds = every.value if every.unit == "seconds" else None
        self._saved_at = time.monotonic()
        self._last_step = -1

    def room(self, step: int) -> int | None:
        """Return the steps until a checkpoint is due by their number; None when by time."""
        return self.every_steps - step % self.every_steps if self.every_steps else None

    def due(self, step: int) -> bool:
        """Whether a checkpoint is due by the number of steps."""
        return self.every_steps > 0 and step % self.every_steps == 0

    def overdue(self) -> bool:
        """Whether a checkpoint is due by this worker's clock."""
        passed = time.monotonic() - self._saved_at
        return self.every_seconds is not None and passed >= self.every_seconds

    def save(self) -> None:
        """Save, unless this step is saved already.

        Raises:
            TrainingError: the weights are no longer numbers.
            RunError: it cannot be written.
        """
        if self.state.step == self._last_step:
            return
        arrays = capture(self.model, self.rule)
        self.state.saved += 1
        if self.distribution.is_chief:
            self.checkpoints.save(self.state.step, arrays, self.state.as_dict())
            self.checkpoints.prune(self.state.best.best_step)
        self._last_step = self.state.step
        self._saved_at = time.monotonic()

    def restore(self, warn: Callable[[str], None]) -> None:
        """Go on from the newest whole checkpoint.

        Raises:
            RunError: all are damaged, or of another model.
        """
        found = self._share(lambda: self.checkpoints.newest(warn))
        if found is not None:
            restore(self.model, self.rule, found.arrays)
            self.state.restore(found.state)
            self._last_step = found.step

    def load(self, step: int) -> Arrays:
        """Return a checkpoint's arrays on every worker."""
        found = self._share(lambda: self.checkpoints.load(step))
        return {} if found is None else found.arrays

    def newest_steps(self, count: int) -> list[int]:
        """Return the last ``count`` saved steps, oldest first, the same on every worker."""
        steps = self.checkpoints.steps() if self.distribution.is_chief else []
        shared: list[int] = self.distribution.from_chief_text(steps)
        return shared[-count:]

    def _share(self, read: Callable[[], Checkpoint | None]) -> Checkpoint | None:
        """Give every worker what the chief reads, so that only it needs the disk."""
        if self.distribution.num_workers == 1:
            return read()
        packed: dict[str, Any] = {}
        if self.distribution.is_chief and (found := read()) is not None:
            text = json.dumps([found.step, found.state]).encode()
            packed = {**found.arrays, STATE: np.frombuffer(text, np.uint8)}
        arrays = self.distribution.from_chief(packed)
        if STATE not in arrays:
            return None
        step, state = json.loads(arrays.pop(STATE).tobytes())
        return Checkpoint(step, arrays, state)
