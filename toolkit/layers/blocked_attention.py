"""Exact attention whose memory grows linearly."""

from typing import Any

import keras

from toolkit.errors import ArgumentError
from toolkit.layers.arguments import Tensor, check_choice, check_positive
from toolkit.layers.multi_head_attention import MultiHeadAttention
from toolkit.layers.scaled_attention import repeat_heads, scaled
from toolkit.layers.tensorflow_blocked_attention import blocked_attention


@keras.saving.register_keras_serializable(package="toolkit")
class BlockedAttention(MultiHeadAttention):
    """Multi-head self- or cross-attention, computed block by block.

    The same function of the same weights as `MultiHeadAttention`, without ever holding the score
    matrix: memory grows with the length, in the backward pass too, which computes each block
    again. For long sequences; on a CPU the smaller blocks also stay in its cache.

    Shapes, masking, decoding: as `MultiHeadAttention`, without `attention_mask`. Attention scores
    on request are the whole map, computed the plain way, in quadratic memory.

    Args:
        num_heads: query heads.
        head_dim: features of a head; None for dim / num_heads.
        num_key_value_heads: heads of keys and values; None for num_heads.
        positions: None or "rotary".
        block_length: queries, and keys, of a block.
        use_bias: biases of all projections.
        kernel_initializer: of all projections.

    Raises:
        ArgumentError: as `MultiHeadAttention`; an `attention_mask`.

    Example:
        >>> import numpy as np
        >>> layer = BlockedAttention(num_heads=2, block_length=8)
        >>> layer(np.ones((2, 21, 16), "float32"), use_causal_mask=True).shape.as_list()
        [2, 21, 16]

    Checked and measured on CPU, in graphs and under XLA; not run on a GPU.

    Reference: Rabe and Staats, "Self-attention Does Not Need O(n^2) Memory" (arXiv 2112.05682).
    """

    def __init__(
        self,
        num_heads: int,
        head_dim: int | None = None,
        num_key_value_heads: int | None = None,
        positions: str | None = None,
        block_length: int = 512,
        use_bias: bool = True,
        kernel_initializer: str = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            num_heads,
            head_dim=head_dim,
            num_key_value_heads=num_key_value_heads,
            positions=positions,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            **kwargs,
        )
        check_choice((None, "rotary"), positions=positions)
        check_positive(block_length=block_length)
        self.block_length = block_length

    def _attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        *,
        padding_mask: Tensor | None,
        attention_mask: Tensor | None,
        use_causal_mask: bool,
        need_scores: bool,
    ) -> tuple[Tensor, Tensor]:
        if attention_mask is not None:
            raise ArgumentError(
                "attention_mask: Expected padding_mask or use_causal_mask. "
                f"Received: attention_mask={attention_mask}"
            )
        if need_scores:
            return super()._attend(
                query,
                key,
                value,
                padding_mask=padding_mask,
                attention_mask=None,
                use_causal_mask=use_causal_mask,
                need_scores=True,
            )
        key, value = (repeat_heads(x, self.num_heads) for x in (key, value))
        blocks = self.block_length, self.block_length
        output = blocked_attention(
            scaled(query), key, value, padding_mask, use_causal_mask, *blocks
        )
        return output, None
