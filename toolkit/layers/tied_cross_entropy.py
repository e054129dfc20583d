"""Cross-entropy of the tied softmax, without ever holding all logits."""

from collections.abc import Callable
from typing import Any

from keras import ops

from toolkit.errors import ArgumentError
from toolkit.layers.arguments import Tensor, check_positive

LEAST = 1e-37  # probability; a loss is at most 85 nats


def tied_cross_entropy(
    hidden: Tensor,
    table: Tensor,
    token_ids: Tensor,
    weights: Tensor,
    label_smoothing: float = 0.0,
    parts: int = 8,
) -> Tensor:
    """Sum of weight x cross-entropy(token_id, softmax(hidden table')).

    For training: the rows are worked off in parts, and each part's gradient is computed while its
    logits are at hand, so that the logits and their gradient are never held as a whole, and no
    one-hot matrix exists. Where no gradient is wanted, plain logits cost less.

    Args:
        hidden: (..., dim), such as a decoder's outputs (batch, time, dim).
        table: (vocabulary, dim), such as `TokenEmbedding.table`.
        token_ids: integers (...), the right answers.
        weights: (...), 0 for padding; divided by the global number of tokens for a mean.
        label_smoothing: share of the target spread evenly over the vocabulary, in [0, 1).
        parts: into how many parts the rows are cut.

    Returns:
        A scalar, float32.

    Raises:
        ArgumentError: a `label_smoothing` outside [0, 1), no positive number of parts.

    Example:
        >>> import numpy as np
        >>> hidden, table = np.zeros((2, 3, 4), "float32"), np.zeros((10, 4), "float32")
        >>> loss = tied_cross_entropy(hidden, table, np.ones((2, 3), "int32"), np.ones((2, 3)) / 6)
        >>> round(float(loss), 4)  # log 10
        2.3026

    Reference, for the smoothed target: Szegedy et al. (arXiv 1512.00567), section 7.
    """
    check_positive(parts=parts)
    if not 0 <= label_smoothing < 1:
        raise ArgumentError(
            "label_smoothing: Expected a number of at least 0 and below 1. "
            f"Received: label_smoothing={label_smoothing}"
        )
    hidden = ops.reshape(hidden, (-1, hidden.shape[-1]))
    table = ops.cast(table, hidden.dtype)
    answers = ops.reshape(ops.cast(token_ids, "int32"), (-1,))
    flat = ops.reshape(ops.cast(weights, "float32"), (-1, 1))
    # Weights are small; at most 1, they and their products fit a half-precision dtype too.
    largest = ops.maximum(ops.max(flat), 1e-30)
    flat = flat / largest
    weight = ops.cast(flat, hidden.dtype)
    right = (1 - label_smoothing) * weight  # what the answer's logit gets

    def total(hidden: Tensor, table: Tensor) -> tuple[Tensor, Callable[..., Any]]:
        center = ops.mean(table, axis=0)  # its product with a row is the mean of the row's logits
        loss: Any = 0.0
        by_table = -ops.segment_sum(right * hidden, answers, table.shape[0])
        by_hidden = []
        rows, ids, weights = (cut(x, parts) for x in (hidden, answers, flat))
        for part in range(parts):
            losses, shares = part_loss(rows[part], table, ids[part], label_smoothing)
            evenly = label_smoothing * ops.cast(
                ops.einsum("rd,d->r", rows[part], center), "float32"
            )
            loss = loss + ops.sum((losses - evenly) * weights[part][:, 0])
            # The shares are weighted by rows after or before their products: there they are short.
            scale = ops.cast(weights[part], shares.dtype)
            by_hidden.append(scale * ops.matmul(shares, table))
            by_table = by_table + ops.einsum("rv,rd->vd", shares, scale * rows[part])
        whole = ops.concatenate(by_hidden)[: ops.shape(hidden)[0]]
        whole = whole - right * ops.take(table, answers, axis=0)
        if label_smoothing:
            whole = whole - label_smoothing * weight * center
            summed = ops.sum(weight * hidden, axis=0)
            by_table = by_table - summed * (label_smoothing / table.shape[0])

        def gradient(*upstream: Tensor, **_: Any) -> tuple[Tensor, Tensor]:
            scale = upstream[-1] * largest
            return tuple(
                ops.cast(scale * ops.cast(x, "float32"), x.dtype) for x in (whole, by_table)
            )

        return loss * largest, gradient

    return ops.custom_gradient(total)(hidden, table)


def cut(x: Tensor, parts: int) -> Tensor:
    """(rows, ...) to (parts, rows / parts, ...), filled up with zeros."""
    missing = -ops.shape(x)[0] % parts
    x = ops.pad(x, ((0, missing), *((0, 0) for _ in x.shape[1:])))
    return ops.reshape(x, (parts, -1, *x.shape[1:]))


def part_loss(
    rows: Tensor, table: Tensor, answers: Tensor, smoothing: float
) -> tuple[Tensor, Tensor]:
    """Of some rows: their losses, and the probabilities, which are what all logits' slopes share.

    The losses are without the part of the target that is spread evenly. (rows, vocabulary) is read
    and written as few times as can be: that is what takes the time beside the products.
    """
    logits = ops.cast(ops.einsum("rd,vd->rv", rows, table), "float32")
    shares = ops.softmax(logits, axis=-1)
    right, share = (
        ops.take_along_axis(x, answers[:, None], axis=-1)[:, 0] for x in (logits, shares)
    )
    total = right - ops.log(ops.maximum(share, LEAST))  # log of the sum of exponentials
    return total - (1 - smoothing) * right, ops.cast(shares, rows.dtype)
