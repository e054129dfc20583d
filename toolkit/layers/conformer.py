"""The Conformer block."""

from typing import Any

import keras

from toolkit.layers.arguments import (
    Shape,
    Tensor,
    check_positive,
    check_positive_or_none,
    check_rate,
    derived_seed,
)
from toolkit.layers.conformer_convolution import ConformerConvolution
from toolkit.layers.feed_forward import FeedForward
from toolkit.layers.layer_normalization import LayerNormalization
from toolkit.layers.multi_head_attention import MultiHeadAttention


@keras.saving.register_keras_serializable(package="toolkit")
class ConformerBlock(keras.layers.Layer):
    """Attention for what is far, convolution for what is near, between two half feed-forwards.

    ```
    x  = x + 1/2 FFN(x)
    x  = x + MHSA(x)
    x  = x + Conv(x)
    y  = LayerNorm(x + 1/2 FFN(x))
    ```

    Every module normalises its input first. The convolution module says why it uses layer
    instead of batch normalisation.

    Shapes: `(batch, time, dim)` in and out.

    Masking: masked steps are attended to by none and count as zero in the convolution; the mask
    goes through.

    Args:
        num_heads: attention heads.
        intermediate_dim: width inside the feed-forwards; None is `4 * dim`.
        kernel_size: taps of the depthwise convolution.
        positions: `"rotary"`, `"relative"`, `"alibi"` or None, as in `MultiHeadAttention`; the
            paper's relative sinusoids serve the same end.
        causal: neither attention nor convolution sees a later step, for streaming.
        dropout: rate on every module's output, in the feed-forwards and on attention scores.
        seed: seed of the dropout.

    Raises:
        ArgumentError: sizes that are not positive, a rate outside [0, 1), unknown positions.

    Example:
        >>> import numpy as np
        >>> block = ConformerBlock(num_heads=2, kernel_size=7)
        >>> block(np.ones((2, 9, 8), "float32")).shape
        TensorShape([2, 9, 8])

    Reference: Gulati et al., "Conformer", arXiv 2005.08100, section 2.4, equation 1.
    """

    def __init__(
        self,
        num_heads: int,
        intermediate_dim: int | None = None,
        kernel_size: int = 31,
        positions: str | None = "rotary",
        causal: bool = False,
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_positive(num_heads=num_heads, kernel_size=kernel_size)
        check_positive_or_none(intermediate_dim=intermediate_dim)
        check_rate(dropout=dropout)
        self.supports_masking = True
        self.num_heads = num_heads
        self.intermediate_dim = intermediate_dim
        self.kernel_size = kernel_size
        self.positions = positions
        self.causal = causal
        self.dropout = dropout
        self.seed = seed

    def build(self, sequence_shape: Shape) -> None:
        """The four modules and their normalisations."""
        policy = self.dtype_policy
        self.first_half = self._feed_forward("first_half", sequence_shape, 0)
        self.second_half = self._feed_forward("second_half", sequence_shape, 1)
        self.attention = MultiHeadAttention(
            self.num_heads,
            positions=self.positions,
            dropout=self.dropout,
            seed=derived_seed(self.seed, 2),
            name="attention",
            dtype=policy,
        )
        self.convolution = ConformerConvolution(
            self.kernel_size,
            causal=self.causal,
            dropout=self.dropout,
            seed=derived_seed(self.seed, 3),
            name="convolution",
            dtype=policy,
        )
        self.attention.build(sequence_shape)
        self.convolution.build(sequence_shape)
        self.normalize_first = self._normalization("normalize_first", sequence_shape)
        self.normalize_attention = self._normalization("normalize_attention", sequence_shape)
        self.normalize_second = self._normalization("normalize_second", sequence_shape)
        self.normalize_output = self._normalization("normalize_output", sequence_shape)
        self.drop = keras.layers.Dropout(
            self.dropout, seed=derived_seed(self.seed, 4), dtype=policy
        )

    def call(
        self, sequence: Tensor, mask: Tensor | None = None, training: bool | None = None
    ) -> Tensor:
        """The block's output; `mask` is True on real steps."""

        def half(feed_forward: FeedForward, inputs: Tensor) -> Tensor:
            return 0.5 * self.drop(feed_forward(inputs, training=training), training=training)

        x = sequence + half(self.first_half, self.normalize_first(sequence))
        attended = self.attention(
            self.normalize_attention(x),
            padding_mask=mask,
            use_causal_mask=self.causal,
            training=training,
        )
        x = x + self.drop(attended, training=training)
        x = x + self.convolution(x, mask=mask, training=training)
        return self.normalize_output(x + half(self.second_half, self.normalize_second(x)))

    def compute_output_shape(self, sequence_shape: Shape) -> Shape:
        """The shape of the input."""
        return sequence_shape

    def _feed_forward(self, name: str, sequence_shape: Shape, number: int) -> FeedForward:
        layer = FeedForward(
            self.intermediate_dim or 4 * (sequence_shape[-1] or 0),
            activation="silu",
            dropout=self.dropout,
            seed=derived_seed(self.seed, number),
            name=name,
            dtype=self.dtype_policy,
        )
        layer.build(sequence_shape)
        return layer

    def _normalization(self, name: str, sequence_shape: Shape) -> LayerNormalization:
        layer = LayerNormalization(name=name, dtype=self.dtype_policy)
        layer.build(sequence_shape)
        return layer
