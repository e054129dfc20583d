"""Attention with linear biases."""

import math

import keras
from keras import ops

from toolkit.layers.arguments import Shape, Tensor, check_positive


@keras.saving.register_keras_serializable(package="toolkit")
class ALiBi(keras.layers.Layer):
    """A penalty on the attention scores that grows with the distance, steeper in some heads.

    bias[head, query, key] = -slope[head] x |query - key|. Nothing is learned, and sequences longer
    than those seen in training work.

    Shapes:
        query_positions: (query,) integers; key_positions: (key,) integers.
        output: (num_heads, query, key).

    Args:
        num_heads: attention heads.

    Example:
        >>> import numpy as np
        >>> steps = np.arange(3)
        >>> ALiBi(num_heads=8)(steps, steps)[0].numpy().tolist()
        [[-0.0, -0.5, -1.0], [-0.5, -0.0, -0.5], [-1.0, -0.5, -0.0]]

    Reference: Press et al., "Train Short, Test Long" (arXiv 2108.12409), section 3.
    """

    def __init__(self, num_heads: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        check_positive(num_heads=num_heads)
        self.num_heads = num_heads

    def build(self, query_positions_shape: Shape, key_positions_shape: Shape) -> None:
        """Nothing to build."""

    def call(self, query_positions: Tensor, key_positions: Tensor) -> Tensor:
        """The bias of every head for every pair of positions."""
        distance = ops.abs(query_positions[:, None] - key_positions[None, :])
        slopes = ops.convert_to_tensor(alibi_slopes(self.num_heads), "float32")
        bias = -slopes[:, None, None] * ops.cast(distance, "float32")
        return ops.cast(bias, self.compute_dtype)

    def compute_output_shape(
        self, query_positions_shape: Shape, key_positions_shape: Shape
    ) -> Shape:
        """(num_heads, query, key)."""
        return (self.num_heads, query_positions_shape[0], key_positions_shape[0])


def alibi_slopes(num_heads: int) -> list[float]:
    """2 ** (-8 k / n) for k = 1 .. n; where n is no power of 2, the rest from 2n, every other."""
    power = 2 ** int(math.log2(num_heads))
    slopes = [2 ** (-8 * (k + 1) / power) for k in range(power)]
    between = [2 ** (-4 * (2 * k + 1) / power) for k in range(num_heads - power)]
    return slopes + between
