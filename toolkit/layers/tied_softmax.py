"""Losses of the tied softmax, worked off in parts so that all logits are never held."""

from collections.abc import Callable
from typing import Any

from keras import ops

from toolkit.errors import ArgumentError
from toolkit.layers.arguments import Tensor, check_positive

LEAST = 1e-37  # probability; a cross-entropy is at most 85 nats

# Of some rows' logits (ways, rows, vocabulary), their softmax and the logs of their sums of
# exponentials (ways, rows): the rows' losses, and the slopes of the logits.
PartLoss = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def loss_in_parts(
    hidden: Tensor,
    table: Tensor,
    token_ids: Tensor,
    weights: Tensor,
    label_smoothing: float,
    parts: int,
    part_loss: PartLoss,
) -> Tensor:
    """Sum of weight x (part_loss - the logits' mean under the smoothed target), float32.

    `hidden` is (ways, ..., dim), each token turned into a vector in one or several ways, over
    which the logits' mean is taken too; `token_ids` and `weights` are (...). Each part's gradient
    is computed while its logits are at hand.
    """
    check_positive(parts=parts)
    if not 0 <= label_smoothing < 1:
        raise ArgumentError(
            "label_smoothing: Expected a number of at least 0 and below 1. "
            f"Received: label_smoothing={label_smoothing}"
        )
    ways, (words, dim) = hidden.shape[0], table.shape
    hidden = ops.reshape(hidden, (ways, -1, dim))
    table = ops.cast(table, hidden.dtype)
    answers = ops.reshape(ops.cast(token_ids, "int32"), (-1,))
    weight = ops.reshape(ops.cast(weights, "float32"), (-1, 1))
    # Weights are small; at most 1, they and their products fit a half-precision dtype too.
    largest = ops.maximum(ops.max(weight), 1e-30)
    weight = weight / largest
    right = (1 - label_smoothing) * weight  # what the answer's logit gets

    def total(hidden: Tensor, table: Tensor) -> tuple[Tensor, Callable[..., Any]]:
        mean = ops.cast(ops.mean(hidden, axis=0), "float32")
        target = right * ops.cast(ops.take(table, answers, axis=0), "float32")
        by_table = -ops.segment_sum(right * mean, answers, words)
        if label_smoothing:
            center = ops.cast(ops.mean(table, axis=0), "float32")
            target = target + label_smoothing * weight * center
            by_table = by_table - label_smoothing / words * ops.sum(weight * mean, axis=0)
        loss = -ops.sum(mean * target)
        by_hidden = []
        rows, ids, scales = (cut(hidden, parts, 1), cut(answers, parts, 0), cut(weight, parts, 0))
        for part in range(parts):
            losses, slopes = part_loss(*_softmax(rows[:, part], table, ids[part]))
            loss = loss + ops.sum(losses * scales[part][:, 0])
            # The slopes are weighted by rows after or before their products: there they are short.
            slopes, scale = (ops.cast(x, hidden.dtype) for x in (slopes, scales[part]))
            by_hidden.append(scale * ops.matmul(slopes, table))
            scaled = ops.reshape(scale * rows[:, part], (-1, dim))
            product = ops.einsum("rv,rd->vd", ops.reshape(slopes, (-1, words)), scaled)
            by_table = by_table + ops.cast(product, "float32")
        whole = ops.concatenate(by_hidden, axis=1)[:, : ops.shape(hidden)[1]]
        whole = ops.cast(whole, "float32") - target / ways

        def gradient(*upstream: Tensor, **_: Any) -> tuple[Tensor, Tensor]:
            scale = upstream[-1] * largest
            return tuple(ops.cast(scale * x, hidden.dtype) for x in (whole, by_table))

        return loss * largest, gradient

    return ops.custom_gradient(total)(hidden, table)


def cut(x: Tensor, parts: int, axis: int) -> Tensor:
    """Rows, which are that axis, as (parts, rows / parts), filled up with zeros."""
    missing = -ops.shape(x)[axis] % parts
    x = ops.pad(x, [(0, missing if place == axis else 0) for place in range(len(x.shape))])
    return ops.reshape(x, (*x.shape[:axis], parts, -1, *x.shape[axis + 1 :]))


def _softmax(rows: Tensor, table: Tensor, answers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Logits (ways, rows, vocabulary), their softmax, and the logs of their exponentials' sums.

    (rows, vocabulary) is read and written as few times as can be: that is what takes the time
    beside the products; hence the sums by way of the answers' logits.
    """
    ways, count, dim = rows.shape[0], ops.shape(rows)[1], rows.shape[-1]
    logits = ops.matmul(ops.reshape(rows, (-1, dim)), ops.transpose(table))
    logits = ops.cast(logits, "float32")
    shares = ops.softmax(logits, axis=-1)
    places = ops.tile(answers, ways)[:, None]
    right, share = (ops.take_along_axis(x, places, axis=-1)[:, 0] for x in (logits, shares))
    sums = right - ops.log(ops.maximum(share, LEAST))
    shape = (ways, count, table.shape[0])
    return ops.reshape(logits, shape), ops.reshape(shares, shape), ops.reshape(sums, (ways, count))
