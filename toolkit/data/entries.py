"""Entries of the cache: folders built aside, renamed when whole, checked before they are read."""

import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from toolkit.data.cache import (
    DEFAULT_LIMIT,
    TEMPORARY,
    USED,
    builder_lock,
    cache_directory,
    evict,
    reader_lock,
)
from toolkit.data.shards import Stored, is_intact, sync
from toolkit.errors import DataError

FORMAT = 2
INDEX = "index.json"

logger = logging.getLogger(__name__)


def entry_key(content: Mapping[str, Any]) -> str:
    """The name of an entry: a hash of all that decides what is in it.

    Args:
        content: Hashes of the data files, and the options and fitted state that shape what is
            written; plain data.
    """
    text = json.dumps({"format": FORMAT, **content}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def open_entry(
    key: str,
    write: Callable[[Path], None],
    root: Path | None = None,
    limit: int = DEFAULT_LIMIT,
) -> tuple[Path, int]:
    """Opens an entry, built first where there is none, or where it is damaged.

    Of several jobs that want the same, one builds and the others wait for it.

    Args:
        key: `entry_key` of all that decides it.
        write: Fills a folder, its index last (`write_index`).
        root: The cache; None: `cache_directory`.
        limit: Bytes that the cache may hold; the longest unused entries go first.

    Returns:
        The folder, and a descriptor that locks it against removal until it is closed.

    Raises:
        DataError: No space left on the disk, or what `write` raises.
    """
    root = (root or cache_directory()).resolve()
    reading = reader_lock(root, key)
    try:
        with builder_lock(root, key):
            damage = find_damage(root / key)
            if damage is not None:
                if (root / key).exists():
                    logger.warning("%s Preparing the data again.", damage)
                _build(root, key, write)
                evict(root, limit, keep=key)
        (root / key / USED).touch()
    except BaseException:
        os.close(reading)
        raise
    return root / key, reading


def write_index(folder: Path, files: Sequence[Stored], **facts: Any) -> None:
    """Says what an entry holds: its files, and whatever reads them needs."""
    content = {"format": FORMAT, **facts, "files": [asdict(one) for one in files]}
    (folder / INDEX).write_text(json.dumps(content, indent=1))
    sync(folder / INDEX)
    sync(folder)


def read_index(folder: Path) -> dict[str, Any]:
    """What `write_index` wrote.

    Raises:
        DataError: A damaged entry; names the file.
    """
    damage = find_damage(folder)
    if damage is not None:
        raise DataError(f"{damage} Expected prepared data; 'toolkit cache' clears it.")
    index: dict[str, Any] = json.loads((folder / INDEX).read_text())
    return index


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


def _build(root: Path, key: str, write: Callable[[Path], None]) -> None:
    """Writes an entry aside and renames it, or leaves nothing."""
    for left in root.glob(f"{key}{TEMPORARY}*"):
        shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{key}{TEMPORARY}", dir=root))
    try:
        write(folder)
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
