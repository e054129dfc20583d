"""What a frozen network makes of clips, on disk: worked out once, whatever the run.

A part of the cache for each network (by a hash of its weights) and way of decoding, a file for
each clip, as :mod:`toolkit.data.clips` keeps its frames.
"""

import hashlib
import logging
import os
import weakref
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.data.array_files import is_intact, map_array, write_array
from toolkit.data.cache import DEFAULT_LIMIT, evict
from toolkit.data.clips import ClipStore
from toolkit.data.entries import entry_key, open_entry, write_index

SUFFIX = ".features"
Vectors = NDArray[np.float32]
Compute = Callable[[NDArray[np.uint8]], Vectors]
"""From the frames of a clip, ``(frames, size, size, 3)``, to ``(frames, dim)``."""

logger = logging.getLogger(__name__)


class FeatureStore:
    """Vectors of all frames of clips, by number; worked out at once where they are not there.

    Args:
        clips: The decoded clips.
        compute: What is frozen.
        network: A hash of its architecture and weights.
        tick: Told how many clips are done, and of how many.
        limit: Bytes that the cache may hold; what was not used for longest goes first.
    """

    def __init__(
        self,
        clips: ClipStore,
        compute: Compute,
        network: str,
        tick: Callable[[int, int], None],
        limit: int = DEFAULT_LIMIT,
    ) -> None:
        key = entry_key({"kind": "features", "network": network, **asdict(clips.decoding)})
        folder, lock = open_entry(key, lambda folder: write_index(folder, []), clips.root)
        self.close = weakref.finalize(self, os.close, lock)
        self._clips, self._compute = clips, compute
        self._paths = [folder / f"{clip.digest()}{SUFFIX}" for clip in clips.clips]
        for number in range(len(clips)):
            self._ready(number)
            tick(number + 1, len(clips))
        evict(clips.root, limit, keep=folder.name)

    def __len__(self) -> int:
        return len(self._paths)

    def vectors(self, number: int) -> Vectors:
        """The vectors of a clip's frames, ``(frames, dim)``, as a map of its file."""
        try:
            return map_array(self._paths[number])
        except (OSError, ValueError):  # removed since, by another job or by hand
            return map_array(self._ready(number))

    def _ready(self, number: int) -> Path:
        path = self._paths[number]
        if path.exists():
            if is_intact(path):
                os.utime(path)
                return path
            where = self._clips.clips[number].where
            logger.warning("%s: not as it was written. Working out %s again.", path, where)
        write_array(path, self._compute(np.asarray(self._clips.frames(number))))
        return path


def network_digest(description: str, weights: list[Any]) -> str:
    """A hash of an architecture and its weights."""
    digest = hashlib.sha256(description.encode())
    for weight in weights:
        digest.update(np.ascontiguousarray(weight).data)
    return digest.hexdigest()[:32]
