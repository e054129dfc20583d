"""Batch normalisation by TensorFlow's fused kernels, which read what they normalise far less often.

Keras writes it as means, squared differences and products, a pass over the activations each. Of the
training step of a small convolutional network on a CPU that was half.
"""

import tensorflow as tf

from toolkit.layers.arguments import Tensor

FEW = 16  # channels that fill a vector register; the kernels are slow with fewer


def normalized_by_batch(
    inputs: Tensor, scale: Tensor, offset: Tensor, epsilon: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The inputs (..., channels) normalised, their means and their variances (channels,)."""
    if len(inputs.shape) > 2 and inputs.shape[-1] < FEW and inputs.shape[-2] is not None:
        return _rows_normalized_by_batch(inputs, scale, offset, epsilon)
    outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
        _images(inputs), scale, offset, epsilon=epsilon, is_training=True
    )
    count = tf.cast(tf.size(inputs) // inputs.shape[-1], variance.dtype)
    biased = variance * (count - 1) / count  # the kernel's is of a sample
    return tf.reshape(outputs, tf.shape(inputs)), mean, biased


def _rows_normalized_by_batch(
    inputs: Tensor, scale: Tensor, offset: Tensor, epsilon: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The same where channels are few: a row of places is the inner axis, its sums products."""
    width, channels = inputs.shape[-2:]
    rows = tf.reshape(inputs, (-1, width * channels))
    wide = tf.cast(rows, scale.dtype)
    ones = tf.ones((1, tf.shape(rows)[0]), scale.dtype)

    def mean_of(rows: Tensor) -> Tensor:
        mean = tf.matmul(ones, rows) / tf.reduce_sum(ones)
        return tf.reduce_mean(tf.reshape(mean, (width, channels)), 0)

    mean = mean_of(wide)
    centred = wide - tf.tile(mean, [width])
    variance = mean_of(tf.square(centred))
    slope = scale * tf.math.rsqrt(variance + epsilon)
    outputs = centred * tf.tile(slope, [width]) + tf.tile(offset, [width])
    return tf.cast(tf.reshape(outputs, tf.shape(inputs)), inputs.dtype), mean, variance


def normalized_by(
    inputs: Tensor, scale: Tensor, offset: Tensor, mean: Tensor, variance: Tensor, epsilon: float
) -> Tensor:
    """The inputs (..., channels) normalised by given means and variances."""
    outputs, _, _ = tf.compat.v1.nn.fused_batch_norm(
        _images(inputs), scale, offset, mean, variance, epsilon=epsilon, is_training=False
    )
    return tf.reshape(outputs, tf.shape(inputs))


def _images(inputs: Tensor) -> Tensor:
    """(..., channels) as (images, rows, columns, channels), as the kernels read."""
    rank, channels = len(inputs.shape), inputs.shape[-1]
    if rank == 4:
        return inputs
    if rank < 4:
        return tf.reshape(inputs, (-1, 1, 1, channels))
    return tf.reshape(inputs, (-1, *tf.unstack(tf.shape(inputs)[-3:])))
