"""A language model of tokens such as characters: interpolated n-grams as one table."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

MOST_ENTRIES = 4_000_000


def fit_table(rows: Iterable[NDArray[np.integer]], size: int, order: int) -> NDArray[np.float32]:
    """Fit n-grams with Witten-Bell's interpolation.

    Token 0 stands for the start before a row and for its end after it. The order is lowered until
    the table fits into memory well.

    Args:
        rows: tokens, each from 1 to ``size - 1``.
        size: number of tokens.
        order: tokens that an n-gram holds.

    Returns:
        ``(size ** (order - 1), size)`` log-probabilities in nats: the row's number is the last
        ``order - 1`` tokens as digits of base ``size``, the latest last.

    Reference: Witten and Bell, "The zero-frequency problem", 1991, method C; Chen and Goodman,
    "An Empirical Study of Smoothing Techniques", 1998, section 2.5.
    """
    while order > 1 and size**order > MOST_ENTRIES:
        order -= 1
    padded = [np.concatenate([[0] * (order - 1), row, [0]]).astype(np.int64) for row in rows]
    table = np.full((1, size), 1 / size)
    for length in range(1, order + 1):
        table = _interpolated(_counted(padded, size, length, order), table)
    return np.asarray(np.log(table), np.float32)


def _counted(
    rows: list[NDArray[np.int64]], size: int, length: int, order: int
) -> NDArray[np.float64]:
    """How often each token follows each ``length - 1`` tokens."""
    counts = np.zeros((size ** (length - 1), size))
    for row in rows:
        context = np.zeros(len(row) - order + 1, np.int64)
        for back in range(length - 1, 0, -1):
            context = context * size + row[order - 1 - back : len(row) - back]
        np.add.at(counts, (context, row[order - 1 :]), 1)
    return counts


def _interpolated(counts: NDArray[np.float64], lower: NDArray[np.float64]) -> NDArray[np.float64]:
    """Counts mixed with the model that looks one token less far back."""
    seen = counts.sum(1, keepdims=True)
    kinds = np.maximum((counts > 0).sum(1, keepdims=True), (seen == 0))
    shorter = np.tile(lower, (len(counts) // len(lower), 1))  # the oldest token is the first digit
    return np.asarray((counts + kinds * shorter) / (seen + kinds))
