"""Scores of texts against references: BLEU and chrF by sacreBLEU, ROUGE by rouge-score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import sacrebleu
from numpy.typing import NDArray
from rouge_score import rouge_scorer

from toolkit.metrics.bootstrap import Interval, resampled

Texts = Sequence[str]
ROUGE = ("rouge1", "rouge2", "rougeL")


class BLEU:
    """Corpus BLEU (Papineni et al. 2002), 0 to 100, with what a resample of the corpus needs.

    Args:
        predictions: the system's texts.
        references: one for each.
        tokenize: sacreBLEU's tokeniser, such as ``13a`` or ``none``.
        lowercase: whether case counts for nothing.
    """

    def __init__(
        self,
        predictions: Texts,
        references: Texts,
        tokenize: str = "13a",
        lowercase: bool = False,
    ) -> None:
        self.metric = sacrebleu.BLEU(tokenize=tokenize, lowercase=lowercase, force=True)
        alone = sacrebleu.BLEU(
            tokenize=tokenize, lowercase=lowercase, force=True, effective_order=True
        )
        found = [
            alone.sentence_score(text, [reference])
            for text, reference in zip(predictions, references, strict=True)
        ]
        # (examples, 10): matches and n-grams of four orders, lengths of text and reference
        self.counts = np.array(
            [[*each.counts, *each.totals, each.sys_len, each.ref_len] for each in found]
        )
        self.signature = _signature(self.metric, predictions, references)

    def __call__(self, drawn: NDArray[np.float64] | None = None) -> float:
        """Score the corpus, or a resample in which each example was drawn so many times."""
        times = np.ones(len(self.counts)) if drawn is None else drawn
        total = (times @ self.counts).astype(int).tolist()
        score = sacrebleu.BLEU.compute_bleu(
            correct=total[:4], total=total[4:8], sys_len=total[8], ref_len=total[9]
        )
        return float(score.score)


def paired_difference(
    first: BLEU, second: BLEU, *, resamples: int = 1000, confidence: float = 0.95, seed: int = 0
) -> tuple[float, Interval, float]:
    """Compare two systems on the same references by paired bootstrap (Koehn 2004).

    Args:
        first: one system.
        second: the other.
        resamples: how often to draw the sentences.
        confidence: of the interval.
        seed: of the draws.

    Returns:
        BLEU of the first less that of the second, its interval, and the share of resamples in
        which the first is not better.
    """
    size = len(first.counts)
    draws = resampled(size, max(resamples, 1), seed=seed)
    times = [np.bincount(rows, minlength=size).astype(np.float64) for rows in draws]
    found = np.array([first(drawn) - second(drawn) for drawn in times])
    low, high = np.quantile(found, [(1 - confidence) / 2, (1 + confidence) / 2])
    return first() - second(), Interval(float(low), float(high)), float((found <= 0).mean())


def chrf(predictions: Texts, references: Texts) -> tuple[float, str]:
    """Return corpus chrF (Popović 2015), 0 to 100, and its signature."""
    metric = sacrebleu.CHRF()
    score = metric.corpus_score(list(predictions), [list(references)])
    return float(score.score), str(metric.get_signature())


def sentence_chrf(predictions: Texts, references: Texts) -> NDArray[np.float64]:
    """Return chrF of each text, ``(examples,)``, 0 to 100."""
    metric = sacrebleu.CHRF()
    pairs = zip(predictions, references, strict=True)
    return np.array([metric.sentence_score(text, [right]).score for text, right in pairs])


def rouge(predictions: Texts, references: Texts) -> dict[str, NDArray[np.float64]]:
    """Return the F-measures of ROUGE-1, -2 and -L (Lin 2004) of each text, 0 to 100.

    Words are runs of letters and digits of any script, in lower case, without stemming.
    """
    scorer = rouge_scorer.RougeScorer(list(ROUGE), tokenizer=_Words())
    pairs = zip(predictions, references, strict=True)
    found: list[Any] = [scorer.score(right, text) for text, right in pairs]
    return {name: np.array([100 * each[name].fmeasure for each in found]) for name in ROUGE}


class _Words:
    """Tokeniser of rouge-score; its own drops all letters that are not English."""

    def tokenize(self, text: str) -> list[str]:
        marked = (letter if letter.isalnum() else " " for letter in text.lower())
        return "".join(marked).split()


def _signature(metric: Any, predictions: Texts, references: Texts) -> str:
    """What sacreBLEU calls its settings; it knows the number of references once it has scored."""
    metric.corpus_score(list(predictions[:1]), [list(references[:1])])
    return str(metric.get_signature())
