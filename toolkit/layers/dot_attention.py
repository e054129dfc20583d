"""Multiplicative attention."""

from typing import Any

import keras
from keras import ops

from toolkit.errors import ArgumentError
from toolkit.layers.arguments import Shape, Tensor, check_choice
from toolkit.layers.scored_attention import ScoredAttention

SCORES = ("dot", "general", "scaled")


@keras.saving.register_keras_serializable(package="toolkit")
class DotAttention(ScoredAttention):
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
        super().__init__(dropout, seed, **kwargs)
        check_choice(SCORES, score=score)
        self.score = score

    def build(
        self, query_shape: Shape, keys_shape: Shape, values_shape: Shape | None = None
    ) -> None:
        """W, for "general" alone."""
        if self.score == "general":
            shape = (keys_shape[-1], query_shape[-1])
            self.kernel = self.add_weight(shape=shape, name="kernel")
        elif query_shape[-1] != keys_shape[-1]:
            raise ArgumentError(
                "Expected query and keys of equally many features, or score='general'. "
                f"Received: query of shape {tuple(query_shape)}, keys of {tuple(keys_shape)}"
            )

    def project_keys(self, keys: Tensor) -> Tensor:
        """W keys for "general", (batch, key, dim): the same for all steps of a decoder."""
        if self.score == "general":
            return ops.matmul(keys, ops.cast(self.kernel, keys.dtype))
        return keys

    def logits(self, query: Tensor, projected_keys: Tensor) -> Tensor:
        """Query' projected key, by sqrt(dim) for "scaled", (batch, query, key)."""
        if self.score == "scaled":
            query = query * float(query.shape[-1]) ** -0.5
        return ops.einsum("bqd,bkd->bqk", query, projected_keys)
