"""The evaluation report of translations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from toolkit.metrics.bootstrap import intervals
from toolkit.metrics.translation import BLEU, chrf, paired_difference, rouge, sentence_chrf

if TYPE_CHECKING:
    from toolkit.data.table import Table
    from toolkit.tasks.translation.options import TranslationEvaluate

SHOWN = 10  # best and worst sentences
LONG_WORD = 20  # letters between spaces, on the average: a script without spaces


def report_on(
    predictions: list[str],
    references: list[str],
    sources: list[str],
    table: Table,
    options: TranslationEvaluate,
    *,
    lowercase: bool,
    others: dict[str, float],
) -> dict[str, Any]:
    """Return scores, intervals, signatures, and the best and the worst sentences.

    Args:
        predictions: the system's texts.
        references: what was right.
        sources: what was to be translated.
        table: where the rows come from.
        options: the recipe's section.
        lowercase: what ``auto`` means for the case.
        others: further scores.
    """
    names = ("bleu", "chrf") if options.metrics == "auto" else options.metrics
    scores: dict[str, float] = {}
    signatures: dict[str, str] = {}
    spread: dict[str, Any] = {}
    if "bleu" in names:
        bleu = bleu_of(predictions, references, options, lowercase)
        scores["bleu"], signatures["bleu"] = bleu(), bleu.signature
        spread |= _intervals(lambda drawn: {"bleu": bleu(drawn)}, len(references), options)
    if "chrf" in names:
        scores["chrf"], signatures["chrf"] = chrf(predictions, references)
    if "rouge" in names:
        each = rouge(predictions, references)
        scores |= {name: float(values.mean()) for name, values in each.items()}
        spread |= _intervals(lambda drawn: _means(each, drawn), len(references), options)
    return {
        "scores": {**scores, **others},
        **({"intervals": spread} if spread else {}),
        "signatures": signatures,
        **_sentences(predictions, references, sources, table),
    }


def bleu_of(
    predictions: list[str],
    references: list[str],
    options: TranslationEvaluate,
    lowercase: bool,
) -> BLEU:
    """BLEU of some texts, as the recipe says; ``lowercase`` is what ``auto`` means for the case."""
    tokenize = _tokenizer(references) if options.tokenize == "auto" else options.tokenize
    lowercase = lowercase if options.lowercase == "auto" else options.lowercase
    return BLEU(predictions, references, tokenize, lowercase)


def compared(
    predictions: list[str],
    others: list[str],
    references: list[str],
    options: TranslationEvaluate,
    lowercase: bool,
) -> dict[str, Any]:
    """Return BLEU of two systems, the difference, its interval, and the chance that it is none."""
    first, second = (
        bleu_of(texts, references, options, lowercase) for texts in (predictions, others)
    )
    difference, interval, p = paired_difference(
        first, second, resamples=options.bootstrap, confidence=options.confidence
    )
    return {
        "scores": {"bleu": first(), "other_bleu": second(), "difference": difference, "p": p},
        "intervals": {"difference": interval},
        "signatures": {"bleu": first.signature},
    }


def _intervals(score: Any, size: int, options: TranslationEvaluate) -> dict[str, Any]:
    if not options.bootstrap:
        return {}
    return dict(intervals(score, size, resamples=options.bootstrap, confidence=options.confidence))


def _means(each: dict[str, NDArray[np.float64]], drawn: NDArray[np.float64]) -> dict[str, float]:
    return {name: float(values @ drawn / drawn.sum()) for name, values in each.items()}


def _tokenizer(references: list[str]) -> str:
    """13a, or single characters where words are not separated."""
    letters = sum(len(text) for text in references)
    words = sum(len(text.split()) for text in references)
    return "13a" if letters < LONG_WORD * words else "char"


def _sentences(
    predictions: list[str], references: list[str], sources: list[str], table: Table
) -> dict[str, Any]:
    """The sentences of the best and of the worst chrF, and that of all in their order."""
    each = sentence_chrf(predictions, references)
    order = np.argsort(each, kind="stable")

    def shown(rows: NDArray[np.int64]) -> list[dict[str, Any]]:
        return [
            {
                "where": table.where(int(row)),
                "source": sources[row],
                "reference": references[row],
                "prediction": predictions[row],
                "chrf": round(float(each[row]), 2),
            }
            for row in rows
        ]

    return {"worst_sentences": shown(order[:SHOWN]), "best_sentences": shown(order[::-1][:SHOWN])}
