"""How long the command line takes to answer: the goals are 0.3 s, and 1 s for the check.

    python benchmarks/start.py

Prints one line of JSON a command, in seconds, the median and least of several runs.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

from timing import report

REPEATS = 7
DEMO = Path(__file__).parent.parent / "recipes" / "sentiment" / "demo.yaml"


def seconds(arguments: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "toolkit", *arguments], capture_output=True, check=True)
    return time.perf_counter() - start


def main() -> None:
    for arguments in (["--help"], ["list"], ["check", str(DEMO)]):
        times = [seconds(arguments) for _ in range(REPEATS)]
        report(
            f"toolkit {arguments[0]}",
            "wall seconds",
            median=round(statistics.median(times), 3),
            least=round(min(times), 3),
        )


if __name__ == "__main__":
    main()
