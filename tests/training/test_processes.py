"""Trainings in real processes: killed, signalled, two at once, two together."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from tests.training.running import variables
from toolkit.training.launch import launch_workers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

TASK = {"model": "recurrent", "dropout": 0.3, "augments": True}
TRAIN = {"epochs": 10, "batch_size": 8, "checkpoint_every": 3, "ema": 0.9, "clip_norm": 1.0}
SGD = {"steps": 50, "batch_size": 8, "optimizer": {"type": "sgd"}, "schedule": "constant"}


def command(run: Path, resume: str, **settings: Any) -> list[str]:
    settings = {"task": TASK, "train": TRAIN, **settings}
    return [sys.executable, "-m", "tests.training.job", str(run), resume, json.dumps(settings)]


class Job:
    """A process whose errors go to a file."""

    running: ClassVar[list[subprocess.Popen[bytes]]] = []

    def __init__(self, words: list[str], log: Path) -> None:
        self.log = log
        with log.open("w") as file:
            self.process = subprocess.Popen(words, stderr=file, stdout=file)
        self.running.append(self.process)

    def wait(self) -> int:
        return self.process.wait()

    def output(self) -> str:
        return self.log.read_text()


@pytest.fixture(autouse=True)
def end_processes() -> Iterator[None]:
    """Leave none behind where a test fails half-way."""
    yield
    while Job.running:
        process = Job.running.pop()
        process.kill()
        process.wait()


def start(run: Path, resume: str, **settings: Any) -> Job:
    return Job(command(run, resume, **settings), run.with_suffix(".log"))


def wait_for_checkpoint(run: Path, job: Job, count: int) -> None:
    """Wait until ``count`` more checkpoints have been written than there were."""
    seen = {path.name for path in (run / "checkpoints").glob("step-*")}
    fresh: set[str] = set()
    while len(fresh) < count:
        fresh |= {path.name for path in (run / "checkpoints").glob("step-*")} - seen
        assert job.process.poll() is None, job.output()
        time.sleep(0.005)


def assert_same(one: Path, two: Path) -> None:
    pairs = list(zip(variables(one), variables(two), strict=True))
    assert len(pairs) > 20
    for a, b in pairs:
        np.testing.assert_array_equal(a, b)


def test_killed_at_random_five_times_ends_bit_for_bit_as_if_it_had_not(tmp_path: Path) -> None:
    draw = random.Random(1)
    for _ in range(5):
        job = start(tmp_path / "cut", "auto", pause=0.03)
        wait_for_checkpoint(tmp_path / "cut", job, draw.randint(1, 3))
        time.sleep(draw.uniform(0, 0.1))
        job.process.kill()
        assert job.wait() == -signal.SIGKILL
    for run in ("cut", "whole"):
        assert start(tmp_path / run, "auto").wait() == 0
    assert_same(tmp_path / "cut", tmp_path / "whole")


def test_sigterm_saves_exits_75_and_goes_on_exactly(tmp_path: Path) -> None:
    job = start(tmp_path / "cut", "no", pause=0.03)
    wait_for_checkpoint(tmp_path / "cut", job, 1)
    job.process.terminate()
    assert job.wait() == 75
    assert "Stopped by SIGTERM after saving step" in job.output()
    assert start(tmp_path / "cut", "yes").wait() == 0
    assert start(tmp_path / "whole", "no").wait() == 0
    assert_same(tmp_path / "cut", tmp_path / "whole")


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    # So slow that it still trains when the second has started, on a busy machine too.
    first = start(tmp_path / "run", "no", pause=1.0)
    wait_for_checkpoint(tmp_path / "run", first, 1)
    second = Job(command(tmp_path / "run", "yes"), tmp_path / "second.log")
    assert second.wait() == 2
    expected = f"another process trains here (process {first.process.pid} on"
    assert expected in second.output()
    first.process.kill()
    first.wait()
    assert start(tmp_path / "run", "yes").wait() == 0


@pytest.mark.parametrize("model", ["recurrent", "attentive"])
def test_two_workers_equal_one_process(tmp_path: Path, model: str) -> None:
    settings: dict[str, Any] = {"task": {"model": model}, "train": SGD}
    for workers, name in ((1, "one"), (2, "two")):
        assert launch_workers(workers, command(tmp_path / name, "no", **settings)) == 0
    for a, b in zip(variables(tmp_path / "one"), variables(tmp_path / "two"), strict=True):
        if a.dtype.kind == "f":
            np.testing.assert_allclose(a, b, atol=1e-5)


def workers_of(run: Path) -> list[int]:
    """Find the processes that train into ``run``."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if "tests.training.job" in words and str(run) in words:
            found.append(int(entry.name))
    return sorted(found)


def launch(run: Path, restarts: int, **settings: Any) -> Job:
    first, again = command(run, "no", **settings), command(run, "auto", **settings)
    code = (
        "import sys, json; from toolkit.training.launch import launch_workers;"
        "first, again, restarts = json.loads(sys.argv[1]);"
        "sys.exit(launch_workers(2, first, restarts=restarts, restart_command=again))"
    )
    text = json.dumps([first, again, restarts])
    return Job([sys.executable, "-c", code, text], run.with_suffix(".log"))


def test_one_of_two_workers_killed_and_the_job_started_again(tmp_path: Path) -> None:
    job = launch(tmp_path / "cut", 1, pause=0.05)
    wait_for_checkpoint(tmp_path / "cut", job, 2)
    victims = workers_of(tmp_path / "cut")
    assert len(victims) == 2
    os.kill(victims[1], signal.SIGKILL)
    code, output = job.wait(), job.output()
    assert code == 0, output
    assert "the job starts again (0 restarts left)" in output
    assert "Going on from step" in output
    assert launch(tmp_path / "whole", 0).wait() == 0
    assert_same(tmp_path / "cut", tmp_path / "whole")


def test_sigterm_to_one_worker_stops_all_at_the_same_step(tmp_path: Path) -> None:
    job = launch(tmp_path / "run", 3, pause=0.05)
    wait_for_checkpoint(tmp_path / "run", job, 1)
    os.kill(workers_of(tmp_path / "run")[1], signal.SIGTERM)
    code, output = job.wait(), job.output()
    assert code == 75, output
    stops = [line for line in output.splitlines() if "StoppedError: Stopped by" in line]
    assert len(stops) == 2
    assert len({line.split("after saving ")[1] for line in stops}) == 1
    assert "restarts left" not in output
