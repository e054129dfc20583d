"""How many steps to take per call: enough that Python costs nothing, not so many that it waits."""

from __future__ import annotations

import math

SECONDS_PER_CALL, MAX_STEPS = 0.5, 1000
MEMORY_SECONDS = 60.0  # over which the times of steps are averaged for people


class Pace:
    """Chooses the number of steps of the next call from the time the last ones took.

    All workers must choose alike, so each offers its own measurement and the choice follows
    from what they have agreed on.

    Args:
        fixed: always this many, or None to choose.

    Attributes:
        seconds_per_step: this worker's last measurement; 0 when there is none.
    """

    def __init__(self, fixed: int | None = None) -> None:
        self.fixed = fixed
        self.seconds_per_step = 0.0
        self._recent_steps = self._recent_seconds = 0.0
        self._calls = 0
        self._count = 1

    def count(self, room: int) -> int:
        """Return the number of steps of the next call, at most ``room``."""
        return min(room, self.fixed or self._count)

    def measured(self, steps: int, seconds: float) -> None:
        """Note how long a call took; the first one traces and says nothing."""
        self._calls += 1
        if self._calls > 1 and steps:
            self.seconds_per_step = seconds / steps
            kept = math.exp(-seconds / MEMORY_SECONDS)
            self._recent_steps = kept * self._recent_steps + steps
            self._recent_seconds = kept * self._recent_seconds + seconds

    @property
    def average(self) -> float:
        """Seconds per step over the last minute or so, since steps differ by their lengths."""
        return self._recent_seconds / self._recent_steps if self._recent_steps else 0.0

    def agree(self, seconds_per_step: float) -> None:
        """Choose by what all workers know."""
        if seconds_per_step > 0:
            fitting = int(SECONDS_PER_CALL / seconds_per_step)
            self._count = max(1, min(fitting, 4 * self._count, MAX_STEPS))
