"""Fair timing: the two in turn in one process, medians, and peak memory in a process of its own."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any, TypeVar

Name = TypeVar("Name", bound=Hashable)


def milliseconds(run: Callable[[], Any]) -> float:
    """One run; it has to wait for its own result."""
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1e3


def in_turn(
    runs: Mapping[Name, Callable[[], Any]], repeats: int = 9, warm_up: int = 2
) -> dict[Name, float]:
    """Median milliseconds of each, run in turn, each round beginning with another.

    What else the machine does in the meantime, and what a run leaves behind for the next (threads
    that still spin, a cold cache), then hits all of them alike.
    """
    for run in runs.values():
        for _ in range(warm_up):
            run()
    names = list(runs)
    times: dict[Name, list[float]] = {name: [] for name in names}
    for number in range(repeats):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            times[name].append(milliseconds(runs[name]))
    return {name: statistics.median(values) for name, values in times.items()}


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
