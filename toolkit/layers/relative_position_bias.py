"""Learned bias by relative position."""

import math

import keras
from keras import ops

from toolkit.errors import ArgumentError
from toolkit.layers.arguments import Shape, Tensor, check_positive


@keras.saving.register_keras_serializable(package="toolkit")
class RelativePositionBias(keras.layers.Layer):
    """One learned number per head and bucket of distances, added to the attention scores.

    Half of a direction's buckets hold one distance each, the rest grow logarithmically up to
    `max_distance`, and the last holds all beyond.

    Shapes:
        query_positions: (query,) integers; key_positions: (key,) integers.
        output: (num_heads, query, key).

    Args:
        num_heads: attention heads.
        num_buckets: of both directions together.
        max_distance: in positions; all distances from here on share a bucket.
        bidirectional: False gives all buckets to the past; keys ahead then count as distance 0.

    Raises:
        ArgumentError: an argument is not a positive integer, or too few buckets.

    Example:
        >>> import numpy as np
        >>> steps = np.arange(5)
        >>> RelativePositionBias(num_heads=4)(steps, steps).shape.as_list()
        [4, 5, 5]

    Reference: Raffel et al., "T5" (arXiv 1910.10683), section 2.1.
    """

    def __init__(
        self,
        num_heads: int,
        num_buckets: int = 32,
        max_distance: int = 128,
        bidirectional: bool = True,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        check_positive(num_heads=num_heads, num_buckets=num_buckets, max_distance=max_distance)
        self.num_heads = num_heads
        self.num_buckets = num_buckets
        self.max_distance = max_distance
        self.bidirectional = bidirectional
        self.directed = num_buckets // 2 if bidirectional else num_buckets
        if self.directed < 2 or max_distance <= self.directed // 2:
            raise ArgumentError(
                "Expected at least 2 buckets a direction and a max_distance beyond half of them. "
                f"Received: num_buckets={num_buckets}, max_distance={max_distance}"
            )

    def build(self, query_positions_shape: Shape, key_positions_shape: Shape) -> None:
        """One table (num_buckets, num_heads)."""
        shape = (self.num_buckets, self.num_heads)
        self.table = self.add_weight(shape=shape, initializer="random_normal", name="table")

    def call(self, query_positions: Tensor, key_positions: Tensor) -> Tensor:
        """The bias of every head for every pair of positions."""
        ahead = ops.cast(key_positions, "int32")[None] - ops.cast(query_positions, "int32")[:, None]
        bias = ops.take(self.table, self._bucket(ahead), axis=0)  # (query, key, heads)
        return ops.transpose(ops.cast(bias, self.compute_dtype), (2, 0, 1))

    def _bucket(self, ahead: Tensor) -> Tensor:
        """The bucket of each distance: keys ahead in the upper half, if they have one."""
        distance = ops.abs(ahead) if self.bidirectional else ops.maximum(-ahead, 0)
        exact = self.directed // 2
        # Beyond `exact`: equal steps of the logarithm up to `max_distance`.
        ratio = ops.cast(ops.maximum(distance, exact), "float32") / exact
        steps = (self.directed - exact) / math.log(self.max_distance / exact)
        far = exact + ops.cast(ops.log(ratio) * steps, "int32")
        bucket = ops.where(distance < exact, distance, ops.minimum(far, self.directed - 1))
        return bucket + self.directed * ops.cast(ahead > 0, "int32") * int(self.bidirectional)

    def compute_output_shape(
        self, query_positions_shape: Shape, key_positions_shape: Shape
    ) -> Shape:
        """(num_heads, query, key)."""
        return (self.num_heads, query_positions_shape[0], key_positions_shape[0])
