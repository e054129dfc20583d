"""Attention of several heads that share their values, so that its scores can be read."""

from typing import Any

import keras
from keras import ops

from toolkit.layers.arguments import Shape, Tensor, check_positive


@keras.saving.register_keras_serializable(package="toolkit")
class InterpretableAttention(keras.layers.Layer):
    """The mean of the heads' attention, applied to values that all heads share.

    ```
    A      = 1/num_heads sum_h softmax(Q_h K_h' / sqrt(head_dim))
    output = A V W_O
    ```
    The one matrix `A` says how much each step counts for each query.

    Shapes: query `(batch, query, dim)`, context `(batch, key, dim)`; output `(batch, query,
    units)`, and on request the scores `(batch, query, key)`, which sum to 1. Queries are the last
    steps of the context: none sees a later one.

    Masking: none; fill gaps before.

    Args:
        units: features of the output, a multiple of `num_heads`.
        num_heads: heads.

    Raises:
        ArgumentError: a size that is not positive.

    Example:
        >>> import numpy as np
        >>> steps = np.ones((2, 9, 8), "float32")
        >>> output, scores = InterpretableAttention(8, 2)(
        ...     steps[:, 5:], steps, return_attention_scores=True
        ... )
        >>> output.shape.as_list(), scores.shape.as_list()
        ([2, 4, 8], [2, 4, 9])

    Reference: Lim et al., "Temporal Fusion Transformers", arXiv 1912.09363, section 4.4,
    equations 13 to 16.
    """

    def __init__(self, units: int, num_heads: int = 4, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_positive(units=units, num_heads=num_heads)
        self.units = units
        self.num_heads = num_heads
        self.head_dim = max(1, units // num_heads)

    def build(self, query_shape: Shape, context_shape: Shape) -> None:
        """The projections: queries and keys of each head, values of all."""
        width = self.num_heads * self.head_dim
        shapes = {"queries": query_shape, "keys": context_shape, "values": context_shape}
        sizes = {"queries": width, "keys": width, "values": self.head_dim}
        for name, shape in shapes.items():
            layer = keras.layers.Dense(sizes[name], name=name, dtype=self.dtype_policy)
            layer.build(shape)
            setattr(self, name, layer)
        self.combine = keras.layers.Dense(self.units, name="combine", dtype=self.dtype_policy)
        self.combine.build((*query_shape[:-1], self.head_dim))

    def call(self, query: Tensor, context: Tensor, return_attention_scores: bool = False) -> Any:
        """The attended values, and the scores if asked."""
        queries = self._heads(self.queries(query))
        keys = self._heads(self.keys(context))
        logits = ops.einsum("bqhd,bkhd->bhqk", queries, keys) / self.head_dim**0.5
        asked, known = ops.shape(query)[1], ops.shape(context)[1]
        place = ops.arange(asked)[:, None] + (known - asked)
        seen = ops.arange(known)[None] <= place  # (query, key)
        logits = ops.where(seen, ops.cast(logits, "float32"), -1e9)
        scores = ops.cast(ops.mean(ops.softmax(logits), axis=1), self.compute_dtype)
        output = self.combine(ops.matmul(scores, self.values(context)))
        return (output, scores) if return_attention_scores else output

    def compute_output_spec(
        self, query: Tensor, context: Tensor, return_attention_scores: bool = False
    ) -> Any:
        """The output's shape, and the scores'."""
        output = keras.KerasTensor((*query.shape[:2], self.units), self.compute_dtype)
        if not return_attention_scores:
            return output
        shape = (query.shape[0], query.shape[1], context.shape[1])
        return output, keras.KerasTensor(shape, self.compute_dtype)

    def compute_output_shape(self, query_shape: Shape, context_shape: Shape) -> Shape:
        """`(batch, query, units)`."""
        return (*query_shape[:2], self.units)

    def _heads(self, features: Tensor) -> Tensor:
        batch, time, _ = ops.shape(features)
        return ops.reshape(features, (batch, time, self.num_heads, self.head_dim))
