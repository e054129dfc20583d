"""A block of recurrence and attention."""

from typing import Any

import keras

from toolkit.errors import ArgumentError
from toolkit.layers.arguments import (
    Shape,
    Tensor,
    check_choice,
    check_positive,
    check_rate,
    derived_seed,
)
from toolkit.layers.bidirectional import Bidirectional
from toolkit.layers.gru import GRU
from toolkit.layers.layer_normalization import LayerNormalization
from toolkit.layers.lstm import LSTM
from toolkit.layers.multi_head_attention import MultiHeadAttention

CELLS = {"lstm": LSTM, "gru": GRU}


@keras.saving.register_keras_serializable(package="toolkit")
class RecurrentAttention(keras.layers.Layer):
    """A recurrent sublayer, then an attention sublayer, each residual and normalised before.

    ```
    h = x + dropout(RNN(norm(x)))
    y = h + dropout(MHA(norm(h)))
    ```

    The recurrence knows the order of the steps, so the attention needs no positions.

    Shapes: `(batch, time, dim)` in and out. Read in both directions, each has half of `dim`.

    Masking: the recurrence skips masked steps and none is attended to; the mask goes through.

    Args:
        num_heads: attention heads.
        cell: `"lstm"` or `"gru"`.
        causal: read forwards only and attend to no later step; else the recurrence reads in both
            directions.
        dropout: rate on the output of both sublayers and on attention scores.
        seed: seed of the dropout.

    Raises:
        ArgumentError: a number of heads that is not positive, an unknown cell, a rate outside
            [0, 1), an odd `dim` to read in both directions.

    Example:
        >>> import numpy as np
        >>> block = RecurrentAttention(num_heads=2, cell="gru")
        >>> block(np.ones((2, 9, 8), "float32")).shape
        TensorShape([2, 9, 8])

    Reference: Chen et al., "The Best of Both Worlds: Combining Recent Advances in Neural Machine
    Translation", arXiv 1804.09849, whose hybrid encoders put attention layers on recurrent ones.
    """

    def __init__(
        self,
        num_heads: int,
        cell: str = "lstm",
        causal: bool = False,
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_positive(num_heads=num_heads)
        check_choice(tuple(CELLS), cell=cell)
        check_rate(dropout=dropout)
        self.supports_masking = True
        self.num_heads = num_heads
        self.cell = cell
        self.causal = causal
        self.dropout = dropout
        self.seed = seed

    def build(self, sequence_shape: Shape) -> None:
        """Both sublayers and their normalisations."""
        policy = self.dtype_policy
        self.recurrent = self._recurrent(sequence_shape[-1] or 0)
        self.attention = MultiHeadAttention(
            self.num_heads,
            dropout=self.dropout,
            seed=derived_seed(self.seed, 0),
            name="attention",
            dtype=policy,
        )
        self.normalize_recurrent = LayerNormalization(name="normalize_recurrent", dtype=policy)
        self.normalize_attention = LayerNormalization(name="normalize_attention", dtype=policy)
        self.drop = keras.layers.Dropout(
            self.dropout, seed=derived_seed(self.seed, 1), dtype=policy
        )
        for layer in (
            self.recurrent,
            self.attention,
            self.normalize_recurrent,
            self.normalize_attention,
        ):
            layer.build(sequence_shape)
        self.supports_jit = self.recurrent.supports_jit

    def call(
        self, sequence: Tensor, mask: Tensor | None = None, training: bool | None = None
    ) -> Tensor:
        """The block's output; `mask` is True on real steps."""
        read = self.recurrent(
            self.normalize_recurrent(sequence), mask=mask, training=bool(training)
        )
        x = sequence + self.drop(read, training=training)
        attended = self.attention(
            self.normalize_attention(x),
            padding_mask=mask,
            use_causal_mask=self.causal,
            training=training,
        )
        return x + self.drop(attended, training=training)

    def compute_output_shape(self, sequence_shape: Shape) -> Shape:
        """The shape of the input."""
        return sequence_shape

    def _recurrent(self, dim: int) -> keras.layers.Layer:
        kind, options = CELLS[self.cell], {"return_sequences": True, "dtype": self.dtype_policy}
        if self.causal:
            return kind(dim, name="recurrent", **options)
        if dim % 2:
            raise ArgumentError(
                f"Expected an even number of features to read in both directions. Received: {dim}"
            )
        half = kind(dim // 2, name=self.cell, **options)
        return Bidirectional(half, name="recurrent", dtype=self.dtype_policy)
