"""Starting and ending several processes, with processes that know nothing of TensorFlow."""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from toolkit.training.launch import launch_workers


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_workers_find_each_other_and_their_output_is_prefixed(
    capfd: pytest.CaptureFixture[str],
) -> None:
    code = "import os, sys; print(os.environ['TF_CONFIG']); print('oops', file=sys.stderr)"
    assert launch_workers(2, python(code)) == 0
    out, err = capfd.readouterr()
    lines = sorted(out.splitlines())
    configs = [json.loads(line.split("] ", 1)[1]) for line in lines]
    assert [line[:4] for line in lines] == ["[0] ", "[1] "]
    assert [config["task"]["index"] for config in configs] == [0, 1]
    assert configs[0]["cluster"] == configs[1]["cluster"]
    assert len(set(configs[0]["cluster"]["worker"])) == 2
    assert sorted(err.splitlines()) == ["[0] oops", "[1] oops"]


def test_one_worker_is_no_cluster(capfd: pytest.CaptureFixture[str]) -> None:
    code = "import os; print(os.environ.get('TF_CONFIG'), os.environ.get('OMP_NUM_THREADS'))"
    assert launch_workers(1, python(code), environment={}) == 0
    assert capfd.readouterr().out == "[0] None None\n"


def test_a_failing_worker_ends_the_job_with_its_code() -> None:
    code = (
        "import json, os, sys, time;"
        "index = json.loads(os.environ['TF_CONFIG'])['task']['index'];"
        "sys.exit(3) if index else time.sleep(60)"
    )
    began = time.monotonic()
    assert launch_workers(2, python(code)) == 3
    assert time.monotonic() - began < 20


def test_a_killed_worker_counts_as_a_shell_counts() -> None:
    assert launch_workers(1, python("import os; os.kill(os.getpid(), 9)")) == 137


def test_starts_again_with_the_other_command(capfd: pytest.CaptureFixture[str]) -> None:
    again = python("print('going on')")
    assert launch_workers(2, python("exit(1)"), restarts=2, restart_command=again) == 0
    out, err = capfd.readouterr()
    assert sorted(out.splitlines()) == ["[0] going on", "[1] going on"]
    assert "A worker ended with 1; the job starts again (1 restarts left)." in err


@pytest.mark.parametrize("code", [2, 75])
def test_what_a_restart_would_repeat_is_final(tmp_path: Path, code: int) -> None:
    count = f"open({str(tmp_path / 'count')!r}, 'a').write('x')"
    assert launch_workers(1, python(f"{count}; exit({code})"), restarts=3) == code
    assert (tmp_path / "count").read_text() == "x"


def test_restarts_end() -> None:
    assert launch_workers(1, python("exit(1)"), restarts=1) == 1


def test_signals_are_passed_on(tmp_path: Path) -> None:
    code = (
        "import signal, sys, tempfile, time;"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(75));"
        f"tempfile.mkstemp(dir={str(tmp_path)!r});"
        "time.sleep(60)"
    )

    def terminate_when_both_are_ready() -> None:
        while len(list(tmp_path.iterdir())) < 2:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=terminate_when_both_are_ready)
    thread.start()
    assert launch_workers(2, python(code), restarts=2) == 75
    thread.join()
