"""Multiplicative attention."""

from typing import Any

import keras
from keras import ops

from toolkit.errors import ArgumentError
from toolkit.layers.additive_attention import scored_spec
from toolkit.layers.arguments import Shape, Tensor, check_choice, check_rate, first_given
from toolkit.layers.scaled_attention import masked_softmax

SCORES = ("dot", "general", "scaled")


@keras.saving.register_keras_serializable(package="toolkit")
class DotAttention(keras.layers.Layer):
    """The product of query and key scores each key.

    dot: query' key. general: query' W key. scaled: query' key / sqrt(dim).

    Shapes:
        query: (batch, query, dim), or (batch, dim) for a single step.
        keys: (batch, key, key_dim), key_dim = dim except for "general".
        values: (batch, key, value_dim); None for the keys.
        padding_mask: (batch, key), True for keys that count.
        output: (batch, query, value_dim), or (batch, value_dim) for a single step.
        attention scores, on request: (batch, query, key), or (batch, key).

    Masking:
        Keras's mask of the keys stands in for `padding_mask`. With no key left the output is 0.
        The query's mask passes through.

    Args:
        score: "dot", "general" or "scaled".
        dropout: rate on the probabilities.
        seed: of the dropout.

    Raises:
        ArgumentError: an unknown score, a rate outside [0, 1), features that do not fit.

    Example:
        >>> import numpy as np
        >>> query, keys = np.ones((2, 4, 8), "float32"), np.ones((2, 10, 8), "float32")
        >>> DotAttention(score="general")(query, keys).shape.as_list()
        [2, 4, 8]

    Reference: Luong et al., "Effective Approaches to Attention-based Neural Machine Translation"
    (arXiv 1508.04025), section 3.1; scaled: Vaswani et al. (arXiv 1706.03762), section 3.2.1.
    """

    def __init__(
        self, score: str = "dot", dropout: float = 0.0, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        check_choice(SCORES, score=score)
        check_rate(dropout=dropout)
        self.score = score
        self.dropout = dropout
        self.seed = seed
        self.supports_masking = True

    def build(
        self, query_shape: Shape, keys_shape: Shape, values_shape: Shape | None = None
    ) -> None:
        """W, for "general" alone."""
        self.drop = keras.layers.Dropout(self.dropout, seed=self.seed, dtype=self.dtype_policy)
        if self.score == "general":
            shape = (keys_shape[-1], query_shape[-1])
            self.kernel = self.add_weight(shape=shape, name="kernel")
        elif query_shape[-1] != keys_shape[-1]:
            raise ArgumentError(
                "Expected query and keys of equally many features, or score='general'. "
                f"Received: query of shape {tuple(query_shape)}, keys of {tuple(keys_shape)}"
            )

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
            query: (batch, query, dim) or (batch, dim).
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

    def project_keys(self, keys: Tensor) -> Tensor:
        """W keys for "general", (batch, key, dim): the same for all steps of a decoder."""
        if self.score == "general":
            return ops.matmul(keys, ops.cast(self.kernel, keys.dtype))
        return keys

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
        if self.score == "scaled":
            query = query * float(query.shape[-1]) ** -0.5
        logits = ops.einsum("bqd,bkd->bqk", query, projected_keys)
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
