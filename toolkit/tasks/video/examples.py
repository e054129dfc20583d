"""Clips read from the cache: the frames of a row and no others."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from toolkit.data.clips import ClipStore
from toolkit.data.examples import Arrays, Batch, Examples, Feature
from toolkit.data.store import StoredExamples
from toolkit.tasks.video.sampling import Sampler


class VideoExamples(Examples):
    """Frames by row number, ``(batch, clips, frames, size, size, 3)`` of bytes.

    Args:
        store: The decoded videos.
        sampler: Chooses frames.
        clips: Of a video, to answer; one is drawn to learn from.
        targets: What is to be learnt, by name, ``(examples,)``.
        weights: What each example counts in the loss, ``(examples,)``.
        jitter: Whether frames are drawn to learn from.
        speed: How much slower or faster.
    """

    def __init__(
        self,
        store: ClipStore,
        sampler: Sampler,
        clips: int,
        targets: Arrays,
        weights: NDArray[np.float64] | None = None,
        jitter: bool = True,
        speed: float = 0.0,
    ) -> None:
        self.store, self.sampler, self.clips = store, sampler, clips
        self.targets = targets
        self._weights = np.ones(len(store)) if weights is None else weights
        self.jitter, self.speed = jitter, speed

    def __len__(self) -> int:
        return len(self.store)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """No axis is padded."""
        return np.zeros((len(self), 0), np.int64)

    @property
    def weights(self) -> NDArray[np.float64]:
        """What each example counts in the loss."""
        return self._weights

    def batch(self, rows: NDArray[np.int64], shape: tuple[int, ...]) -> Batch:
        """The frames of all clips of `rows`."""
        frames = (self.store.frames(int(row)) for row in rows)
        return self._batch(rows, (f[self.sampler.fixed(len(f), self.clips)] for f in frames))

    def training_batch(
        self, rows: NDArray[np.int64], shape: tuple[int, ...], seeds: NDArray[np.int32]
    ) -> Batch:
        """The frames of one clip of each of `rows`, drawn by `seeds`."""
        return self._batch(rows, map(self._drawn, rows, seeds))

    def _drawn(self, row: np.int64, seed: NDArray[np.int32]) -> NDArray[np.uint8]:
        frames = self.store.frames(int(row))
        places = self.sampler.drawn(len(frames), seed, self.speed, self.jitter)
        return np.asarray(frames[places][None])

    def _batch(self, rows: NDArray[np.int64], clips: Iterable[NDArray[np.uint8]]) -> Batch:
        targets = {name: target[rows] for name, target in self.targets.items()}
        weights = self._weights[rows].astype(np.float32)
        return Batch({"frames": np.stack(list(clips))}, targets, weights)

    def target(self, name: str) -> Feature:
        """One target of all examples."""
        return self.targets[name]

    def sample(self, rows: int = 0, seed: int = 0) -> StoredExamples:
        """The targets alone: frames stay on disk."""
        del rows, seed
        return StoredExamples({}, self.targets, self._weights)

    def short(self) -> list[int]:
        """Rows of videos with fewer frames than a clip has."""
        counts = [self.store.count(row) for row in range(len(self))]
        return [row for row, count in enumerate(counts) if count < self.sampler.num_frames]


def warn_of_short(rows: list[str], total: int, num_frames: int) -> None:
    """Say which videos have too few frames."""
    if rows:
        more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
        warnings.warn(
            f"{len(rows)} of {total} videos have fewer than {num_frames} frames; the last frame is "
            f"repeated: {rows[0]}{more}.",
            stacklevel=2,
        )
