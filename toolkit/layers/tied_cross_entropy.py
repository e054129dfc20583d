"""Cross-entropy of the tied softmax, without ever holding all logits."""

from toolkit.layers.arguments import Tensor
from toolkit.layers.tied_softmax import loss_in_parts


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
    return loss_in_parts(
        hidden[None], table, token_ids, weights, label_smoothing, parts, _cross_entropy
    )


def _cross_entropy(logits: Tensor, shares: Tensor, sums: Tensor) -> tuple[Tensor, Tensor]:
    del logits
    return sums[0], shares
