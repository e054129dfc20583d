"""The folder of prepared data: bounded, listed, cleared, and safe under several jobs at once.

Each entry is a folder named by its key. Two lock files beside it (``flock``, so that a killed job
leaves none locked) say who builds it and who reads it.
"""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

USED = "used"  # a file whose time says when the entry was last opened
TEMPORARY = ".tmp"
GIB = 2**30
DEFAULT_LIMIT = 50 * GIB


@dataclass(frozen=True)
class CacheEntry:
    """Prepared data in the cache.

    Attributes:
        key: What it is named by.
        size: Bytes on disk.
        last_used: When it was last opened.
        in_use: Whether a job reads it now.
    """

    key: str
    size: int
    last_used: datetime
    in_use: bool


def cache_directory() -> Path:
    """``$TOOLKIT_CACHE``, or ``~/.cache/toolkit``."""
    return Path(os.environ.get("TOOLKIT_CACHE") or Path.home() / ".cache" / "toolkit")


def list_cache(root: Path | None = None) -> list[CacheEntry]:
    """What the cache holds, the longest unused first."""
    root = root or cache_directory()
    entries = [_entry(folder) for folder in _folders(root)]
    return sorted(entries, key=lambda entry: entry.last_used)


def clear_cache(root: Path | None = None, keys: Collection[str] | None = None) -> list[CacheEntry]:
    """Removes entries, all unless keys are given, and what cut-off builds left behind.

    Args:
        root: The cache; None: `cache_directory`.
        keys: The entries to remove.

    Returns:
        The entries removed; one that a job reads now stays.
    """
    root = root or cache_directory()
    wanted = [entry for entry in list_cache(root) if keys is None or entry.key in keys]
    removed = [entry for entry in wanted if _remove(root, entry.key)]
    remove_cut_off(root)
    return removed


def evict(root: Path, limit: int, keep: str) -> list[CacheEntry]:
    """Removes the longest unused entries until the rest is at most `limit` bytes.

    Args:
        root: The cache.
        limit: Bytes.
        keep: The key of an entry that stays whatever its size.

    Returns:
        The entries removed.
    """
    remove_cut_off(root)
    entries = list_cache(root)
    total = sum(entry.size for entry in entries)
    removed = []
    for entry in entries:
        if total > limit and entry.key != keep and _remove(root, entry.key):
            removed.append(entry)
            total -= entry.size
    return removed


def remove_cut_off(root: Path) -> None:
    """Removes half-built folders whose builder is gone."""
    for folder in root.glob(f"*{TEMPORARY}*"):
        key = folder.name.partition(TEMPORARY)[0]
        with contextlib.suppress(BlockingIOError), builder_lock(root, key, wait=False):
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def builder_lock(root: Path, key: str, wait: bool = True) -> Iterator[None]:
    """Held by the one job that builds an entry.

    Raises:
        BlockingIOError: Another job holds it and `wait` is off.
    """
    descriptor = _locked(root / f"{key}.build.lock", fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    try:
        yield
    finally:
        os.close(descriptor)


def reader_lock(root: Path, key: str) -> int:
    """Says that an entry is being read; closing the descriptor that is returned ends it."""
    return _locked(root / f"{key}.read.lock", fcntl.LOCK_SH)


def _locked(path: Path, operation: int) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, operation)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _remove(root: Path, key: str) -> bool:
    """Removes an entry unless a job reads it; says whether it did."""
    try:
        descriptor = _locked(root / f"{key}.read.lock", fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    try:
        shutil.rmtree(root / key, ignore_errors=True)
    finally:
        os.close(descriptor)
    return True


def _folders(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    return [one for one in root.iterdir() if one.is_dir() and TEMPORARY not in one.name]


def _entry(folder: Path) -> CacheEntry:
    files = [path.stat() for path in folder.iterdir() if path.is_file()]
    used = folder / USED
    moment = used.stat().st_mtime if used.exists() else folder.stat().st_mtime
    return CacheEntry(
        key=folder.name,
        size=sum(file.st_size for file in files),
        last_used=datetime.fromtimestamp(moment, UTC),
        in_use=_is_read(folder.parent, folder.name),
    )


def _is_read(root: Path, key: str) -> bool:
    try:
        os.close(_locked(root / f"{key}.read.lock", fcntl.LOCK_EX | fcntl.LOCK_NB))
    except BlockingIOError:
        return True
    return False
