"""Examples larger than memory: prepared once, on disk, read back in any order.

An entry of the cache holds the examples as ArrayRecord shards (checksummed block by block), and
the lengths and weights of all of them, which stay in memory: what plans batches.
"""

import os
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.data.cache import DEFAULT_LIMIT
from toolkit.data.entries import open_entry, read_index, write_index
from toolkit.data.examples import SAMPLE_ROWS, Arrays, Batch, Examples, Feature, sample_rows
from toolkit.data.records import Records, Schema
from toolkit.data.shards import ShardWriter, Stored, stored
from toolkit.data.store import StoredExamples
from toolkit.errors import DataError
from toolkit.ragged import Ragged

LENGTHS, WEIGHTS = "lengths.npy", "weights.npy"
SHARD_BYTES = 256 * 2**20
BLOCK = 1000  # rows that are packed, or read in order, at a time

# Rows come in random order, few at a time: reading ahead would read what nobody asked for, and
# waking threads costs more than they save.
READER_OPTIONS = "readahead_buffer_size:0,max_parallelism:0"


def prepare(
    key: str,
    examples: Callable[[], Iterable[StoredExamples]],
    root: Path | None = None,
    limit: int = DEFAULT_LIMIT,
    shard_bytes: int = SHARD_BYTES,
) -> "PreparedExamples":
    """Opens prepared examples, made first where there are none, or where they are damaged.

    Of several jobs that want the same, one builds and the others wait for it. Memory stays flat.

    Args:
        key: `entry_key` of all that decides the examples.
        examples: Makes them, some thousand at a time, in order; called only to build.
        root: The cache; None: `cache_directory`.
        limit: Bytes that the cache may hold; the longest unused entries go first.
        shard_bytes: A new shard begins when one has this many.

    Raises:
        DataError: No examples; no space left on the disk.
        ArgumentError: Examples of different features.
    """
    folder, reading = open_entry(
        key, lambda place: _write(place, key, examples(), shard_bytes), root, limit
    )
    return PreparedExamples(folder, reading)


