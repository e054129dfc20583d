"""Fitted state and examples of data of any size: in memory, or prepared on disk."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import toolkit
from toolkit.data.entries import entry_key
from toolkit.data.examples import Examples
from toolkit.data.prepared import prepare
from toolkit.data.splits import Splits
from toolkit.data.store import StoredExamples
from toolkit.data.table import Table
from toolkit.data.table_store import StoredTable
from toolkit.tasks.base import Decision, Task
from toolkit.training.progress import Progress

CHUNK = 10_000  # rows
PLACES = ("train", "validation", "test", "data_dir", "prepare")  # say nothing of an example


class Working:
    """Tells on stderr how far reading and preparing are, and how long they will take.

    Args:
        show: False for silence.
    """

    def __init__(self, show: bool = True) -> None:
        self._progress = Progress("", 0, show=show)
        self._began: dict[str, tuple[float, int]] = {}  # when, and how much was done then

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show that so much of ``what`` is done."""
        now = time.monotonic()
        began, before = self._began.setdefault(what, (now, done))
        if done >= total:
            self._progress.close()
            self._began.pop(what)
        elif done > before:  # else nobody can tell how long the rest takes
            left = (now - began) * (total - done) / (done - before)
            self._progress.working(what, done, total, left)


def fit_state(task: Task[Any], splits: Splits) -> None:
    """Fit a task's state on the data, or on a sample of data that lies on disk."""
    seed = _sampling_seed(task)
    task.prepare(splits.sample(seed))
    reason = splits.placement.reason
    if isinstance(splits.train, StoredTable):
        count = len(splits.train.sample_rows(seed))
        reason += (
            f"; what is fitted is fitted on {count:,} of {len(splits.train):,} training rows, "
            f"drawn with seed {seed}"
        )
    task.decisions["data.prepare"] = Decision(splits.placement.where, reason)


def make_examples(
    task: Task[Any], table: Table, working: Working | None = None, fitting: bool = False
) -> Examples:
    """Make a task's examples of a table; those of a table on disk go to disk too.

    Args:
        task: with its state fitted.
        table: the rows.
        working: told how far it is.
        fitting: whether they are to train by, not to answer.

    Raises:
        DataError: a value cannot be used; no space left on the disk.
    """
    if not isinstance(table, StoredTable):
        return task.fitting_examples(table) if fitting else task.examples(table)
    if not isinstance(task.examples(table.take([0]).read()), StoredExamples):
        return task.examples(table.read())  # rows that name files, read when they are needed
    return prepare(_key(task, table), lambda: _parts(task, table, working or Working(False)))


def _parts(task: Task[Any], table: StoredTable, working: Working) -> Iterator[StoredExamples]:
    done = 0
    for chunk in table.chunks(CHUNK):
        part = task.examples(chunk)
        assert isinstance(part, StoredExamples)
        yield part
        done += len(chunk)
        working(f"rows of {table.name} prepared", done, len(table))


def _key(task: Task[Any], table: StoredTable) -> str:
    """What decides the examples: rows, options and fitted state, and this version's code."""
    options: Any = task.options
    sections = {
        "task": options.task.model_dump(mode="json"),
        "data": options.data.model_dump(mode="json", exclude={*PLACES}),
    }
    content = {
        "kind": "examples",
        "version": toolkit.__version__,
        **table.key,
        **sections,
        "state": _digest_of_state(task),
    }
    return entry_key(content)


def _digest_of_state(task: Task[Any]) -> str:
    digest = hashlib.sha256()
    with tempfile.TemporaryDirectory() as folder:
        task.save(Path(folder))
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file():
                digest.update(path.name.encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()


def _sampling_seed(task: Task[Any]) -> int:
    split = task.options.data.split
    return 0 if split is None else int(split.seed)
