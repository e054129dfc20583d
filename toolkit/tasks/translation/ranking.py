"""Which length penalty ranks the beam's answers best, by the validation part."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from toolkit.data.store import StoredExamples
from toolkit.metrics.translation import BLEU, paired_difference
from toolkit.tasks.base import Decision

PENALTIES = (0.6, 1.0, 1.5, 2.0)
USUAL = 1.0
DOUBT = 0.05  # most: the share of resamples in which the better one is no better
ROWS = 500  # of the validation part: each is searched once for each penalty
PENALTY = "length_penalty"  # the input that tells the search


def under_each(examples: StoredExamples) -> StoredExamples:
    """The same inputs once for each penalty, one penalty's rows after the other's."""
    rows = np.tile(np.arange(len(examples)), len(PENALTIES))
    repeated = examples.taken(rows)
    penalties = np.repeat(np.array(PENALTIES, np.float32), len(examples))
    return StoredExamples({**repeated.inputs, PENALTY: penalties}, {}, axes=examples.axes)


def best_penalty(texts: list[str], bleu: Callable[[list[str]], BLEU]) -> tuple[float, Decision]:
    """Choose by the answers to :func:`under_each`.

    The validation part is small and its lengths are not those of other texts: how short the
    references are decides as much as the answers do. So the usual penalty stays, and gives way step
    by step to one further from it, each better than the one before with hardly a doubt.

    Args:
        texts: the best answer of each row.
        bleu: scores one penalty's answers.
    """
    size = len(texts) // len(PENALTIES)
    scored = {
        penalty: bleu(texts[start : start + size])
        for penalty, start in zip(PENALTIES, range(0, len(texts), size), strict=True)
    }
    scores = {penalty: each() for penalty, each in scored.items()}
    listed = ", ".join(f"{penalty:g}: {score:.2f}" for penalty, score in scores.items())
    reason = f"BLEU of {size} validation pairs with {listed}"
    best = USUAL
    for penalty in sorted(PENALTIES, key=lambda each: abs(each - USUAL)):
        if scores[penalty] > scores[best]:
            doubt = paired_difference(scored[penalty], scored[best])[2]
            reason += f"; {penalty:g} is no better than {best:g} with p = {doubt:.3f}"
            best = penalty if doubt <= DOUBT else best
    return best, Decision(best, reason)
