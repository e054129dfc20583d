"""BLEU, chrF and ROUGE: thin skins over the libraries, and what a resample needs."""

import numpy as np
import pytest
import sacrebleu

from toolkit.metrics.translation import BLEU, chrf, paired_difference, rouge, sentence_chrf

REFERENCES = ["the cat sat on the mat", "a dog barks at night", "birds sing in the morning sun"]
PREDICTIONS = ["the cat sat on a mat", "a dog barks in the night", "birds sing"]


def test_bleu_is_sacrebleus() -> None:
    bleu = BLEU(PREDICTIONS, REFERENCES)
    assert bleu() == pytest.approx(sacrebleu.corpus_bleu(PREDICTIONS, [REFERENCES]).score)
    assert "tok:13a" in bleu.signature
    assert "case:mixed" in bleu.signature
    drawn = np.array([2.0, 0.0, 1.0])
    again = [PREDICTIONS[0], PREDICTIONS[0], PREDICTIONS[2]]
    right = [REFERENCES[0], REFERENCES[0], REFERENCES[2]]
    assert bleu(drawn) == pytest.approx(sacrebleu.corpus_bleu(again, [right]).score)


def test_bleu_of_tokens_without_case() -> None:
    bleu = BLEU(["The Cat sat down ."], ["the cat sat down ."], "none", lowercase=True)
    assert bleu() == pytest.approx(100)
    assert "tok:none" in bleu.signature
    assert "case:lc" in bleu.signature


def test_paired_bootstrap() -> None:
    references = [f"the {word} cat sat on the mat number {word}" for word in "abcdefghij"]
    good, bad = BLEU(references, references), BLEU(["the cat"] * 10, references)
    difference, interval, p = paired_difference(good, bad, resamples=50)
    assert difference == pytest.approx(good() - bad())
    assert interval.low > 50
    assert p == 0
    assert paired_difference(good, good, resamples=50)[2] == 1


def test_bleu_of_nothing_is_nothing() -> None:
    assert BLEU([""], ["a cat"])() == 0


def test_chrf_is_sacrebleus() -> None:
    score, signature = chrf(PREDICTIONS, REFERENCES)
    assert score == pytest.approx(sacrebleu.corpus_chrf(PREDICTIONS, [REFERENCES]).score)
    assert "nc:6" in signature
    each = sentence_chrf([*PREDICTIONS, "same"], [*REFERENCES, "same"])
    assert each[3] == pytest.approx(100)
    assert each[2] < each[0]


def test_rouge() -> None:
    scores = rouge(["the cat sat", "ЖИВОЙ звук"], ["the cat ran away", "живой звук"])
    precision, recall = 2 / 3, 2 / 4
    best = 100 * 2 * precision * recall / (precision + recall)
    np.testing.assert_allclose(scores["rouge1"], [best, 100])
    assert set(scores) == {"rouge1", "rouge2", "rougeL"}
