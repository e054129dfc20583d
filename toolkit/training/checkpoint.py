"""Checkpoints that are whole or not there: arrays and JSON, checksummed, renamed into place."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.errors import RunError

ARRAYS, STATE, SUMS = "arrays.npz", "state.json", "sha256"


@dataclass(frozen=True)
class Checkpoint:
    """What was saved after a step.

    Attributes:
        step: finished optimizer steps.
        arrays: variables by key.
        state: plain data.
    """

    step: int
    arrays: dict[str, NDArray[Any]]
    state: dict[str, Any]


class Checkpoints:
    """The checkpoints of one run.

    A checkpoint is a directory ``step-N`` with ``arrays.npz`` (no pickles), ``state.json`` and
    their checksums. It is written under another name, flushed to the disk and renamed, so a
    process killed at any moment, or a disk that fills up, loses none that was there before.

    Args:
        directory: where they lie; made when the first is saved.
        keep_last: how many of the newest stay.
        keep_every: every n-th stays for good.
    """

    def __init__(self, directory: Path, keep_last: int = 2, keep_every: int | None = None) -> None:
        self.directory = directory
        self.keep_last = keep_last
        self.keep_every = keep_every

    def steps(self) -> list[int]:
        """Return the steps saved, oldest first."""
        return sorted(int(path.name.removeprefix("step-")) for path in self._saved())

    def save(self, step: int, arrays: Mapping[str, NDArray[Any]], state: Mapping[str, Any]) -> None:
        """Save, replacing an earlier checkpoint of the same step.

        Raises:
            RunError: it cannot be written, such as on a full disk; the others are untouched.
        """
        temporary = self.directory / f".writing-{step}"
        try:
            self.remove_unfinished()
            temporary.mkdir(parents=True)
            _write(temporary, arrays, state)
            target = self.path(step)
            if target.exists():
                shutil.rmtree(target)
            temporary.rename(target)
            _flush(self.directory)
        except OSError as error:
            shutil.rmtree(temporary, ignore_errors=True)
            raise RunError(
                f"{self.directory}: the checkpoint of step {step} cannot be written: "
                f"{error.strerror or error}. Checkpoints that stay: "
                f"{', '.join(map(str, self.steps())) or 'none'}."
            ) from error

    def load(self, step: int) -> Checkpoint:
        """Read one checkpoint.

        Raises:
            RunError: it is missing or damaged.
        """
        path = self.path(step)
        try:
            _check(path)
            state = json.loads((path / STATE).read_text())
            with np.load(path / ARRAYS, allow_pickle=False) as file:
                arrays = {key: file[key] for key in file.files}
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise RunError(f"{path}: the checkpoint is damaged: {error}") from error
        return Checkpoint(step, _typed(arrays, state["dtypes"]), state["state"])

    def newest(self, warn: Callable[[str], None]) -> Checkpoint | None:
        """Read the newest checkpoint that is whole; ``warn`` of each damaged one.

        Raises:
            RunError: there are checkpoints, and all are damaged.
        """
        steps = self.steps()
        for step in reversed(steps):
            try:
                return self.load(step)
            except RunError as error:
                warn(f"{error} Falling back to the one before.")
        if steps:
            raise RunError(f"{self.directory}: every checkpoint is damaged. Received: {steps}.")
        return None

    def prune(self, best: int | None) -> None:
        """Remove what need not stay: neither the newest, nor the best, nor an n-th one."""
        steps = self.steps()
        for step in steps[: -self.keep_last]:
            if step != best and not self._stays(step):
                shutil.rmtree(self.path(step), ignore_errors=True)

    def remove_unfinished(self) -> None:
        """Remove what a killed process left half-written."""
        for path in self.directory.glob(".writing-*"):
            shutil.rmtree(path)

    def path(self, step: int) -> Path:
        """Return where the checkpoint of ``step`` lies."""
        return self.directory / f"step-{step:09d}"

    def _saved(self) -> list[Path]:
        return [path for path in self.directory.glob("step-*") if path.is_dir()]

    def _stays(self, step: int) -> bool:
        if self.keep_every is None:
            return False
        try:
            number = json.loads((self.path(step) / STATE).read_text())["state"]["number"]
        except (OSError, ValueError, KeyError):
            return False
        return bool(number % self.keep_every == 0)


def _write(directory: Path, arrays: Mapping[str, NDArray[Any]], state: Mapping[str, Any]) -> None:
    with (directory / ARRAYS).open("wb") as file:
        np.savez(file, **{key: _plain(array) for key, array in arrays.items()})  # type: ignore[arg-type]
    dtypes = {key: str(array.dtype) for key, array in arrays.items()}
    text = json.dumps({"dtypes": dtypes, "state": state}, indent=1)
    (directory / STATE).write_text(text)
    sums = [f"{_digest(directory / name)}  {name}\n" for name in (ARRAYS, STATE)]
    (directory / SUMS).write_text("".join(sums))
    for name in (ARRAYS, STATE, SUMS):
        _flush(directory / name)
    _flush(directory)


def _check(directory: Path) -> None:
    for line in (directory / SUMS).read_text().splitlines():
        digest, name = line.split("  ", 1)
        if _digest(directory / name) != digest:
            raise ValueError(f"{name} has another checksum.")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    """Types that NumPy does not know itself, such as bfloat16, are stored as integers as wide."""
    array = np.asarray(array, order="C")  # unlike ascontiguousarray, leaves a scalar a scalar
    return array if array.dtype.kind in "biufcSU" else array.view(f"u{array.dtype.itemsize}")


def _typed(arrays: dict[str, NDArray[Any]], dtypes: dict[str, str]) -> dict[str, NDArray[Any]]:
    """Undo :func:`_plain`."""
    import ml_dtypes  # noqa: F401 - registers bfloat16 and its like by name

    return {
        key: array if str(array.dtype) == dtypes[key] else array.view(np.dtype(dtypes[key]))
        for key, array in arrays.items()
    }
