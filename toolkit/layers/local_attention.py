"""Sliding-window attention in linear time and memory."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from toolkit.errors import ArgumentError
from toolkit.layers.arguments import Tensor, check_choice, check_positive
from toolkit.layers.multi_head_attention import MultiHeadAttention
from toolkit.layers.scaled_attention import (
    join_masks,
    key_mask,
    masked_softmax,
    repeat_heads,
    scaled,
    scaled_attention,
)


@keras.saving.register_keras_serializable(package="toolkit")
class LocalAttention(MultiHeadAttention):
    """Multi-head self-attention in which a step sees its neighbours, and a few steps see all.

    A query attends to the keys at most window // 2 steps away, and to the keys at the global
    positions; queries at global positions attend to every key. Blocks of window // 2 queries meet
    the three blocks of keys around them, so time and memory grow linearly with the length.

    Shapes, masking, decoding: as `MultiHeadAttention`, without context and `attention_mask`.
    Attention scores on request are the whole map, computed the plain way, in quadratic memory.

    Args:
        num_heads: query heads.
        head_dim: features of a head; None for dim / num_heads.
        num_key_value_heads: heads of keys and values; None for num_heads.
        positions: None or "rotary".
        window: steps that a query sees, itself not counted: half of them on each side. With a
            causal mask only the earlier half is left.
        global_positions: steps that see all and are seen by all, such as [0]. They share the
            projections of the other steps.
        dropout: rate on the attention probabilities, except those of global queries.
        use_bias: biases of all projections.
        kernel_initializer: of all projections.
        seed: of the dropout.

    Raises:
        ArgumentError: as `MultiHeadAttention`; a window below 2, a context, an `attention_mask`.

    Example:
        >>> import numpy as np
        >>> layer = LocalAttention(num_heads=2, window=8, global_positions=[0])
        >>> layer(np.ones((2, 21, 16), "float32")).shape.as_list()
        [2, 21, 16]

    Not run on a GPU.

    Reference: Beltagy et al., "Longformer" (arXiv 2004.05150), section 3.1; global steps by
    position and with shared projections are simpler than theirs.
    """

    def __init__(
        self,
        num_heads: int,
        head_dim: int | None = None,
        num_key_value_heads: int | None = None,
        positions: str | None = None,
        window: int = 256,
        global_positions: Sequence[int] = (),
        dropout: float = 0.0,
        use_bias: bool = True,
        kernel_initializer: str = "glorot_uniform",
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            num_heads,
            head_dim=head_dim,
            num_key_value_heads=num_key_value_heads,
            positions=positions,
            dropout=dropout,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            seed=seed,
            **kwargs,
        )
        check_choice((None, "rotary"), positions=positions)
        check_positive(window=window)
        if window < 2 or any(position < 0 for position in global_positions):
            raise ArgumentError(
                "Expected a window of at least 2 and no negative global position. "
                f"Received: window={window}, global_positions={global_positions}"
            )
        self.window = window
        self.global_positions = list(global_positions)
        self.reach = window // 2

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
        if self.is_cross or attention_mask is not None:
            raise ArgumentError(
                "Expected self-attention without an attention_mask. "
                f"Received: context={self.is_cross}, attention_mask={attention_mask}"
            )
        steps = ops.arange(ops.shape(query)[2])
        if need_scores:
            mask = join_masks(
                key_mask(padding_mask), self._sees(steps, steps, use_causal_mask)[None, None]
            )
            return scaled_attention(query, key, value, mask, None, self._drop())
        key, value = (repeat_heads(x, self.num_heads) for x in (key, value))
        counts = ops.ones_like(query[:, 0, :, 0], dtype="bool")
        counts = counts if padding_mask is None else ops.cast(padding_mask, "bool")
        output = self._windows(query, key, value, counts, use_causal_mask)
        if self.global_positions:
            output = self._global_queries(query, key, value, output, counts, use_causal_mask)
        return output, None

    def _sees(self, queries: Tensor, keys: Tensor, causal: bool) -> Tensor:
        """(query, key) from positions: True where the pattern lets a query see a key."""
        ahead = keys[None, :] - queries[:, None]
        near = ops.abs(ahead) <= self.reach
        everyone = ops.logical_or(self._is_global(queries)[:, None], self._is_global(keys)[None])
        sees = ops.logical_or(near, everyone)
        return ops.logical_and(sees, ahead <= 0) if causal else sees

    def _visible(self, here: Tensor, steps: Tensor) -> Tensor:
        return self._sees(here, steps, causal=True)

    def _is_global(self, positions: Tensor) -> Tensor:
        """True at global positions, shaped like `positions`."""
        chosen = ops.zeros_like(positions, dtype="bool")
        for position in self.global_positions:
            chosen = ops.logical_or(chosen, positions == position)
        return chosen

    # Blocks of queries and the keys around them.

    def _windows(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        counts: Tensor,
        causal: bool,
    ) -> Tensor:
        """Every query with the keys near it and the global keys."""
        batch, heads, length, size = ops.shape(query)
        q = self._blocks(scaled(query))  # (batch, heads, blocks, reach, head_dim)
        k, v = self._around(key), self._around(value)  # (batch, heads, blocks, 3 reach, head_dim)
        mask = self._near(counts, causal)  # (batch, 1, blocks, reach, 3 reach)
        scores = ops.einsum("bhnqd,bhnkd->bhnqk", q, k)
        if not self.global_positions:
            p = self._dropped(masked_softmax(scores, mask))
            output = ops.einsum("bhnqk,bhnkd->bhnqd", p, v)
        else:
            far_k, far_v, far_mask = self._global_keys(key, value, counts, causal, ops.shape(q)[2])
            far = ops.einsum("bhnqd,bhgd->bhnqg", q, far_k)
            width = ops.shape(q)[2]
            far_mask = ops.broadcast_to(far_mask, (batch, 1, width, self.reach, far.shape[-1]))
            both = ops.concatenate([scores, far], -1), ops.concatenate([mask, far_mask], -1)
            p = self._dropped(masked_softmax(*both))
            near_p, far_p = p[..., : scores.shape[-1]], p[..., scores.shape[-1] :]
            output = ops.einsum("bhnqk,bhnkd->bhnqd", near_p, v)
            output = output + ops.einsum("bhnqg,bhgd->bhnqd", far_p, far_v)
        return ops.reshape(output, (batch, heads, -1, size))[:, :, :length]

    def _dropped(self, probabilities: Tensor) -> Tensor:
        return self.drop(probabilities) if self.dropout else probabilities

    def _blocks(self, x: Tensor) -> Tensor:
        """(batch, heads, time, dim) to (batch, heads, blocks, reach, dim), filled up."""
        batch, heads, length, size = ops.shape(x)
        x = ops.pad(x, ((0, 0), (0, 0), (0, -length % self.reach), (0, 0)))
        return ops.reshape(x, (batch, heads, -1, self.reach, size))

    def _around(self, x: Tensor) -> Tensor:
        """Each block with the one before and the one after it, side by side in time."""
        x = ops.pad(self._blocks(x), ((0, 0), (0, 0), (1, 1), (0, 0), (0, 0)))
        return ops.concatenate([x[:, :, :-2], x[:, :, 1:-1], x[:, :, 2:]], axis=3)

    def _near(self, counts: Tensor, causal: bool) -> Tensor:
        """(batch, 1, blocks, reach, 3 reach): keys near enough that count and are not global."""
        keys = ops.arange(3 * self.reach) - self.reach
        ahead = keys[None, :] - ops.arange(self.reach)[:, None]
        near = ops.abs(ahead) <= self.reach
        near = ops.logical_and(near, ahead <= 0) if causal else near
        # The global keys have columns of their own.
        plain = ops.logical_not(self._is_global(ops.arange(ops.shape(counts)[1])))
        alive = ops.cast(ops.logical_and(counts, plain), "int32")[:, None, :, None]
        alive = ops.cast(ops.swapaxes(self._around(alive), -1, -2), "bool")
        return ops.logical_and(near, alive)

    # Global positions.

    def _global_keys(
        self, key: Tensor, value: Tensor, counts: Tensor, causal: bool, blocks: int | Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Keys and values at global positions, and who sees them (batch, 1, blocks, reach, g)."""
        places, exists = self._places(ops.shape(key)[2])
        k, v = (ops.take(x, places, axis=2) for x in (key, value))
        mask = ops.logical_and(ops.take(counts, places, axis=1), exists)[:, None, None, None]
        if causal:
            queries = ops.reshape(ops.arange(blocks * self.reach), (-1, self.reach, 1))
            mask = ops.logical_and(mask, places <= queries)
        return k, v, mask

    def _places(self, length: int | Tensor) -> tuple[Tensor, Tensor]:
        """The global positions, and whether the sequence is long enough to have them."""
        wanted = ops.convert_to_tensor(self.global_positions, "int32")
        return ops.minimum(wanted, length - 1), wanted < length

    def _global_queries(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        output: Tensor,
        counts: Tensor,
        causal: bool,
    ) -> Tensor:
        """The output with the rows of global queries, which see every key."""
        steps = ops.arange(ops.shape(query)[2])
        places, exists = self._places(ops.shape(query)[2])
        mask = key_mask(counts)
        if causal:
            mask = join_masks(mask, (steps <= places[:, None])[None, None])
        rows, _ = scaled_attention(ops.take(query, places, axis=2), key, value, mask)
        here = ops.logical_and(steps[:, None] == places, exists)  # (time, g)
        spread = ops.einsum("tg,bhgd->bhtd", ops.cast(here, rows.dtype), rows)
        return ops.where(ops.any(here, axis=1)[:, None], spread, output)
