"""One answer from several models: the product of their probabilities, each to a power.

A logarithmic opinion pool (Genest and Zidek, "Combining probability distributions", 1986); its
powers are fitted on texts that no model was trained on, as in stacked generalisation (Wolpert
1992). A model that knows little gets a small power, and models that are all too timid or too sure
of themselves get powers whose sum is more or less than 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, softmax

ROWS = 10_000  # texts that the powers are fitted on, at most
PRIOR = 10.0  # texts' worth of belief that all models are alike


def pooled(logits: Any, powers: NDArray[np.float64], several: bool) -> Any:
    """Pool in the graph.

    Args:
        logits: ``(batch, members, labels)``.
        powers: ``(members,)``.
        several: each label is given or not by itself; else one of them is.

    Returns:
        Probabilities, ``(batch, labels)``.
    """
    logits = ops.cast(logits, "float32")
    evidence = logits if several else ops.log_softmax(logits, axis=-1)
    together = ops.sum(evidence * ops.convert_to_tensor(powers, "float32")[:, None], axis=1)
    return ops.sigmoid(together) if several else ops.softmax(together, axis=-1)


def even_powers(members: int) -> NDArray[np.float64]:
    """All alike: the geometric mean."""
    return np.full(members, 1 / members)


def fit_powers(
    logits: NDArray[Any], labels: NDArray[Any], weights: NDArray[Any], several: bool
) -> NDArray[np.float64]:
    """Powers of the least cross-entropy, drawn towards equal ones; none is negative.

    Args:
        logits: ``(texts, members, labels)``.
        labels: label numbers ``(texts,)``, or ``(texts, labels)`` of 0 and 1 where ``several``.
        weights: what each text counts, ``(texts,)``.
        several: each label is given or not by itself; else one of them is.
    """
    logits = np.asarray(logits, np.float64)
    even = even_powers(logits.shape[1])
    evidence = logits if several else log_softmax(logits, axis=-1)
    given = labels if several else np.eye(logits.shape[-1])[np.asarray(labels, np.int64)]
    texts = np.asarray(weights, np.float64)
    texts = texts * len(texts) / max(float(texts.sum()), 1e-9)

    def loss(powers: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        together = np.einsum("tml,m->tl", evidence, powers)
        if several:
            surprise = np.logaddexp(0, together) - given * together
            found = expit(together)
        else:
            surprise = -given * log_softmax(together, axis=-1)
            found = softmax(together, axis=-1)
        change = np.einsum("tml,tl->m", evidence, (found - given) * texts[:, None])
        apart = powers - even
        total = float(texts @ surprise.sum(axis=-1)) + PRIOR * float(apart @ apart)
        return total, change + 2 * PRIOR * apart

    bounds = [(0, None)] * len(even)
    fitted = minimize(loss, even, jac=True, bounds=bounds, method="L-BFGS-B")
    return np.asarray(fitted.x, np.float64)


def member_scores(
    logits: NDArray[Any],
    powers: dict[str, float],
    several: bool,
    score: Callable[[NDArray[Any]], dict[str, float]],
) -> dict[str, dict[str, float]]:
    """What each of several models counts, and its scores by itself.

    Args:
        logits: ``(texts, members, labels)``.
        powers: by the members' names, in their order.
        several: each label is given or not by itself; else one of them is.
        score: from probabilities to scores.
    """
    found = {}
    for number, (name, power) in enumerate(powers.items()):
        alone = np.asarray(pooled(logits[:, number : number + 1], np.ones(1), several))
        found[name] = {"power": float(power), **score(alone)}
    return found
