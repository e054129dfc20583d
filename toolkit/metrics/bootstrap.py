"""Bootstrap: how far a score of a finite test set can be trusted."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


class Interval(NamedTuple):
    """A confidence interval."""

    low: float
    high: float


def intervals(
    score: Callable[[NDArray[np.float64]], dict[str, float]],
    size: int,
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    groups: NDArray[np.generic] | None = None,
    seed: int = 0,
) -> dict[str, Interval]:
    """Percentile bootstrap intervals of scores (Efron and Tibshirani 1993, chapter 13).

    Args:
        score: from how often each example was drawn, ``(size,)``, to scores by name.
        size: number of examples.
        resamples: how often to draw.
        confidence: of the intervals, such as 0.95.
        groups: ``(size,)``; examples of one group are drawn together.
        seed: of the draws.
    """
    draws = resampled(size, resamples, groups, seed)
    drawn = [score(np.bincount(rows, minlength=size).astype(np.float64)) for rows in draws]
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    values = {name: [d[name] for d in drawn if name in d] for name in drawn[0]}
    return {
        name: Interval(*(float(q) for q in np.quantile(v, tails))) for name, v in values.items()
    }


def resampled(
    size: int, resamples: int, groups: NDArray[np.generic] | None = None, seed: int = 0
) -> list[Indices]:
    """Draw row numbers with replacement, by whole groups where there are groups."""
    random = np.random.default_rng(seed)
    if groups is None:
        return [random.integers(0, size, size) for _ in range(resamples)]
    _, number = np.unique(groups, return_inverse=True)
    members = np.split(np.argsort(number, kind="stable"), np.cumsum(np.bincount(number))[:-1])
    return [
        np.concatenate([members[i] for i in random.integers(0, len(members), len(members))])
        for _ in range(resamples)
    ]


def paired_difference(
    first: NDArray[np.floating],
    second: NDArray[np.floating],
    *,
    resamples: int = 10_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[float, Interval, float]:
    """Compare two systems on the same examples by paired bootstrap (Koehn 2004).

    Args:
        first: ``(examples,)`` score of each example by the first system, such as 1 for right.
        second: the same by the second system.
        resamples: how often to draw.
        confidence: of the interval.
        seed: of the draws.

    Returns:
        The mean difference first - second, its interval, and the share of resamples in which
        the first is not better.
    """
    difference = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    random = np.random.default_rng(seed)
    means = np.array(
        [
            difference[random.integers(0, len(difference), len(difference))].mean()
            for _ in range(resamples)
        ]
    )
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(difference.mean()), Interval(float(low), float(high)), float((means <= 0).mean())
