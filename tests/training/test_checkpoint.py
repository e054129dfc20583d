import os
import subprocess
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from toolkit.errors import RunError
from toolkit.training.checkpoint import ARRAYS, STATE, Checkpoints

ARRAY = {"model/0000": np.arange(6.0, dtype=np.float32).reshape(2, 3)}


def saved(directory: Path, *steps: int, **keep: Any) -> Checkpoints:
    checkpoints = Checkpoints(directory, **keep)
    for number, step in enumerate(steps, start=1):
        checkpoints.save(step, ARRAY, {"number": number})
        checkpoints.prune(best=steps[0])
    return checkpoints


def test_gives_back_what_was_saved(tmp_path: Path) -> None:
    arrays = {
        "float": np.float32([1.5, np.pi]),
        "bfloat16": np.array([[1.5, 2.5]], ml_dtypes.bfloat16),
        "seed": np.uint32([7, 4_000_000_000]),
        "scalar": np.array(3, np.int64),
    }
    Checkpoints(tmp_path).save(5, arrays, {"best": 0.1 + 0.2})
    found = Checkpoints(tmp_path).load(5)
    assert found.state == {"best": 0.1 + 0.2}
    for name, array in arrays.items():
        assert found.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(found.arrays[name], array)


def test_keeps_the_last_the_best_and_every_nth(tmp_path: Path) -> None:
    assert saved(tmp_path, 1, 2, 3, 4, 5, 6, 7, keep_last=2, keep_every=3).steps() == [1, 3, 6, 7]


@pytest.mark.parametrize("name", [ARRAYS, STATE, "sha256"])
@pytest.mark.parametrize("harm", ["changed", "cut", "gone"])
def test_falls_back_from_a_damaged_one_and_says_so(tmp_path: Path, name: str, harm: str) -> None:
    checkpoints = saved(tmp_path, 1, 2)
    file = checkpoints.path(2) / name
    content = file.read_bytes()
    if harm == "gone":
        file.unlink()
    else:
        file.write_bytes(content[:-9] if harm == "cut" else content[:-1] + b"?")
    said: list[str] = []
    found = checkpoints.newest(said.append)
    if name == "sha256" and harm == "changed":
        return  # the last character is a line's end, which carries nothing
    assert found is not None
    assert found.step == 1
    assert "step-000000002: the checkpoint is damaged" in said[0]
    assert "Falling back to the one before" in said[0]


def test_all_damaged_is_an_error(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 1)
    (checkpoints.path(1) / ARRAYS).write_bytes(b"")
    with pytest.raises(RunError, match="every checkpoint is damaged"):
        checkpoints.newest(print)


def test_what_a_killed_writer_left_is_no_checkpoint(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 1)
    (tmp_path / ".writing-2").mkdir()
    assert checkpoints.steps() == [1]
    checkpoints.save(3, ARRAY, {"number": 2})
    assert not (tmp_path / ".writing-2").exists()


def test_a_full_disk_loses_no_earlier_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = saved(tmp_path, 1)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(RunError, match=r"step 2 .*No space left.*stay: 1\."):
        checkpoints.save(2, ARRAY, {"number": 2})
    assert checkpoints.load(1).step == 1
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000001"]


@pytest.mark.slow
def test_a_really_full_disk_loses_no_earlier_checkpoint(tmp_path: Path) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a small tmpfs cannot be mounted here")
    try:
        random = np.random.default_rng(0)
        arrays = {"model/0000": random.random(60_000).astype(np.float64)}  # 480 kB
        checkpoints = Checkpoints(tmp_path, keep_last=9)
        checkpoints.save(1, arrays, {"number": 1})
        checkpoints.save(2, arrays, {"number": 2})
        with pytest.raises(RunError, match="No space left"):
            checkpoints.save(3, arrays, {"number": 3})
        for step in (1, 2):
            np.testing.assert_array_equal(
                checkpoints.load(step).arrays["model/0000"], arrays["model/0000"]
            )
        assert not list(tmp_path.glob(".writing*"))
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
