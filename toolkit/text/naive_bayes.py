"""Naive Bayes log-count ratios of n-grams (Wang and Manning, ACL 2012, section 2.1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from toolkit.ragged import Ragged


def log_count_ratios(
    ngrams: Ragged, classes: NDArray[np.floating], size: int, smoothing: float = 1.0
) -> NDArray[np.float32]:
    """How much more often each n-gram stands in texts of a class than in the others.

    ``ratio[f, c] = log(p[f] / sum(p)) - log(q[f] / sum(q))`` with the smoothed counts ``p`` of
    the texts of class ``c`` that hold ``f``, and ``q`` of the other texts. What is added to ``p``
    and ``q`` is in the proportion of what they hold, so that an n-gram that was hardly seen says
    nothing of a small class; for two classes of one size it is the paper's.

    Args:
        ngrams: different n-gram ids of each text.
        classes: ``(texts, classes)`` weight of each text in each class, 0 or 1 as a rule.
        size: ids are below this; id 0, the padding, gets ratio 0.
        smoothing: added to every count, on average of both sides.

    Returns:
        ``(size, classes)``.
    """
    ratios = np.zeros((size, classes.shape[1]), np.float32)
    every = np.bincount(ngrams.values, minlength=size)
    for number in range(classes.shape[1]):
        weights = np.repeat(classes[:, number], ngrams.lengths)
        inside = np.bincount(ngrams.values, weights, minlength=size).astype(np.float64)
        share = (inside.sum() + 1) / (every.sum() + 2)
        outside = every - inside + 2 * smoothing * (1 - share)
        inside += 2 * smoothing * share
        ratios[:, number] = np.log(inside / inside.sum()) - np.log(outside / outside.sum())
    ratios[0] = 0
    return ratios
