"""Scaled dot-product attention with a gradient in fewer passes over the score matrix.

The gradient of softmax needs, per query, the sum over the keys of p dp. That is also the product
of the output and its gradient (Dao et al., "FlashAttention", arXiv 2205.14135, section 3.1),
which is head_dim long instead of as long as the sequence.
"""

import math
from collections.abc import Callable
from typing import Any

from keras import ops

from toolkit.layers.arguments import Tensor

PART = 8 * 2**20
"""Bytes of one part's score matrix: small enough that a CPU's allocator keeps and reuses it."""


def lean_attention(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None) -> Tensor:
    """softmax(query key' + bias) value.

    Args:
        query: (batch, heads, query, head_dim), already scaled.
        key: (batch, heads, key, head_dim).
        value: like `key`.
        bias: broadcastable to (batch, heads, query, key); no gradient goes into it.

    Returns:
        Shaped like `query`.
    """
    number = parts(query.shape, key.shape[2])
    if number == 1:
        return ops.custom_gradient(attention_with(bias))(query, key, value)
    several = bias is not None and bias.shape[0] != 1
    biases = ops.split(bias, number) if several else [bias] * number
    pieces = zip(*(ops.split(x, number) for x in (query, key, value)), biases, strict=True)
    return ops.concatenate([lean_attention(*piece) for piece in pieces])


def parts(shape: Any, keys: int | None) -> int:
    """Into how many parts to cut the batch; 1 where a size is not known before it runs."""
    if keys is None or any(size is None for size in shape):
        return 1
    batch, heads, queries, _ = shape
    rows = max(1, PART // (4 * heads * queries * keys))
    return next((n for n in range(math.ceil(batch / rows), batch + 1) if batch % n == 0), 1)


def attention_with(bias: Tensor | None) -> Callable[..., Any]:
    """Attention under a bias, beside its gradient."""

    def attend(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Callable[..., Any]]:
        scores = ops.einsum("bhqd,bhkd->bhqk", query, key)
        p = softmax(scores if bias is None else scores + bias)
        output = ops.einsum("bhqk,bhkd->bhqd", p, value)

        def gradient(*upstream: Tensor, **_: Any) -> tuple[Tensor, Tensor, Tensor]:
            do = upstream[-1]
            delta = ops.sum(do * output, axis=-1, keepdims=True)
            ds = p * (ops.einsum("bhqd,bhkd->bhqk", do, value) - delta)
            return (
                ops.einsum("bhqk,bhkd->bhqd", ds, key),
                ops.einsum("bhqk,bhqd->bhkd", ds, query),
                ops.einsum("bhqk,bhqd->bhkd", p, do),
            )

        return output, gradient

    return attend


def softmax(scores: Tensor, axis: int = -1) -> Tensor:
    """Softmax; of a single score too, where `ops.softmax` warns."""
    return ops.ones_like(scores) if scores.shape[axis] == 1 else ops.softmax(scores, axis=axis)
