"""Prepared data: written once, read in any order, whole or not at all."""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from toolkit.data import shards
from toolkit.data.cache import cache_directory, clear_cache, list_cache
from toolkit.data.entries import entry_key
from toolkit.data.examples import Batch
from toolkit.data.prepared import PreparedExamples, prepare
from toolkit.data.store import StoredExamples
from toolkit.errors import ArgumentError, DataError
from toolkit.ragged import Ragged

COUNT = 50


def example(row: int) -> dict[str, Any]:
    return {
        "token_ids": np.arange(row % 7, dtype=np.int32),
        "frames": np.full((row % 3, 2), row / 2, np.float32),
        "flag": np.array([row % 2, 1], bool),
        "label": np.int64(1000 + row),
        "words": np.arange(row % 4, dtype=np.int16),
    }


def stored(rows: Iterable[int]) -> StoredExamples:
    found = [example(row) for row in rows]

    def ragged(name: str) -> Ragged:
        return Ragged.join((one[name], np.array([len(one[name])])) for one in found)

    inputs = {name: ragged(name) for name in ("token_ids", "frames")}
    targets = {name: np.stack([one[name] for one in found]) for name in ("flag", "label")}
    weights = np.array([1 + row / 8 for row in rows])
    axes = ("token_ids", "frames", "words")
    return StoredExamples(inputs, {**targets, "words": ragged("words")}, weights, axes)


def examples() -> Iterator[StoredExamples]:
    return (stored(rows) for rows in (range(7), range(7, 8), range(8, COUNT)))


def ready(root: Path, key: str = "key", **options: Any) -> PreparedExamples:
    return prepare(key, examples, root, shard_bytes=1000, **options)


def same(one: Batch, other: Batch) -> bool:
    pairs = [(one.inputs, other.inputs), (one.targets, other.targets)]
    return np.array_equal(one.weights, other.weights) and all(
        a.keys() == b.keys()
        and all(a[n].dtype == b[n].dtype and np.array_equal(a[n], b[n]) for n in a)
        for a, b in pairs
    )


def test_batches_are_those_of_memory_in_any_order(tmp_path: Path) -> None:
    data, memory = ready(tmp_path), stored(range(COUNT))
    assert len(data) == COUNT
    assert len(list((tmp_path / "key").glob("shard-*"))) > 2
    assert np.array_equal(data.lengths, memory.lengths)
    assert np.array_equal(data.weights, memory.weights)
    for rows in (np.random.default_rng(0).permutation(COUNT), np.array([3, 3]), np.array([0])):
        shape = tuple(memory.lengths[rows].max(0))
        assert same(data.batch(rows, shape), memory.batch(rows, shape))


def test_targets_and_samples_come_into_memory(tmp_path: Path) -> None:
    data, memory = ready(tmp_path), stored(range(COUNT))
    assert np.array_equal(data.target("label"), memory.target("label"))
    words: Any = data.target("words")
    assert np.array_equal(words.splits, memory.target("words").splits)
    whole, rows = np.arange(COUNT), (6, 3, 4)
    assert same(data.sample().batch(whole, rows), memory.batch(whole, rows))
    some, again = data.sample(10, seed=1), memory.sample(10, seed=1)
    assert same(some.batch(np.arange(10), rows), again.batch(np.arange(10), rows))
    assert len(np.unique(some.targets["label"])) == 10
    assert np.any(some.targets["label"] != data.sample(10, seed=2).targets["label"])


def test_what_is_prepared_is_not_prepared_again(tmp_path: Path) -> None:
    ready(tmp_path).close()
    data = prepare("key", lambda: pytest.fail("built again"), root=tmp_path)
    assert len(data) == COUNT
    assert entry_key({"a": 1, "b": 2}) == entry_key({"b": 2, "a": 1})
    assert entry_key({"a": 1}) != entry_key({"a": 2})


