"""Clips read from the cache: the frames of a row and no others."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from toolkit.data.clips import ClipStore
from toolkit.data.examples import Arrays, Batch, Examples, Feature
from toolkit.data.features import Compute, FeatureStore, Vectors
from toolkit.data.store import StoredExamples
from toolkit.tasks.video.sampling import Places, Sampler


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
        vectors: What a frozen stage makes of the frames: then batches hold ``features``, ``(batch,
            clips, frames, dim)``.
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
        vectors: FeatureStore | None = None,
    ) -> None:
        self.store, self.sampler, self.clips = store, sampler, clips
        self.targets = targets
        self._weights = np.ones(len(store)) if weights is None else weights
        self.jitter, self.speed = jitter, speed
        self.vectors = vectors

    def of_vectors(self, vectors: FeatureStore) -> VideoExamples:
        """The same examples as vectors of their frames."""
        return VideoExamples(
            self.store, self.sampler, self.clips, self.targets, self._weights, self.jitter,
            self.speed, vectors,
        )  # fmt: skip

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
        return self._batch(rows, lambda length, _: self.sampler.fixed(length, self.clips))

    def training_batch(
        self, rows: NDArray[np.int64], shape: tuple[int, ...], seeds: NDArray[np.int32]
    ) -> Batch:
        """The frames of one clip of each of `rows`, drawn by `seeds`."""

        def drawn(length: int, number: int) -> Places:
            return self.sampler.drawn(length, seeds[number], self.speed, self.jitter)[None]

        return self._batch(rows, drawn)

    def _read(self, row: int) -> NDArray[Any]:
        """The frames of a row, or their vectors."""
        return self.store.frames(row) if self.vectors is None else self.vectors.vectors(row)

    def _batch(self, rows: NDArray[np.int64], choose: Callable[[int, int], Places]) -> Batch:
        """The frames that are chosen by a video's length and its number in the batch."""
        gathered: NDArray[Any] | None = None
        for number, row in enumerate(rows):
            frames = self._read(int(row))
            places = choose(len(frames), number)
            if gathered is None:
                gathered = np.empty((len(rows), *places.shape, *frames.shape[1:]), frames.dtype)
            np.take(frames, places, axis=0, out=gathered[number], mode="clip")  # no copy between
        assert gathered is not None, "a batch has rows"
        targets = {name: target[rows] for name, target in self.targets.items()}
        weights = self._weights[rows].astype(np.float32)
        name = "frames" if self.vectors is None else "features"
        return Batch({name: gathered}, targets, weights)

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


def in_clips(stage: keras.Model, num_frames: int) -> Compute:
    """What answers any number of frames, by a stage that takes clips of so many."""
    call = tf.function(lambda frames: stage({"frames": frames}, training=False), autograph=False)

    def compute(frames: NDArray[np.uint8]) -> Vectors:
        found = []
        for start in range(0, len(frames), num_frames):
            part = frames[start : start + num_frames].astype(np.float32)
            filled = np.concatenate([part, np.repeat(part[-1:], num_frames - len(part), axis=0)])
            found.append(np.asarray(call(tf.constant(filled[None, None])))[0, 0, : len(part)])
        return np.concatenate(found).astype(np.float32)

    return compute


def warn_of_short(rows: list[str], total: int, num_frames: int) -> None:
    """Say which videos have too few frames."""
    if rows:
        more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
        warnings.warn(
            f"{len(rows)} of {total} videos have fewer than {num_frames} frames; the last frame is "
            f"repeated: {rows[0]}{more}.",
            stacklevel=2,
        )
