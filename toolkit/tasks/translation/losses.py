"""Losses of a sequence of tokens, padding left out."""

from __future__ import annotations

from typing import Any

from keras import ops

from toolkit.layers import tied_cross_entropy, tied_r_drop
from toolkit.models.seq2seq import Seq2Seq


def token_losses(logits: Any, target: Any) -> Any:
    """Mean cross-entropy of each row's tokens, ``(batch,)`` nats; 0 is padding."""
    each, real = _cross_entropies(logits, target, 0.0)
    return _row_means(each, real)


def smoothed_loss(logits: Any, target: Any, weights: Any, smoothing: float) -> Any:
    """Sum of each row's weight times the mean smoothed cross-entropy of its tokens."""
    each, real = _cross_entropies(logits, target, smoothing)
    return ops.sum(_row_means(each, real) * weights)


def r_drop_loss(logits: Any, target: Any, weights: Any, smoothing: float, rate: float) -> Any:
    """Two answers to each row under different dropout: their mean loss, and how much they differ.

    `logits` holds all rows once and then again. The difference is the mean of the two
    Kullback-Leibler divergences, weighed by ``rate / 2`` against the mean of the losses.

    Reference: Liang et al., "R-Drop" (arXiv 2106.14448), equation 4.
    """
    logits = ops.cast(logits, "float32")
    both = ops.concatenate([target, target])
    loss = smoothed_loss(logits, both, ops.concatenate([weights, weights]) / 2, smoothing)
    first, second = ops.split(ops.log_softmax(logits, axis=-1), 2, axis=0)
    # The two divergences together: sum (p - q) (log p - log q).
    apart = ops.sum((ops.exp(first) - ops.exp(second)) * (first - second), axis=-1)
    real = ops.cast(ops.not_equal(target, 0), "float32")
    return loss + rate / 4 * ops.sum(_row_means(apart, real) * weights)


def tied_loss(
    model: Seq2Seq, inputs: Any, target: Any, weights: Any, smoothing: float, rate: float
) -> Any:
    """The same losses of a model while it is trained, never holding all logits.

    Args:
        model: whose softmax is tied to its table.
        inputs: of the model; at a `rate` above 0 all rows once and then again.
        target: ``(batch, time)`` ids.
        weights: ``(batch, time)``, 0 for padding.
        smoothing: of the labels.
        rate: of R-Drop; 0: without.
    """
    hidden, table = model.features(inputs, training=True), model.target_embedding.table
    if rate:
        both = ops.stack(ops.split(hidden, 2))
        return tied_r_drop(both, table, target, weights, rate, smoothing)
    return tied_cross_entropy(hidden, table, target, weights, smoothing)


def _cross_entropies(logits: Any, target: Any, smoothing: float) -> tuple[Any, Any]:
    """Smoothed cross-entropies ``(batch, time)``, and 1 for each token that counts."""
    logits = ops.cast(logits, "float32")
    place = ops.cast(target, "int32")[..., None]
    right = ops.take_along_axis(logits, place, axis=-1)[..., 0]
    each = ops.logsumexp(logits, axis=-1) - (1 - smoothing) * right
    if smoothing:
        each = each - smoothing * ops.mean(logits, axis=-1)
    return each, ops.cast(ops.not_equal(target, 0), "float32")


def _row_means(each: Any, real: Any) -> Any:
    return ops.sum(each * real, axis=1) / ops.maximum(ops.sum(real, axis=1), 1.0)
