"""CTC decoding against sums over all paths."""

import itertools
from typing import Any

import numpy as np
import pytest

from toolkit.models import ctc
from toolkit.text.character_model import fit_table


def collapse(path: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(k for k, _ in itertools.groupby(path) if k)


def all_texts(logits: Any) -> dict[tuple[int, ...], float]:
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    found: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(logits.shape[1]), repeat=len(logits)):
        text = collapse(path)
        found[text] = found.get(text, 0.0) + float(np.prod(p[np.arange(len(path)), path]))
    return found


def rows(tokens: Any) -> list[tuple[int, ...]]:
    return [tuple(int(t) for t in row if t) for row in np.asarray(tokens)]


def test_greedy_collapses_repeats_and_drops_blanks() -> None:
    paths = np.array([[1, 1, 0, 1, 2, 2, 0], [0, 2, 2, 1, 1, 1, 1]])
    logits = np.eye(3, dtype="float32")[paths] * 9
    tokens, score = ctc.greedy(logits, np.array([7, 4]))
    assert rows(tokens) == [(1, 1, 2), (2, 1)]
    sure = np.exp(9) / (np.exp(9) + 2)
    np.testing.assert_allclose(score, [sure, sure], rtol=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_the_beam_finds_the_likeliest_text(seed: int) -> None:
    logits = np.random.default_rng(seed).normal(0, 1.5, (3, 5, 4)).astype("float32")
    frames = np.array([5, 4, 3])
    tokens, score = ctc.prefix_beam(logits, frames, width=120)
    for row in range(3):
        texts = all_texts(logits[row, : frames[row]])
        best = max(texts, key=lambda text: texts[text])
        assert rows(tokens)[row] == best
        np.testing.assert_allclose(score[row], texts[best] ** (1 / frames[row]), rtol=1e-4)


def test_the_beam_weighs_a_language_model_in() -> None:
    logits = np.random.default_rng(5).normal(0, 1, (2, 5, 3)).astype("float32")
    table = fit_table([np.array([1, 2, 1, 2]), np.array([1, 2])], size=3, order=3)
    tokens, _ = ctc.prefix_beam(logits, np.array([5, 5]), 100, table, 1.5)

    def language(text: tuple[int, ...]) -> float:
        padded, total = (0, 0, *text, 0), 0.0
        for i in range(2, len(padded)):
            total += table[padded[i - 2] * 3 + padded[i - 1], padded[i]] + np.log(3)
        return 1.5 * total

    for row in range(2):
        texts = all_texts(logits[row])
        best = max(texts, key=lambda text: np.log(texts[text]) + language(text))
        assert rows(tokens)[row] == best


def test_required_frames() -> None:
    tokens = np.array([[1, 1, 2, 0], [3, 2, 0, 0], [0, 0, 0, 0]])
    assert np.asarray(ctc.required_frames(tokens)).tolist() == [4, 2, 0]


def test_the_language_models_rows_are_distributions() -> None:
    table = fit_table([np.array([1, 2, 3]), np.array([2, 2])], size=4, order=3)
    np.testing.assert_allclose(np.exp(table).sum(1), 1, rtol=1e-5)
    after_one_two = np.exp(table[1 * 4 + 2])
    assert after_one_two.argmax() == 3