class PreparedExamples(Examples):
    """Random access to examples on disk; their lengths and weights are in memory.

    Args:
        folder: The entry.
        reading: A descriptor that locks the entry against removal, closed with this object.

    Raises:
        DataError: A damaged entry; names the file.
    """

    def __init__(self, folder: Path, reading: int | None = None) -> None:
        index = read_index(folder)
        self.folder = folder
        self.schema = Schema.from_plain(index["schema"])
        self._lengths: NDArray[np.int32] = np.load(folder / LENGTHS)
        self._weights: NDArray[np.float64] = np.load(folder / WEIGHTS)
        shards = [Stored(**one) for one in index["files"]]
        shards = [one for one in shards if one.file not in (LENGTHS, WEIGHTS)]
        self._names = [one.file for one in shards]
        self._starts = np.cumsum([0] + [one.examples for one in shards])
        self._targets: dict[str, Feature] = {}
        self._opening = threading.Lock()
        self._readers: dict[int, Any] = {}
        self.close = weakref.finalize(self, _close, self._readers, reading)

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Lengths of the ragged features that are padded."""
        return self._lengths.astype(np.int64)

    @property
    def weights(self) -> NDArray[np.float64]:
        """What each example counts in the loss."""
        return self._weights

    def batch(self, rows: NDArray[np.int64], shape: tuple[int, ...]) -> Batch:
        """Read and pad ``rows``, many at once.

        Raises:
            DataError: A shard that cannot be read; names it.
        """
        rows = np.asarray(rows, np.int64)
        records = self.schema.unpack(self._records(rows))
        lengths = dict(zip(self.schema.axes, shape, strict=True))
        arrays: dict[str, Arrays] = {"input": {}, "target": {}}
        for number, field in enumerate(self.schema.fields):
            arrays[field.role][field.name] = (
                records.padded(number, lengths[field.name])
                if field.ragged
                else np.asarray(records.feature(number))
            )
        weights = self._weights[rows].astype(np.float32)
        return Batch(arrays["input"], arrays["target"], weights)

    def target(self, name: str) -> Feature:
        """One target of all examples, read once."""
        if name not in self._targets:
            numbers = [
                number
                for number, field in enumerate(self.schema.fields)
                if field.role == "target" and field.name == name
            ]
            blocks = self._blocks(np.arange(len(self)))
            self._targets[name] = _joined([block.feature(numbers[0]) for block in blocks])
        return self._targets[name]

    def sample(self, rows: int = SAMPLE_ROWS, seed: int = 0) -> StoredExamples:
        """Some examples in memory."""
        chosen = sample_rows(len(self), rows, seed)
        blocks = list(self._blocks(chosen))
        features: dict[str, dict[str, Feature]] = {"input": {}, "target": {}}
        for number, field in enumerate(self.schema.fields):
            joined = _joined([block.feature(number) for block in blocks])
            features[field.role][field.name] = joined
        return StoredExamples(
            features["input"], features["target"], self._weights[chosen], self.schema.axes
        )

    def _blocks(self, rows: NDArray[np.int64]) -> Iterator[Records]:
        for start in range(0, len(rows), BLOCK):
            yield self.schema.unpack(self._records(rows[start : start + BLOCK]))

    def _records(self, rows: NDArray[np.int64]) -> list[bytes]:
        """The records of rows, read from each shard in the order in which they lie there."""
        wanted, places = np.unique(rows, return_inverse=True)
        shards = np.searchsorted(self._starts, wanted, side="right") - 1
        found: list[bytes] = []
        for shard in np.unique(shards):
            found += self._read(int(shard), wanted[shards == shard] - self._starts[shard])
        return [found[place] for place in places]

    def _read(self, shard: int, rows: NDArray[np.int64]) -> list[bytes]:
        """Read increasing rows of a shard, neighbours at once.

        ArrayRecord also takes a list of rows, but goes through the index of the whole shard then.
        """
        records: list[bytes] = []
        try:
            reader = self._reader(shard)
            for run in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1):
                records += reader.read(int(run[0]), int(run[-1]) + 1)
        except RuntimeError as error:
            raise DataError(
                f"{self.folder / self._names[shard]}: the shard is damaged. Expected the data as "
                f"it was prepared; 'toolkit cache' clears it. Received: {error}."
            ) from error
        return records

    def _reader(self, shard: int) -> Any:
        with self._opening:
            if shard not in self._readers:
                self._readers[shard] = _open_shard(self.folder / self._names[shard])
            return self._readers[shard]


def _joined(parts: list[Feature]) -> Feature:
    """Rows of one feature end to end."""
    if isinstance(parts[0], Ragged):
        ragged = [part for part in parts if isinstance(part, Ragged)]
        return Ragged.join((part.values, part.lengths) for part in ragged)
    return np.concatenate([np.asarray(part) for part in parts])


def _close(readers: dict[int, Any], reading: int | None) -> None:
    for reader in readers.values():
        reader.close()
    if reading is not None:
        os.close(reading)


def _write(folder: Path, key: str, parts: Iterable[StoredExamples], shard_bytes: int) -> None:
    writer = ShardWriter(folder, shard_bytes)
    schema: Schema | None = None
    lengths: list[NDArray[np.int32]] = []
    weights: list[NDArray[np.float64]] = []
    for part in parts:
        schema = schema or Schema.of(part)
        for rows in np.split(np.arange(len(part)), range(BLOCK, len(part), BLOCK)):
            writer.write(schema.pack(part.taken(rows)))
        lengths.append(part.lengths.astype(np.int32))
        weights.append(part.weights)
    files = writer.close()
    if schema is None or not files:
        raise DataError("prepared data: no examples. Expected at least one.")
    for name, arrays in ((LENGTHS, lengths), (WEIGHTS, weights)):
        np.save(folder / name, np.concatenate(arrays))
        files.append(stored(folder / name, 0))
    write_index(folder, files, key=key, kind="examples", schema=asdict(schema))


def _open_shard(path: Path) -> Any:
    from array_record.python import array_record_module

    return array_record_module.ArrayRecordReader(str(path), options=READER_OPTIONS)
