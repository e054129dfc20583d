"""Scaled dot-product attention over heads, and the masks it takes.

Reference: Vaswani et al., "Attention Is All You Need" (arXiv 1706.03762), section 3.2.1.
"""

from collections.abc import Callable

import keras
from keras import ops

from toolkit.layers.arguments import Tensor
from toolkit.layers.lean_attention import lean_attention, softmax

FORBIDDEN = {"float16": -3e4, "bfloat16": -1e9, "float32": -1e9, "float64": -1e9}
"""Added to a score that must not count: its exponential is 0, and no sum of two overflows."""


def scaled_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    bias: Tensor | None = None,
    drop: Callable[[Tensor], Tensor] | None = None,
    need_scores: bool = True,
) -> tuple[Tensor, Tensor | None]:
    """softmax(query key' / sqrt(head_dim) + bias) value.

    Args:
        query: (batch, heads, query, head_dim).
        key: (batch, key_value_heads, key, head_dim); each head serves
            heads / key_value_heads neighbouring query heads.
        value: like `key`.
        mask: boolean, broadcastable to (batch, heads, query, key); True may be attended. A query
            with nothing to attend gets zeros.
        bias: added to the scores, broadcastable like `mask`.
        drop: applied to the probabilities.
        need_scores: return the probabilities too.

    Returns:
        The output, shaped like `query`, and the probabilities (batch, heads, query, key) or None.
    """
    if bias is None and drop is None and not need_scores:
        return unscored_attention(query, key, value, mask), None
    scores = grouped(lambda q, k: ops.einsum("bhqd,bhkd->bhqk", q, k), scaled(query), key)
    if bias is not None:
        scores = scores + ops.cast(bias, scores.dtype)
    probabilities = masked_softmax(scores, mask)
    weights = probabilities if drop is None else drop(probabilities)
    output = grouped(lambda p, v: ops.einsum("bhqk,bhkd->bhqd", p, v), weights, value)
    return output, probabilities


def unscored_attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """`scaled_attention` where only a mask bears on the scores and nobody looks at them."""
    key, value = (repeat_heads(x, query.shape[1]) for x in (key, value))
    if mask is None:
        return lean_attention(scaled(query), key, value, None)
    mask = ops.cast(mask, query.dtype)
    output = lean_attention(scaled(query), key, value, forbidden(mask))
    return output * ops.max(mask, axis=-1, keepdims=True)


def masked_softmax(scores: Tensor, mask: Tensor | None) -> Tensor:
    """Softmax over the last axis where the mask is True; zeros where it is nowhere."""
    if mask is None:
        return softmax(scores)
    mask = ops.cast(mask, scores.dtype)
    return softmax(scores + forbidden(mask)) * ops.max(mask, axis=-1, keepdims=True)


def scaled(query: Tensor) -> Tensor:
    """Query / sqrt(head_dim): cheaper on the query than on the scores."""
    return query * float(query.shape[-1]) ** -0.5


def grouped(product: Callable[[Tensor, Tensor], Tensor], left: Tensor, right: Tensor) -> Tensor:
    """A product by heads where several heads on the left share one on the right."""
    heads, shared = left.shape[1], right.shape[1]
    if heads == shared:
        return product(left, right)
    batch, _, length, _ = ops.shape(left)
    joined = ops.reshape(left, (batch, shared, heads // shared * length, left.shape[-1] or -1))
    result = product(joined, right)
    return ops.reshape(result, (batch, heads, length, ops.shape(result)[-1]))


def forbidden(mask: Tensor) -> Tensor:
    """0 where the mask is 1, hugely negative where it is 0."""
    minus = FORBIDDEN[keras.backend.standardize_dtype(mask.dtype)]
    return (1 - mask) * ops.cast(minus, mask.dtype)


def repeat_heads(x: Tensor, num_heads: int) -> Tensor:
    """Shared heads (batch, key_value_heads, time, dim), one for each query head."""
    times = num_heads // x.shape[1]
    return x if times == 1 else ops.repeat(x, times, axis=1)


def join_masks(*masks: Tensor | None) -> Tensor | None:
    """The positions that every given mask allows; None when none is given."""
    joined = None
    for mask in masks:
        if mask is not None:
            mask = ops.cast(mask, "bool")
            joined = mask if joined is None else ops.logical_and(joined, mask)
    return joined


def key_mask(padding_mask: Tensor | None) -> Tensor | None:
    """(batch, key) to (batch, 1, 1, key)."""
    return None if padding_mask is None else padding_mask[:, None, None, :]


def pair_mask(attention_mask: Tensor | None) -> Tensor | None:
    """(batch, query, key) or (query, key) to (batch or 1, 1, query, key)."""
    if attention_mask is None or len(attention_mask.shape) == 4:
        return attention_mask
    if len(attention_mask.shape) == 2:
        return attention_mask[None, None]
    return attention_mask[:, None]


def causal_mask(query_positions: Tensor, key_positions: Tensor) -> Tensor:
    """(query, key): True where the key does not come after the query."""
    return query_positions[:, None] >= key_positions[None, :]
