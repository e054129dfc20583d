"""Scores of recognised texts: word and character error rates, by jiwer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jiwer
import numpy as np
from numpy.typing import NDArray

KINDS = ("substitutions", "deletions", "insertions")


class RecognitionScorer:
    """``wer`` and ``cer``, ``accuracy`` (texts without any error) and what the errors of words are.

    An error rate is all errors over all words (or characters) of the references, so it may be
    above 1. Looks at the texts once and can then score any resample of them.

    Args:
        references: right texts, none of them empty.
        texts: recognised ones.
    """

    def __init__(self, references: Sequence[str], texts: Sequence[str]) -> None:
        self.words = _counts(references, texts, jiwer.process_words)
        self.characters = _counts(references, texts, jiwer.process_characters)
        self.right = np.array([a == b for a, b in zip(references, texts, strict=True)], float)

    def __call__(self, counts: NDArray[Any] | None = None) -> dict[str, float]:
        """Score, each text as often as ``counts`` says, ``(texts,)``; once by default."""
        counts = np.ones(len(self.right)) if counts is None else counts
        words, characters = counts @ self.words, counts @ self.characters
        shares = {f"word_{kind}": n / words[3] for kind, n in zip(KINDS, words, strict=False)}
        return {
            "wer": float(words[:3].sum() / words[3]),
            "cer": float(characters[:3].sum() / characters[3]),
            "accuracy": float(counts @ self.right / counts.sum()),
            **{name: float(share) for name, share in shares.items()},
        }

    def grouped(self, groups: Sequence[str]) -> dict[str, dict[str, float]]:
        """Scores and number of texts of each group, by its name."""
        names = np.asarray(groups, object)
        return {
            name: {
                "texts": float((names == name).sum()),
                **_first(self((names == name).astype(float))),
            }
            for name in dict.fromkeys(groups)
        }


def _first(scores: dict[str, float]) -> dict[str, float]:
    return {name: scores[name] for name in ("wer", "cer", "accuracy")}


def _counts(references: Sequence[str], texts: Sequence[str], process: Any) -> NDArray[Any]:
    """``(texts, 4)``: substitutions, deletions, insertions, and length of each reference."""
    rows = []
    for reference, text in zip(references, texts, strict=True):
        one = process(reference, text)
        size = one.hits + one.substitutions + one.deletions
        rows.append((one.substitutions, one.deletions, one.insertions, size))
    return np.array(rows, float)
