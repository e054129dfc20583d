"""Steps over the training split from any position, with smaller micro-batches when memory ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from toolkit.data.batches import BatchPlan
from toolkit.data.examples import Examples
from toolkit.data.pipeline import make_dataset, reading_error
from toolkit.errors import TrainingError
from toolkit.tasks.base import Task
from toolkit.training.distribution import Distribution
from toolkit.training.optimizers import UpdateRule
from toolkit.training.steps import TrainingSteps

Floats = NDArray[np.float32]


class Taken(NamedTuple):
    """What a call of many steps has done.

    Attributes:
        steps: how many steps were finished.
        losses: their losses; none where memory ran out on the way.
        signals: the signals added over the workers.
    """

    steps: int
    losses: Floats
    signals: Floats


class Engine:
    """Takes steps of a task's training, from wherever it is told.

    Args:
        task: whose loss and augmentation.
        model: what to train.
        rule: how the weights change.
        examples: what to learn from.
        plan: the batches.
        distribution: the replicas.
        micro_batches: shares per replica and step.
        xla: whether to compile by XLA.
        on_smaller: called with the new number of micro-batches when memory ran out.
    """

    def __init__(
        self,
        task: Task[Any],
        model: keras.Model,
        rule: UpdateRule,
        examples: Examples,
        plan: BatchPlan,
        distribution: Distribution,
        *,
        micro_batches: int = 1,
        xla: bool = False,
        on_smaller: Callable[[int], None] = lambda count: None,
    ) -> None:
        self.task = task
        self.model = model
        self.rule = rule
        self.examples = examples
        self.plan = plan
        self.distribution = distribution
        self.xla = xla
        self.on_smaller = on_smaller
        self.micro_batches = micro_batches
        self._steps: TrainingSteps | None = None
        self._iterator: Any = None
        self._position = -1

    def take(self, step: int, learning_rates: Floats, signals: Floats) -> Taken:
        """Take steps from ``step`` on, one per learning rate.

        Fewer steps are taken when memory runs out on the way; the next call then goes on in
        smaller parts.

        Raises:
            TrainingError: memory runs out with one example per replica, or on several workers.
        """
        steps = self._ready(step)
        before = self.rule.steps
        try:
            losses, agreed = steps.run(self._iterator, learning_rates, signals)
        except tf.errors.ResourceExhaustedError as error:
            self._make_smaller(error)
            return Taken(self.rule.steps - before, np.zeros(0, np.float32), signals)
        except tf.errors.OpError as error:
            raise reading_error(error) or error from error
        self._position = step + len(losses)
        return Taken(len(losses), losses, agreed)

    def reset(self, *, xla: bool | None = None) -> None:
        """Forget the position and compile anew, after variables or settings have changed."""
        self.xla = self.xla if xla is None else xla
        self._steps = None
        self._position = -1

    def stream(self, step: int) -> tf.data.Dataset:
        """Return this process's shares of the steps from ``step`` on."""
        return make_dataset(
            self.examples,
            self.plan,
            first_step=step,
            shares=self.distribution.shares(self.micro_batches),
            num_shares=self.distribution.num_shares(self.micro_batches),
            augment=self.task.augment,
        )

    def make_steps(self, *, xla: bool) -> TrainingSteps:
        """Return compiled steps in the present micro-batches."""
        return TrainingSteps(
            self.task.training_loss,
            self.model,
            self.rule,
            self.distribution,
            micro_batches=self.micro_batches,
            xla=xla,
        )

    def _ready(self, step: int) -> TrainingSteps:
        steps = self._steps
        if steps is None:
            steps = self._steps = self.make_steps(xla=self.xla)
            self._position = -1
        if step != self._position:
            self._iterator = steps.iterate(self.stream(step))
            self._position = step
        return steps

    def _make_smaller(self, error: Exception) -> None:
        shares = self.distribution.num_shares()
        most = max(len(self.plan.batch(0).rows) // shares, 1)
        if self.distribution.num_workers > 1 or self.micro_batches >= most:
            raise TrainingError(
                f"train: out of memory with {self.micro_batches} micro-batches per step. "
                "Try a smaller batch_size or more accumulation."
            ) from error
        self.micro_batches = min(2 * self.micro_batches, most)
        self.reset()
        self.on_smaller(self.micro_batches)
