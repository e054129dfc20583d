"""Decoded clips on disk: a part of the cache for each way of decoding, a file for each clip.

A clip's file is named by the content of its video and the part of it that is kept, so that runs,
splits and folds share what they have in common.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
import time
import weakref
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from toolkit.data.array_files import PART, is_intact, map_array, write_array
from toolkit.data.cache import DEFAULT_LIMIT, cache_directory, evict
from toolkit.data.entries import entry_key, open_entry, write_index
from toolkit.data.text_files import sha256_of
from toolkit.data.video_files import Decoding, Frames, decode, images_in
from toolkit.errors import DataError

SUFFIX = ".clip"
ABANDONED = 3600  # seconds after which a half-written clip is no one's

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Clip:
    """A video, or a part of one.

    Attributes:
        video: A file, a folder of images, or frames ``(frames, height, width, 3)``.
        where: The row that names it, for messages.
        start: Seconds after the first frame.
        end: Seconds.
    """

    video: Path | Frames
    where: str
    start: float | None = None
    end: float | None = None

    def digest(self) -> str:
        """A hash of the video's content and of what part it is."""
        part = json.dumps([self.start, self.end])
        return hashlib.sha256(f"{_content(self.video)} {part}".encode()).hexdigest()[:32]


class ClipStore:
    """Decoded clips, by number; each is decoded when it is first asked for, or before.

    Threads decode from the beginning on, in the order of the clips, while others already read;
    a clip that is asked for before its turn is decoded at once.

    Args:
        clips: What to decode.
        decoding: How.
        root: The cache; None: `cache_directory`.
        limit: Bytes that the cache may hold; clips of other data that were not used for longest
            go first. The clips of this store stay whatever their size.
        threads: How many decode; None: one for each core.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        decoding: Decoding,
        root: Path | None = None,
        limit: int = DEFAULT_LIMIT,
        threads: int | None = None,
    ) -> None:
        self.clips, self.decoding, self.limit = clips, decoding, limit
        key = entry_key({"kind": "clips", **asdict(decoding)})
        self.root = (root or cache_directory()).resolve()
        self.folder, lock = open_entry(key, lambda folder: write_index(folder, []), self.root)
        self._left = len(clips)
        self._counting = threading.Lock()
        pool = ThreadPoolExecutor(threads or os.cpu_count() or 1, thread_name_prefix="decode")
        self._work = [pool.submit(_ready, clip, decoding, self.folder) for clip in clips]
        for work in self._work:
            work.add_done_callback(self._done)
        self.close = weakref.finalize(self, _close, pool, lock)

    def __len__(self) -> int:
        return len(self.clips)

    def frames(self, number: int) -> Frames:
        """The frames of a clip, ``(frames, size, size, 3)``, as a map of its file.

        Raises:
            DataError: It cannot be decoded; names the row and the file.
        """
        work = self._work[number]
        if work.cancel():  # not begun: no need to wait for the others before it
            work = self._work[number] = self._now(number)
        path = work.result()
        try:
            return map_array(path)
        except (OSError, ValueError):  # removed since, by another job or by hand
            work = self._work[number] = self._now(number)
            return map_array(work.result())

    def count(self, number: int) -> int:
        """The frames that a clip has."""
        return len(self.frames(number))

    def _now(self, number: int) -> Future[Path]:
        work: Future[Path] = Future()
        try:
            work.set_result(_ready(self.clips[number], self.decoding, self.folder))
        except DataError as error:
            work.set_exception(error)
        return work

    def _done(self, work: Future[Path]) -> None:
        with self._counting:
            self._left -= 1
            last = self._left == 0
        if last:
            self._trim()

    def _trim(self) -> None:
        """Remove what was not used for longest, first other data's clips, then other entries."""
        works = [work for work in self._work if work.done() and not work.cancelled()]
        mine = {work.result().name for work in works if work.exception() is None}
        for part in self.folder.glob(f"*{PART}"):  # of a job that was killed
            if time.time() - part.stat().st_mtime > ABANDONED:
                part.unlink(missing_ok=True)
        files = self.folder.glob(f"*{SUFFIX}")
        known = [(path.stat(), path) for path in files if path.exists()]
        total = sum(status.st_size for status, _ in known)
        for status, path in sorted(known, key=lambda one: one[0].st_mtime):
            if total > self.limit and path.name not in mine:
                path.unlink(missing_ok=True)
                total -= status.st_size
        evict(self.root, self.limit, keep=self.folder.name)


def _close(pool: ThreadPoolExecutor, lock: int) -> None:
    pool.shutdown(wait=False, cancel_futures=True)  # it may be one of its threads that closes it
    os.close(lock)


def _ready(clip: Clip, decoding: Decoding, folder: Path) -> Path:
    """The file of a clip, written where there is none or where it is damaged."""
    try:
        path = folder / f"{clip.digest()}{SUFFIX}"
        if path.exists():
            if is_intact(path):
                os.utime(path)
                return path
            logger.warning("%s: not as it was written. Decoding %s again.", path, clip.where)
        frames = decode(clip.video, decoding, clip.start, clip.end)
    except (DataError, OSError) as error:
        raise DataError(f"{clip.where}: {error}") from error
    write_array(path, frames)
    return path


def _content(video: Path | Frames) -> str:
    if isinstance(video, np.ndarray):
        digest = hashlib.sha256(repr(video.shape).encode())
        digest.update(np.ascontiguousarray(video).data)
        return digest.hexdigest()
    if video.is_dir():
        lines = [f"{path.name} {sha256_of(path)}" for path in images_in(video)]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return sha256_of(video)
