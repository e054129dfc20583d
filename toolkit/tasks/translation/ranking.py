"""Which length penalty ranks the beam's answers best, by the validation part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.data.store import StoredExamples
from toolkit.tasks.base import Decision

PENALTIES = (0.6, 1.0, 1.5, 2.0)
USUAL = 1.0
ROWS = 500  # of the validation part: each is searched once for each penalty
PENALTY = "length_penalty"  # the input that tells the search


def under_each(examples: StoredExamples) -> StoredExamples:
    """The same inputs once for each penalty, one penalty's rows after the other's."""
    rows = np.tile(np.arange(len(examples)), len(PENALTIES))
    repeated = examples.taken(rows)
    penalties = np.repeat(np.array(PENALTIES, np.float32), len(examples))
    return StoredExamples({**repeated.inputs, PENALTY: penalties}, {}, axes=examples.axes)


def best_penalty(
    texts: list[str], score: Callable[[list[str]], tuple[str, float]]
) -> tuple[float, Decision]:
    """Choose by the answers to :func:`under_each`.

    Args:
        texts: the best answer of each row.
        score: the name and value of the score of one penalty's answers.
    """
    size = len(texts) // len(PENALTIES)
    parts = [texts[start : start + size] for start in range(0, len(texts), size)]
    named = [score(part) for part in parts]
    scores: NDArray[Any] = np.array([value for _, value in named])
    best = int(scores.argmax())
    usual = PENALTIES.index(USUAL)
    best = usual if scores[best] <= scores[usual] else best
    listed = ", ".join(f"{p:g}: {s:.2f}" for p, s in zip(PENALTIES, scores, strict=True))
    reason = f"{named[0][0]} of {size} validation pairs with {listed}"
    return PENALTIES[best], Decision(PENALTIES[best], reason)
