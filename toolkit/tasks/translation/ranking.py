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

    The validation part is small and its lengths are not those of other texts, so the usual penalty
    stays unless another is better with hardly a doubt.

    Args:
        texts: the best answer of each row.
        bleu: scores one penalty's answers.
    """
    size = len(texts) // len(PENALTIES)
    scored = [bleu(texts[start : start + size]) for start in range(0, len(texts), size)]
    scores = [each() for each in scored]
    usual, best = PENALTIES.index(USUAL), int(np.argmax(scores))
    listed = ", ".join(f"{p:g}: {s:.2f}" for p, s in zip(PENALTIES, scores, strict=True))
    reason = f"BLEU of {size} validation pairs with {listed}"
    if scores[best] > scores[usual]:
        doubt = paired_difference(scored[best], scored[usual])[2]
        reason += f"; {PENALTIES[best]:g} is no better with p = {doubt:.3f}"
        best = best if doubt <= DOUBT else usual
    else:
        best = usual
    return PENALTIES[best], Decision(PENALTIES[best], reason)
