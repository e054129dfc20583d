"""Which frames of a video make its clips: drawn to learn from, fixed to answer.

The fixed places are written twice, with NumPy for files and in the graph for an exported model,
in whole numbers, so that they agree to the last frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

Places = NDArray[np.int64]


@dataclass(frozen=True)
class Sampler:
    """Chooses frames.

    A video with fewer frames than a clip has gives all of them, and its last one again and again.

    Attributes:
        num_frames: Of a clip.
        stride: Frames from one to the next; None: spread over the whole video.
    """

    num_frames: int
    stride: int | None = None

    def fixed(self, length: int, clips: int) -> Places:
        """Frames of `clips` clips of a video of `length` frames, ``(clips, num_frames)``."""
        steps, clip = np.arange(self.num_frames), np.arange(clips)[:, None]
        return np.asarray(self._fixed(steps, clip, length, clips, np.minimum, np.where), np.int64)

    def fixed_in_graph(self, length: Any, clips: int) -> Any:
        """The same for a scalar tensor."""
        steps, clip = tf.range(self.num_frames), tf.range(clips)[:, None]
        return self._fixed(steps, clip, length, clips, tf.minimum, tf.where)

    def _fixed(
        self, steps: Any, clip: Any, length: Any, clips: int, minimum: Any, where: Any
    ) -> Any:
        repeated = minimum(steps + 0 * clip, length - 1)
        if self.stride is None:
            # Each of num_frames segments gives its middle; several clips share a segment evenly.
            parts = 2 * self.num_frames * clips
            spread = (2 * clips * steps + 2 * clip + 1) * length // parts
            return where(length < self.num_frames, repeated, spread)
        span = (self.num_frames - 1) * self.stride + 1
        start = where(length > span, length - span, 0) * (2 * clip + 1) // (2 * clips)
        return minimum(start + steps * self.stride, length - 1)

    def drawn(self, length: int, seed: NDArray[np.int32], speed: float, jitter: bool) -> Places:
        """Frames of one clip to learn from, ``(num_frames,)``, a function of the seed alone.

        Args:
            length: Frames of the video.
            seed: ``(2,)`` of (seed, epoch, row).
            speed: How much slower or faster at most, such as 0.25.
            jitter: Whether to draw at all.
        """
        if not jitter:
            return np.asarray(self.fixed(length, 1)[0])
        random = np.random.Generator(np.random.Philox(key=seed.astype(np.uint32).astype(np.uint64)))
        pace, where, offset = random.random(3)
        rate = 1 + speed * (2 * pace - 1)
        steps = np.arange(self.num_frames)
        if self.stride is None:
            # Slower: a part of the video; faster cannot be, the whole of it is read already.
            taken = length * (1 - speed * pace)
            places = where * (length - taken) + (steps + offset) * taken / self.num_frames
        else:
            span = (self.num_frames - 1) * self.stride * rate
            places = where * max(length - 1 - span, 0) + steps * self.stride * rate + 0.5
        if self.stride is None and length < self.num_frames:
            places = steps.astype(np.float64)
        return np.asarray(np.minimum(places.astype(np.int64), length - 1))
