"""Trainings in real processes: killed, signalled, two at once, two together."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

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


def start(*arguments: Any, **settings: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(command(*arguments, **settings), stderr=subprocess.PIPE, text=True)


def wait_for_checkpoint(run: Path, process: subprocess.Popen[str], count: int) -> None:
    """Wait until ``count`` more checkpoints have been written than there were."""
    seen = {path.name for path in (run / "checkpoints").glob("step-*")}
    fresh: set[str] = set()
    while len(fresh) < count:
        fresh |= {path.name for path in (run / "checkpoints").glob("step-*")} - seen
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.005)


def assert_same(one: Path, two: Path) -> None:
    pairs = list(zip(variables(one), variables(two), strict=True))
    assert len(pairs) > 20
    for a, b in pairs:
        np.testing.assert_array_equal(a, b)


def test_killed_at_random_five_times_ends_bit_for_bit_as_if_it_had_not(tmp_path: Path) -> None:
    draw = random.Random(1)
    for _ in range(5):
        process = start(tmp_path / "cut", "auto", pause=0.03)
        wait_for_checkpoint(tmp_path / "cut", process, draw.randint(1, 3))
        time.sleep(draw.uniform(0, 0.1))
        process.kill()
        assert process.wait() == -signal.SIGKILL
    for run in ("cut", "whole"):
        assert start(tmp_path / run, "auto").wait() == 0
    assert_same(tmp_path / "cut", tmp_path / "whole")


def test_sigterm_saves_and_exits_75_within_two_seconds(tmp_path: Path) -> None:
    process = start(tmp_path / "cut", "no", pause=0.03)
    wait_for_checkpoint(tmp_path / "cut", process, 1)
    process.terminate()
    began = time.monotonic()
    assert process.wait() == 75
    assert time.monotonic() - began < 4  # two for the step, two for the interpreter's own end
    assert process.stderr is not None
    assert "Stopped by SIGTERM after saving step" in process.stderr.read()
    assert start(tmp_path / "cut", "yes").wait() == 0
    assert start(tmp_path / "whole", "no").wait() == 0
    assert_same(tmp_path / "cut", tmp_path / "whole")


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    first = start(tmp_path / "run", "no", pause=0.1)
    wait_for_checkpoint(tmp_path / "run", first, 1)
    second = start(tmp_path / "run", "yes")
    assert second.wait() == 2
    assert second.stderr is not None
    assert f"another process trains here (process {first.pid} on" in second.stderr.read()
    first.kill()
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


def launch(run: Path, restarts: int, **settings: Any) -> subprocess.Popen[str]:
    first, again = command(run, "no", **settings), command(run, "auto", **settings)
    code = (
        "import sys, json; from toolkit.training.launch import launch_workers;"
        "first, again, restarts = json.loads(sys.argv[1]);"
        "sys.exit(launch_workers(2, first, restarts=restarts, restart_command=again))"
    )
    text = json.dumps([first, again, restarts])
    return subprocess.Popen([sys.executable, "-c", code, text], stderr=subprocess.PIPE, text=True)


def test_one_of_two_workers_killed_and_the_job_started_again(tmp_path: Path) -> None:
    import os

    job = launch(tmp_path / "cut", 1, pause=0.05)
    wait_for_checkpoint(tmp_path / "cut", job, 2)
    victims = workers_of(tmp_path / "cut")
    assert len(victims) == 2
    os.kill(victims[1], signal.SIGKILL)
    output = job.communicate()[1]
    assert job.returncode == 0, output
    assert "the job starts again (0 restarts left)" in output
    assert "Going on from step" in output
    whole = launch(tmp_path / "whole", 0)
    assert whole.communicate()
    assert whole.returncode == 0
    assert_same(tmp_path / "cut", tmp_path / "whole")


def test_sigterm_to_one_worker_stops_all_at_the_same_step(tmp_path: Path) -> None:
    import os

    job = launch(tmp_path / "run", 3, pause=0.05)
    wait_for_checkpoint(tmp_path / "run", job, 1)
    os.kill(workers_of(tmp_path / "run")[1], signal.SIGTERM)
    output = job.communicate()[1]
    assert job.returncode == 75, output
    stops = [line for line in output.splitlines() if "StoppedError: Stopped by" in line]
    assert len(stops) == 2
    assert len({line.split("after saving ")[1] for line in stops}) == 1
    assert "restarts left" not in output
