"""Frames of any size as the squares that a model reads, in the graph.

The same as :mod:`toolkit.data.video_files` does to files, by other code: equal where frames have
the model's size already, else nearly so.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from toolkit.data.video_files import Fit


def squares(frames: Any, size: int, fit: Fit) -> Any:
    """Give frames one size.

    Args:
        frames: ``(frames, height, width, 3)`` of bytes.
        size: height and width wanted.
        fit: how a frame becomes a square.

    Returns:
        ``(frames, size, size, 3)`` in float32, whole numbers from 0 to 255.
    """
    shape = tf.shape(frames)[1:3]
    target = tf.constant([size, size])
    if fit != "stretch":
        side = tf.reduce_min(shape) if fit == "crop" else tf.reduce_max(shape)
        scaled = tf.round(tf.cast(shape, tf.float32) * size / tf.cast(side, tf.float32))
        target = tf.maximum(tf.cast(scaled, tf.int32), 1)
    small = tf.image.resize(frames, target, method=tf.image.ResizeMethod.AREA)
    if fit != "stretch":
        small = tf.image.resize_with_crop_or_pad(small, size, size)
    return tf.ensure_shape(tf.round(small), (None, size, size, 3))
