"""R-Drop over the tied softmax, without ever holding all logits."""

from keras import ops

from toolkit.errors import ArgumentError
from toolkit.layers.arguments import Tensor
from toolkit.layers.tied_softmax import loss_in_parts


def tied_r_drop(
    hidden: Tensor,
    table: Tensor,
    token_ids: Tensor,
    weights: Tensor,
    rate: float,
    label_smoothing: float = 0.0,
    parts: int = 8,
) -> Tensor:
    """Cross-entropy of two answers under different dropout, and how much they differ.

    The sum of weight x (the mean of both cross-entropies + rate / 2 x the mean of the two
    Kullback-Leibler divergences), worked off as `tied_cross_entropy` is.

    Args:
        hidden: (2, ..., dim), such as a decoder's outputs under two dropouts.
        table: (vocabulary, dim), such as `TokenEmbedding.table`.
        token_ids: integers (...), the right answers.
        weights: (...), 0 for padding; divided by the global number of tokens for a mean.
        rate: how much the divergences count; at least 0. The paper has 5 for translation.
        label_smoothing: share of the target spread evenly over the vocabulary, in [0, 1).
        parts: into how many parts the rows are cut.

    Returns:
        A scalar, float32.

    Raises:
        ArgumentError: not two answers, a negative `rate`, a `label_smoothing` outside [0, 1), no
            positive number of parts.

    Example:
        >>> import numpy as np
        >>> hidden, table = np.zeros((2, 2, 3, 4), "float32"), np.zeros((10, 4), "float32")
        >>> ids, weights = np.ones((2, 3), "int32"), np.ones((2, 3)) / 6
        >>> round(float(tied_r_drop(hidden, table, ids, weights, rate=5.0)), 4)  # log 10
        2.3026

    Reference: Liang et al., "R-Drop" (arXiv 2106.14448), equation 4.
    """
    if hidden.shape[0] != 2:
        raise ArgumentError(
            f"hidden: Expected two answers, (2, ..., dim). Received: {tuple(hidden.shape)}"
        )
    if rate < 0:
        raise ArgumentError(f"rate: Expected a number of at least 0. Received: rate={rate}")
    scale = rate / 4

    def part_loss(logits: Tensor, shares: Tensor, sums: Tensor) -> tuple[Tensor, Tensor]:
        first, second = shares[0], shares[1]
        apart = logits[0] - logits[1]
        by_first, by_second = (ops.sum(x * apart, axis=-1) for x in (first, second))
        # KL(p, q) + KL(q, p) = sum (p - q) (log p - log q); the sums of exponentials cancel.
        losses = ops.mean(sums, axis=0) + scale * (by_first - by_second)
        apart = scale * apart
        ahead = 0.5 + scale * (1 - by_first[:, None])
        behind = 0.5 + scale * (1 + by_second[:, None])
        slopes = (
            first * (apart + ahead) - scale * second,
            second * (behind - apart) - scale * first,
        )
        return losses, ops.stack(slopes)

    return loss_in_parts(hidden, table, token_ids, weights, label_smoothing, parts, part_loss)
