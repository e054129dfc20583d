"""Additive attention."""

from typing import Any

import keras
from keras import ops

from toolkit.layers.arguments import Shape, Tensor, check_positive
from toolkit.layers.scored_attention import ScoredAttention


@keras.saving.register_keras_serializable(package="toolkit")
class AdditiveAttention(ScoredAttention):
    """A small network scores each key for each query: v' tanh(W query + U key).

    Shapes:
        query: (batch, query, query_dim), or (batch, query_dim) for a single step.
        keys: (batch, key, key_dim). values: (batch, key, value_dim); None for the keys.
        padding_mask: (batch, key), True for keys that count.
        output: (batch, query, value_dim), or (batch, value_dim) for a single step.
        attention scores, on request: (batch, query, key), or (batch, key).

    Masking:
        Keras's mask of the keys stands in for `padding_mask`. With no key left the output is 0.
        The query's mask passes through.

    Args:
        units: width of the scoring network.
        dropout: rate on the probabilities.
        seed: of the dropout.

    Raises:
        ArgumentError: units below 1, a rate outside [0, 1).

    Example:
        >>> import numpy as np
        >>> layer = AdditiveAttention(units=16)
        >>> query, keys = np.ones((2, 6), "float32"), np.ones((2, 10, 8), "float32")
        >>> output, scores = layer(query, keys, return_attention_scores=True)
        >>> output.shape.as_list(), scores.shape.as_list()
        ([2, 8], [2, 10])

    Reference: Bahdanau et al., "Neural Machine Translation by Jointly Learning to Align and
    Translate" (arXiv 1409.0473), appendix A.1.2.
    """

    def __init__(
        self, units: int, dropout: float = 0.0, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(dropout, seed, **kwargs)
        check_positive(units=units)
        self.units = units

    def build(
        self, query_shape: Shape, keys_shape: Shape, values_shape: Shape | None = None
    ) -> None:
        """W with a bias, U without, and v."""
        policy = self.dtype_policy
        self.query_dense = keras.layers.Dense(self.units, name="query", dtype=policy)
        self.query_dense.build(query_shape)
        self.key_dense = keras.layers.Dense(self.units, use_bias=False, name="key", dtype=policy)
        self.key_dense.build(keys_shape)
        self.score = self.add_weight(
            shape=(self.units,), initializer=unit_uniform(self.units), name="score"
        )

    def project_keys(self, keys: Tensor) -> Tensor:
        """U keys, (batch, key, units): the same for all steps of a decoder."""
        return self.key_dense(keys)

    def logits(self, query: Tensor, projected_keys: Tensor) -> Tensor:
        """V' tanh(W query + U key), (batch, query, key)."""
        hidden = ops.tanh(self.query_dense(query)[:, :, None] + projected_keys[:, None])
        return ops.sum(hidden * ops.cast(self.score, hidden.dtype), axis=-1)


def unit_uniform(units: int) -> keras.initializers.Initializer:
    """Uniform, so small that the scores of `units` bounded features begin near 0."""
    return keras.initializers.RandomUniform(-(units**-0.5), units**-0.5)