@pytest.mark.parametrize("file", ["shard-00001.array_record", "lengths.npy", "index.json"])
@pytest.mark.parametrize("damage", ["changed", "cut", "gone"])
def test_what_is_damaged_is_refused_by_name_and_prepared_again(
    tmp_path: Path, file: str, damage: str
) -> None:
    ready(tmp_path).close()
    path = tmp_path / "key" / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content[: len(content) // 2] if damage == "cut" else content)
    if damage == "gone":
        path.unlink()
    with pytest.raises(DataError, match=f"^{path}: "):
        PreparedExamples(tmp_path / "key")
    last = np.array([COUNT - 1])
    assert same(ready(tmp_path).batch(last, (6, 2, 3)), stored(range(COUNT)).batch(last, (6, 2, 3)))


def test_a_file_that_was_only_touched_is_checked_once(tmp_path: Path) -> None:
    ready(tmp_path).close()
    path = tmp_path / "key" / "lengths.npy"
    written = path.stat().st_mtime_ns
    path.touch()
    PreparedExamples(tmp_path / "key")
    assert path.stat().st_mtime_ns == written


def test_a_block_that_rotted_in_place_is_named_when_it_is_read(tmp_path: Path) -> None:
    ready(tmp_path).close()
    path = tmp_path / "key" / "shard-00000.array_record"
    status = path.stat()
    content = bytearray(path.read_bytes())
    place = content.index((1000).to_bytes(8, "little"))
    content[place] ^= 0xFF
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(DataError, match=f"^{path}: the shard is damaged"):
        PreparedExamples(tmp_path / "key").batch(np.array([0]), (1, 1, 1))


def build_slowly(root: Path, log: Path) -> None:
    def slow() -> Iterator[StoredExamples]:
        with log.open("a") as file:
            file.write("built\n")
        for row in range(COUNT):
            time.sleep(0.01)
            yield stored([row])

    assert len(prepare("key", slow, root)) == COUNT


def test_of_two_jobs_one_builds(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    log = tmp_path / "log"
    jobs = [context.Process(target=build_slowly, args=(tmp_path / "c", log)) for _ in range(2)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert [job.exitcode for job in jobs] == [0, 0]
    assert log.read_text() == "built\n"


def test_a_build_that_was_killed_leaves_nothing_that_matters(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    job = context.Process(target=build_slowly, args=(tmp_path, tmp_path / "log"))
    job.start()
    while not list(tmp_path.glob("key.tmp*/shard-*")):
        time.sleep(0.005)
    assert job.pid is not None
    os.kill(job.pid, signal.SIGKILL)
    job.join()
    assert not (tmp_path / "key").exists()
    assert len(ready(tmp_path)) == COUNT
    assert not list(tmp_path.glob("*.tmp*"))


def test_the_longest_unused_goes_first_and_what_is_read_stays(tmp_path: Path) -> None:
    for age, key in enumerate(("new", "middle", "old")):
        ready(tmp_path, key).close()
        os.utime(tmp_path / key / "used", (1e9 - age, 1e9 - age))
    assert [entry.key for entry in list_cache(tmp_path)] == ["old", "middle", "new"]
    size = list_cache(tmp_path)[0].size
    old = PreparedExamples(tmp_path / "old")
    reading = ready(tmp_path, "old")
    os.utime(tmp_path / "old" / "used", (1e9 - 9, 1e9 - 9))
    added = ready(tmp_path, "added", limit=3 * size + size // 2)
    assert sorted(entry.key for entry in list_cache(tmp_path)) == ["added", "new", "old"]
    assert {entry.key: entry.in_use for entry in list_cache(tmp_path)} == {
        "added": True,
        "new": False,
        "old": True,
    }
    assert [entry.key for entry in clear_cache(tmp_path, ["old", "new"])] == ["new"]
    for data in (old, reading, added):
        data.close()
    assert sorted(entry.key for entry in clear_cache(tmp_path)) == ["added", "old"]
    assert list_cache(tmp_path) == []


def test_the_cache_lies_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOOLKIT_CACHE", str(tmp_path / "place"))
    assert cache_directory() == tmp_path / "place"
    assert list_cache() == []
    monkeypatch.delenv("TOOLKIT_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_directory() == tmp_path / ".cache" / "toolkit"


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def write(self, record: bytes) -> None:
            raise RuntimeError("write() failed: No space left on device; writing x")

    monkeypatch.setattr(shards, "_writer", lambda path: Full())
    message = f"^{tmp_path}: no space left to prepare the data. Expected room for it; "
    with pytest.raises(DataError, match=message):
        ready(tmp_path)
    assert list_cache(tmp_path) == []
    assert not list(tmp_path.glob("*.tmp*"))


def test_examples_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^prepared data: no examples\. Expected at least one\.$"):
        prepare("key", lambda: [], root=tmp_path)
    numbers = [np.zeros(1, np.int32), np.zeros(1, np.float32)]
    mixed = [StoredExamples({"a": each}, {}) for each in numbers]
    message = r"Expected a \(<i4, \(\)\)\. Received: examples=a \(<f4, \(\)\)\.$"
    with pytest.raises(ArgumentError, match=message):
        prepare("key", lambda: mixed, root=tmp_path)
    text = [StoredExamples({"a": np.array(["text"])}, {})]
    with pytest.raises(ArgumentError, match=r"Received: a=<U4\.$"):
        prepare("key", lambda: text, root=tmp_path)
    assert list_cache(tmp_path) == []
