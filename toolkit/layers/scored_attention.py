"""Attention by one head, whose subclasses say how a query scores a key."""

from typing import Any

import keras
from keras import ops

from toolkit.layers.arguments import Shape, Tensor, check_rate, first_given
from toolkit.layers.scaled_attention import masked_softmax


class ScoredAttention(keras.layers.Layer):
    """The values, weighted by the softmax of their keys' scores.

    Args:
        dropout: rate on the probabilities.
        seed: of the dropout.

    Raises:
        ArgumentError: a rate outside [0, 1).
    """

    def __init__(self, dropout: float, seed: int | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_rate(dropout=dropout)
        self.dropout = dropout
        self.seed = seed
        self.supports_masking = True
        self.drop = keras.layers.Dropout(dropout, seed=seed, dtype=self.dtype_policy)

    def project_keys(self, keys: Tensor) -> Tensor:
        """What `logits` wants of keys: the same for all steps of a decoder."""
        raise NotImplementedError

    def logits(self, query: Tensor, projected_keys: Tensor) -> Tensor:
        """The scores (batch, query, key) of queries (batch, query, dim)."""
        raise NotImplementedError

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
        padding_mask = first_given(padding_mask, keys_mask)
        values = keys if values is None else values
        return self.attend(
            query, self.project_keys(keys), values, padding_mask, return_attention_scores
        )

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
        logits = self.logits(query[:, None] if single else query, projected_keys)
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
        output = keras.KerasTensor((*query.shape[:-1], features), dtype=self.compute_dtype)
        if not return_attention_scores:
            return output
        scores = keras.KerasTensor((*query.shape[:-1], keys.shape[1]), dtype=self.compute_dtype)
        return output, scores
