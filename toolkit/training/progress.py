"""What a person sees while training: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

SECONDS_BETWEEN_LINES = 5.0


class Progress:
    """Progress on stderr: one live line per round on a terminal, few plain lines on a pipe.

    Args:
        label: what a round is called, such as ``epoch``.
        rounds: how many there will be.
        show: False for silence, as on every worker but the chief.
        console: where to write; stderr by default.
    """

    def __init__(
        self, label: str, rounds: int, *, show: bool = True, console: Console | None = None
    ) -> None:
        self.label = label
        self.rounds = rounds
        self.show = show
        self.console = console or Console(stderr=True, highlight=False)
        self._live: Live | None = None
        self._printed = time.monotonic()

    def step(
        self, number: int, done: int, total: int, *, loss: float, speed: float, left: float | None
    ) -> None:
        """Show a round under way.

        Args:
            number: which round, from 0.
            done: steps done of it.
            total: its steps.
            loss: mean loss so far.
            speed: examples per second.
            left: seconds until the training ends, or None while nobody can tell.
        """
        rest = "compiling" if left is None else f"{speed:.0f} examples/s, {duration(left)} left"
        self._moving(f"{self._name(number)} {done}/{total} steps, loss {loss:.4g}, {rest}")

    def working(self, what: str, done: int, total: int, left: float) -> None:
        """Show work before the first round under way: ``what`` of it is done, and how much."""
        self._moving(f"{done:,} of about {total:,} {what}, {duration(left)} left")

    def validating(self, number: int, done: int, total: int) -> None:
        """Show a validation under way."""
        self._moving(f"{self._name(number)} validating {done}/{total}")

    def finish(self, number: int, record: Mapping[str, Any], note: str = "") -> None:
        """Show a round's result for good."""
        hidden = ("epoch", "step", "seconds", "learning_rate")
        scores = [
            f"{name} {value:.4g}"
            for name, value in record.items()
            if name not in hidden and isinstance(value, float)
        ]
        text = f"{self._name(number)} {', '.join(scores)}, {duration(record['seconds'])}{note}"
        self.say(text.replace("examples_per_second", "examples/s"))

    def say(self, text: str) -> None:
        """Print one line that stays."""
        self.close()
        if self.show:
            self._printed = time.monotonic()
            self.console.print(Text(text), soft_wrap=True)

    def close(self) -> None:
        """Take the live line away."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _name(self, number: int) -> str:
        return f"{self.label} {number + 1}/{self.rounds}:"

    def _moving(self, text: str) -> None:
        if not self.show:
            return
        if self.console.is_terminal:
            if self._live is None:
                self._live = Live(console=self.console, transient=True, auto_refresh=False)
                self._live.start()
            self._live.update(Text(text, no_wrap=True, overflow="ellipsis"), refresh=True)
        elif time.monotonic() - self._printed > SECONDS_BETWEEN_LINES:
            self.say(text)


def duration(seconds: float) -> str:
    """Write seconds as ``12.3 s``, ``4 min 05 s`` or ``2 h 03 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
