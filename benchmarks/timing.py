"""Fair timing: the two in turn in one process, medians, and peak memory in a process of its own."""

import json
import multiprocessing
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

Name = TypeVar("Name", bound=Hashable)
SECONDS_BETWEEN_LINES = 5.0


def in_turn(
    runs: Mapping[Name, Callable[[], Any]], repeats: int = 9, warm_up: int = 2
) -> dict[Name, float]:
    """Median milliseconds of each, run in turn; a run has to wait for its own result."""
    taken = _taken_in_turn(runs, repeats, warm_up)
    return {
        name: statistics.median(1e3 * seconds for seconds, _ in each)
        for name, each in taken.items()
    }


def rates_in_turn(
    runs: Mapping[Name, Callable[[], float]], repeats: int = 5, warm_up: int = 2
) -> dict[Name, float]:
    """Median of how much each did by the second, run in turn; a run returns how much it did."""
    taken = _taken_in_turn(runs, repeats, warm_up)
    return {
        name: statistics.median(count / seconds for seconds, count in each)
        for name, each in taken.items()
    }


class Apart:
    """A run in a process of its own, so that each side has the threads it chooses.

    Args:
        make: makes the run there; found by its name in its module.
        *arguments: what it is called with.
    """

    def __init__(self, make: Callable[..., Callable[[], Any]], *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
        self.pipe, there = context.Pipe()
        self.process = context.Process(target=_serve, args=(there, make, arguments), daemon=True)
        self.process.start()
        there.close()  # so that its end shows here

    def __call__(self) -> Any:
        """Have it run once, and return what it returned."""
        self.pipe.send(None)
        return self.pipe.recv()

    def close(self) -> None:
        """End the process, and free its memory."""
        self.pipe.close()
        self.process.join()


def _serve(pipe: Any, make: Callable[..., Callable[[], Any]], arguments: tuple[Any, ...]) -> None:
    run = make(*arguments)
    with suppress(EOFError):  # at the end
        while True:
            pipe.recv()
            pipe.send(run())


def _taken_in_turn(
    runs: Mapping[Name, Callable[[], Any]], repeats: int, warm_up: int
) -> dict[Name, list[tuple[float, Any]]]:
    """Seconds and results of each run, each round beginning with another.

    What else the machine does in the meantime, and what a run leaves behind for the next (threads
    that still spin, a cold cache), then hits all of them alike.
    """
    names = list(runs)
    taken: dict[Name, list[tuple[float, Any]]] = {name: [] for name in names}
    progress = _Progress((warm_up + repeats) * len(names))
    for name in names:
        for _ in range(warm_up):
            runs[name]()
            progress.done(f"{name}, warming up")
    for number in range(repeats):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            start = time.perf_counter()
            result = runs[name]()
            taken[name].append((time.perf_counter() - start, result))
            progress.done(f"{name}, round {number + 1} of {repeats}")
    return taken


class _Progress:
    """A line on stderr every few seconds: what was run, and about how long the rest takes."""

    def __init__(self, total: int) -> None:
        self.total, self.count = total, 0
        self.began = self.told = time.monotonic()

    def done(self, what: str) -> None:
        """Count a run."""
        self.count += 1
        now = time.monotonic()
        if now - self.told > SECONDS_BETWEEN_LINES:
            self.told = now
            left = (now - self.began) * (self.total - self.count) / self.count
            print(f"{what}, about {left:.0f} s left", file=sys.stderr, flush=True)


def compare(
    ours: Callable[[], Any], reference: Callable[[], Any], repeats: int = 9
) -> dict[str, float]:
    """Median milliseconds of both, and how many times faster ours is."""
    medians = in_turn({"ours": ours, "reference": reference}, repeats)
    return result(medians["ours"], medians["reference"])


def result(ours: float, reference: float) -> dict[str, float]:
    """The three figures of a line of results."""
    return {
        "ours_ms": round(ours, 2),
        "reference_ms": round(reference, 2),
        "ratio": round(reference / ours, 2),
    }


def report(case: str, mode: str, **figures: Any) -> None:
    """Prints one line of JSON."""
    print(json.dumps({"case": case, "mode": mode, **figures}), flush=True)


def peak_memory() -> float:
    """The most memory this process has held so far, in MiB (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def in_process(*arguments: str) -> dict[str, Any]:
    """Runs Python with the arguments in a new process; what its last line of output says in JSON.

    For peak memory: let the process end with `print(json.dumps({"mib": peak_memory()}))`, and take
    off what a process that only loads the libraries holds.
    """
    done = subprocess.run([sys.executable, *arguments], check=True, capture_output=True, text=True)
    figures: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return figures
