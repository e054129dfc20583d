"""Random changes of clips, in the graph, each row by its own seed.

Every frame of a clip is changed alike, so that what moves still moves the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

DRAWS = 8  # numbers of a row: five for what is cut out and mirrored, three for colours
COLOURS = 3
OF_SHARES = 1_000_003  # what makes the seeds of shares others than those of the rest


@dataclass(frozen=True)
class Augmentation:
    """What is changed, and how much at most.

    Attributes:
        crop: Share of height and width that may be cut away.
        flip: Whether to mirror half of the clips.
        colour: Change of brightness, contrast and saturation.
        mixup: Parameter of the Beta distribution of shares; 0 for none.
    """

    crop: float
    flip: bool
    colour: float
    mixup: float

    def __call__(self, frames: Any, seeds: Any) -> Any:
        """Change frames.

        Args:
            frames: ``(batch, clips, frames, height, width, 3)`` of bytes.
            seeds: ``(batch, 2)`` of (seed, epoch, row).

        Returns:
            The same shape in float32, 0 to 255.
        """
        frames = tf.cast(frames, tf.float32)
        drawn = tf.map_fn(_draw, seeds, fn_output_signature=tf.float32)
        if self.crop or self.flip:
            frames = _reframed(frames, self._boxes(drawn[:, :5]))
        if self.colour:
            frames = _recoloured(frames, self.colour * (2 * drawn[:, 5:] - 1))
        return frames

    def _boxes(self, drawn: Any) -> Any:
        """``(batch, 4)`` top, left, bottom, right of what stays, as shares; left > right mirrors.

        `drawn` are five numbers from 0 to 1 a row: two sizes, two places, and whether to mirror.
        """
        height, width = 1 - self.crop * drawn[:, 0], 1 - self.crop * drawn[:, 1]
        top, left = drawn[:, 2] * (1 - height), drawn[:, 3] * (1 - width)
        bottom, right = top + height, left + width
        if self.flip:
            mirrored = drawn[:, 4] < 0.5
            left, right = tf.where(mirrored, right, left), tf.where(mirrored, left, right)
        return tf.stack([top, left, bottom, right], axis=1)

    def blend(self, frames: Any, seeds: Any) -> tuple[Any, Any]:
        """Blend each clip with that of the row before it.

        Returns:
            The frames, and the share of each row's own clip, ``(batch,)``, at least a half.
        """
        share = tf.map_fn(self._share, seeds, fn_output_signature=tf.float32)
        share = tf.maximum(share, 1 - share)
        weight = tf.reshape(share, (-1, 1, 1, 1, 1, 1))
        return weight * frames + (1 - weight) * tf.roll(frames, 1, axis=0), share

    def _share(self, seed: Any) -> Any:
        """A number of Beta(mixup, mixup)."""
        gammas = tf.random.stateless_gamma((2,), seed + OF_SHARES, self.mixup) + 1e-6
        return gammas[0] / tf.reduce_sum(gammas)


def _draw(seed: Any) -> Any:
    return tf.random.stateless_uniform((DRAWS,), seed)


def _reframed(frames: Any, boxes: Any) -> Any:
    """Cut a box out of every frame of a clip and give it the frame's size."""
    shape = tf.shape(frames)
    each = shape[1] * shape[2]
    flat = tf.reshape(frames, tf.concat([[shape[0] * each], shape[3:]], 0))
    cut = tf.image.crop_and_resize(
        flat, tf.repeat(boxes, each, axis=0), tf.range(shape[0] * each), shape[3:5]
    )
    return tf.ensure_shape(tf.reshape(cut, shape), frames.shape)


def _recoloured(frames: Any, change: Any) -> Any:
    """Brightness, contrast and saturation, ``(batch, 3)`` shares.

    With ``g`` a pixel's grey and ``m`` the mean of all, a value ``x`` becomes
    ``m (1 + brightness) + (1 + contrast) (g + (1 + saturation) (x - g) - m)``: a matrix over the
    colours and a constant, as the saturation leaves ``m`` as it is.
    """
    brightness, contrast, saturation = (
        tf.reshape(each, (-1, 1, 1)) for each in tf.unstack(change, axis=1)
    )
    shape = tf.shape(frames)
    pixels = tf.reshape(frames, (shape[0], -1, COLOURS))
    own = (1 + saturation) * tf.eye(COLOURS) - saturation / COLOURS
    middle = tf.reduce_mean(pixels, axis=(1, 2), keepdims=True)
    pixels = tf.matmul(pixels, (1 + contrast) * own) + middle * (brightness - contrast)
    return tf.reshape(tf.clip_by_value(pixels, 0.0, 255.0), shape)
