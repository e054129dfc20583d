"""Additive attention."""

from typing import Any

import keras
from keras import ops

from toolkit.layers.arguments import Shape, Tensor, check_positive, check_rate, first_given
from toolkit.layers.scaled_attention import masked_softmax


@keras.saving.register_keras_serializable(package="toolkit")
class AdditiveAttention(keras.layers.Layer):
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
        super().__init__(**kwargs)
        check_positive(units=units)
        check_rate(dropout=dropout)
        self.units = units
        self.dropout = dropout
        self.seed = seed
        self.supports_masking = True

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
        self.drop = keras.layers.Dropout(self.dropout, seed=self.seed, dtype=policy)

    def call(
        self,
        query: Tensor,
        keys: Tensor,
        values: Tensor | None = None,
        padding_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        keys_mask: Tensor | None = None,
    ) -> Any:
        """The values, weighted by how well their keys fit the query.

        Args:
            query: (batch, query, query_dim) or (batch, query_dim).
            keys: (batch, key, key_dim).
            values: (batch, key, value_dim); None for the keys.
            padding_mask: (batch, key), True for keys that count.
            return_attention_scores: also return the probabilities before dropout.
            training: apply dropout.
            keys_mask: the keys' mask, from Keras.
        """
        return self.attend(
            query,
            self.project_keys(keys),
            keys if values is None else values,
            first_given(padding_mask, keys_mask),
            return_attention_scores,
        )

    def project_keys(self, keys: Tensor) -> Tensor:
        """U keys, (batch, key, units): the same for all steps of a decoder."""
        return self.key_dense(keys)

    def attend(
        self,
        query: Tensor,
        projected_keys: Tensor,
        values: Tensor,
        padding_mask: Tensor | None = None,
        return_attention_scores: bool = False,
    ) -> Any:
        """As the call, with keys from `project_keys`; the layer must be built."""
        single = len(query.shape) == 2
        query = query[:, None] if single else query
        hidden = ops.tanh(self.query_dense(query)[:, :, None] + projected_keys[:, None])
        logits = ops.sum(
            hidden * ops.cast(self.score, hidden.dtype), axis=-1
        )  # (batch, query, key)
        mask = None if padding_mask is None else padding_mask[:, None]
        scores = masked_softmax(logits, mask)
        output = ops.matmul(self.drop(scores), ops.cast(values, scores.dtype))
        if single:
            output, scores = output[:, 0], scores[:, 0]
        return (output, scores) if return_attention_scores else output

    def compute_output_shape(
        self, query_shape: Shape, keys_shape: Shape, values_shape: Shape | None = None
    ) -> Shape:
        """The query's steps, the values' features."""
        return (*query_shape[:-1], (values_shape or keys_shape)[-1])

    def compute_output_spec(
        self,
        query: Tensor,
        keys: Tensor,
        values: Tensor | None = None,
        *args: Any,
        return_attention_scores: bool = False,
        **kwargs: Any,
    ) -> Any:
        """The output's shape, and the scores' if they are asked for."""
        features = (keys if values is None else values).shape[-1]
        return scored_spec(self, query, features, keys, return_attention_scores)


def scored_spec(
    layer: keras.layers.Layer, query: Tensor, features: int, keys: Tensor, with_scores: bool
) -> Any:
    """The symbolic output of attention by one head, and its scores."""
    output = keras.KerasTensor((*query.shape[:-1], features), dtype=layer.compute_dtype)
    if not with_scores:
        return output
    scores = keras.KerasTensor((*query.shape[:-1], keys.shape[1]), dtype=layer.compute_dtype)
    return output, scores


def unit_uniform(units: int) -> keras.initializers.Initializer:
    """Uniform, so small that the scores of `units` bounded features begin near 0."""
    return keras.initializers.RandomUniform(-(units**-0.5), units**-0.5)
