"""Watching a validation score: the best so far, patience, and the plateau of the rate."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from toolkit.recipe import TrainOptions
from toolkit.tasks.base import Monitor

LESS_IS_BETTER = {
    "loss", "mae", "mse", "rmse", "mase", "smape", "wer", "cer", "perplexity",
    "weighted_quantile_loss", "calibration_error",
}  # fmt: skip


@dataclass
class Watch:
    """Remembers the best value of a score and how long ago it was.

    Attributes:
        name: the score.
        mode: which way is better.
        min_delta: smaller improvements do not count.
        best: the best value so far.
        best_step: the step it belongs to.
        waited: validations since then.
    """

    name: str
    mode: Literal["min", "max"]
    min_delta: float = 0.0
    best: float | None = None
    best_step: int | None = None
    waited: int = 0

    def see(self, value: float, step: int) -> bool:
        """Take in the score at ``step``; return whether it is the best so far."""
        if self.improves(value):
            self.best, self.best_step, self.waited = value, step, 0
            return True
        self.waited += 1
        return False

    def improves(self, value: float) -> bool:
        """Whether ``value`` is better than the best so far."""
        if value != value:  # not a number
            return False
        if self.best is None:
            return True
        gain = value - self.best if self.mode == "max" else self.best - value
        return gain > self.min_delta

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return asdict(self)

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state`; another score or direction starts anew."""
        if (state["name"], state["mode"]) == (self.name, self.mode):
            self.best, self.best_step = state["best"], state["best_step"]
            self.waited = state["waited"]


def make_watches(
    monitor: Monitor, options: TrainOptions, schedule: Any
) -> tuple[Watch, Watch, Watch]:
    """Return what watches for the best checkpoint, for early stopping and for a plateau.

    Early stopping's ``monitor`` also chooses the best checkpoint, where it is given.
    """
    early = options.early_stopping
    asked = "auto" if early is None else early.monitor
    mode = "auto" if early is None else early.mode
    name, way = direction(asked, mode, monitor)
    stopping = Watch(name, way, 0.0 if early is None else early.min_delta)
    flat = direction(getattr(schedule, "monitor", "auto"), "auto", monitor)
    return Watch(name, way), stopping, Watch(*flat, getattr(schedule, "min_delta", 0.0))


def direction(name: str, mode: str, monitor: Monitor) -> tuple[str, Literal["min", "max"]]:
    """Settle ``auto`` for a monitored score and which way is better."""
    chosen = monitor.name if name == "auto" else name
    if mode == "min" or mode == "max":
        return chosen, mode  # type: ignore[return-value]
    if chosen == monitor.name:
        return chosen, monitor.mode
    return chosen, "min" if chosen in LESS_IS_BETTER else "max"
