"""Data larger than memory: examples prepared once, on disk, read back in any order.

An entry of the cache holds ArrayRecord shards (checksummed block by block), the
lengths of all examples and an index; it is written aside and renamed when whole, so a reader never
sees half of one.
"""

import hashlib
import json
import logging
import os
import shutil
import tempfile
import weakref
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.data.cache import (
    DEFAULT_LIMIT,
    TEMPORARY,
    USED,
    builder_lock,
    cache_directory,
    evict,
    reader_lock,
)
from toolkit.data.records import Example, Feature, Schema, Value
from toolkit.data.shards import ShardWriter, Stored, is_intact, stored, sync
from toolkit.errors import DataError

FORMAT = 1
INDEX = "index.json"
LENGTHS = "lengths.npy"
SHARD_BYTES = 256 * 2**20

# Rows come in random order: reading ahead would read what nobody asked for.
READER_OPTIONS = "readahead_buffer_size:0"

logger = logging.getLogger(__name__)


def prepared_key(content: Mapping[str, Any]) -> str:
    """The name of prepared data: a hash of all that decides it.

    Args:
        content: Hashes of the data files, and the options and fitted state that preprocessing
            uses; plain data.
    """
    text = json.dumps({"format": FORMAT, **content}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def prepare(
    key: str,
    examples: Callable[[], Iterable[Example]],
    lengths: Callable[[Example], Sequence[int]] = lambda example: (),
    root: Path | None = None,
    limit: int = DEFAULT_LIMIT,
    shard_bytes: int = SHARD_BYTES,
) -> "PreparedData":
    """Opens prepared data, made first where there is none, or where it is damaged.

    Of several jobs that want the same, one builds and the others wait for it. Memory stays flat.

    Args:
        key: `prepared_key` of all that decides the examples.
        examples: Makes them, from the first to the last; called only to build.
        lengths: Lengths of an example along the padded axes.
        root: The cache; None: `cache_directory`.
        limit: Bytes that the cache may hold; the longest unused entries go first.
        shard_bytes: A new shard begins when one has this many.

    Raises:
        DataError: No examples; no space left on the disk.
        ArgumentError: Examples of different features.
    """
    root = (root or cache_directory()).resolve()
    reading = reader_lock(root, key)
    try:
        with builder_lock(root, key):
            damage = find_damage(root / key)
            if damage is not None:
                if (root / key).exists():
                    logger.warning("%s Preparing the data again.", damage)
                _build(root, key, examples(), lengths, shard_bytes)
                evict(root, limit, keep=key)
        (root / key / USED).touch()
        return PreparedData(root / key, reading)
    except BaseException:
        os.close(reading)
        raise


def find_damage(folder: Path) -> str | None:
    """What is wrong with an entry, naming the file, or None.

    Sizes are always compared, checksums where a file was touched since it was written.
    """
    try:
        index = json.loads((folder / INDEX).read_text())
        files = [Stored(**one) for one in index["files"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{folder / INDEX}: missing or damaged. Received: {error}."
    if index.get("format") != FORMAT:
        return f"{folder / INDEX}: written by another version."
    damaged = next((one.file for one in files if not is_intact(folder, one)), None)
    return damaged and f"{folder / damaged}: not as it was written."


class PreparedData:
    """Random access to prepared examples.

    Args:
        folder: The entry.
        reading: A descriptor that locks the entry against removal, closed with this object.

    Raises:
        DataError: A damaged entry; names the file.
    """

    def __init__(self, folder: Path, reading: int | None = None) -> None:
        damage = find_damage(folder)
        if damage is not None:
            raise DataError(f"{damage} Expected prepared data; 'toolkit cache' clears it.")
        index = json.loads((folder / INDEX).read_text())
        self.folder = folder
        self.lengths: NDArray[np.int64] = np.load(folder / LENGTHS)
        self._schema = Schema(tuple(Feature(**one) for one in index["features"]))
        shards = [Stored(**one) for one in index["files"] if one["file"] != LENGTHS]
        self._names = [one.file for one in shards]
        self._starts = np.cumsum([0] + [one.examples for one in shards])
        self._readers: dict[int, Any] = {}
        self.close = weakref.finalize(self, _close, self._readers, reading)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def batch(self, rows: NDArray[np.int64]) -> list[dict[str, Value]]:
        """The examples of the given rows, in their order.

        Raises:
            DataError: A shard that cannot be read; names it.
        """
        rows = np.asarray(rows, np.int64)
        shards = np.searchsorted(self._starts, rows, side="right") - 1
        examples: list[dict[str, Value]] = [{}] * len(rows)
        for shard in np.unique(shards):
            places = np.flatnonzero(shards == shard)
            for place, record in zip(places, self._read(int(shard), rows[places]), strict=True):
                examples[place] = self._schema.decode(record)
        return examples

    def _read(self, shard: int, rows: NDArray[np.int64]) -> list[bytes]:
        try:
            if shard not in self._readers:
                self._readers[shard] = _reader(self.folder / self._names[shard])
            records: list[bytes] = self._readers[shard].read((rows - self._starts[shard]).tolist())
        except RuntimeError as error:
            raise DataError(
                f"{self.folder / self._names[shard]}: the shard is damaged. Expected the data as "
                f"it was prepared; 'toolkit cache' clears it. Received: {error}."
            ) from error
        return records


def _close(readers: dict[int, Any], reading: int | None) -> None:
    for reader in readers.values():
        reader.close()
    if reading is not None:
        os.close(reading)


def _build(
    root: Path,
    key: str,
    examples: Iterable[Example],
    lengths: Callable[[Example], Sequence[int]],
    shard_bytes: int,
) -> None:
    """Writes an entry aside and renames it, or leaves nothing."""
    for left in root.glob(f"{key}{TEMPORARY}*"):
        shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{key}{TEMPORARY}", dir=root))
    try:
        _write(folder, key, examples, lengths, shard_bytes)
        if (root / key).exists():
            shutil.rmtree(root / key)
        folder.rename(root / key)
        sync(root)
    except (OSError, RuntimeError) as error:
        if "No space left" not in str(error):
            raise
        raise DataError(
            f"{root}: no space left to prepare the data. Expected room for it; 'toolkit cache' "
            "clears what is there, $TOOLKIT_CACHE names another place."
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write(
    folder: Path,
    key: str,
    examples: Iterable[Example],
    lengths: Callable[[Example], Sequence[int]],
    shard_bytes: int,
) -> None:
    writer = ShardWriter(folder, shard_bytes)
    measured = array("q")
    for example in examples:
        writer.add(example)
        measured.extend(lengths(example))
    files = writer.close()
    count = sum(one.examples for one in files)
    if writer.schema is None or count == 0:
        raise DataError("prepared data: no examples. Expected at least one.")
    np.save(folder / LENGTHS, np.asarray(measured, np.int64).reshape(count, -1))
    files.append(stored(folder / LENGTHS, 0))
    index = {
        "format": FORMAT,
        "key": key,
        "examples": count,
        "features": [asdict(feature) for feature in writer.schema.features],
        "files": [asdict(one) for one in files],
    }
    (folder / INDEX).write_text(json.dumps(index, indent=1))
    sync(folder / INDEX)
    sync(folder)


def _reader(path: Path) -> Any:
    from array_record.python import array_record_module

    return array_record_module.ArrayRecordReader(str(path), options=READER_OPTIONS)
