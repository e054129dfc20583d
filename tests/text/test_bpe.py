"""BPE-dropout against SentencePiece itself."""

import numpy as np
import pytest

from toolkit.text.bpe import BPEDropout
from toolkit.text.subwords import END, Subwords

WORDS = [a + b for a in ("walk", "talk") for b in ("", "ing", "ed")]
WORDS += [a + b for a in ("small", "tall") for b in ("", "er", "est")]


@pytest.fixture(scope="module")
def subwords() -> Subwords:
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(WORDS, 6)) for _ in range(200)]
    return Subwords.fit(np.array(texts, object), 320, kind="bpe", marks=True, form=None)


def encode(subwords: Subwords, texts: list[str]) -> np.ndarray:
    rows = [[*row, END] for row in subwords(texts).to_list()]
    longest = max(map(len, rows))
    return np.array([row + [0] * (longest - len(row)) for row in rows], np.int32)


TEXTS = ["walked small talls", "", "smallest! żółć walking", "tttalllking   talk"]


def test_without_dropout_it_is_the_tokeniser(subwords: Subwords) -> None:
    ids = encode(subwords, TEXTS)
    seeds = np.zeros((len(ids), 2), np.int32)
    again = BPEDropout(subwords.model)(ids, seeds, 0.0)
    np.testing.assert_array_equal(again[:, : ids.shape[1]], ids)
    assert not again[:, ids.shape[1] :].any()


def test_dropout_cuts_the_same_text_otherwise(subwords: Subwords) -> None:
    cut = BPEDropout(subwords.model)
    ids = encode(subwords, TEXTS * 20)
    seeds = np.stack([np.arange(len(ids)), np.full(len(ids), 7)], 1).astype(np.int32)
    first = cut(ids, seeds, 0.3)
    np.testing.assert_array_equal(first, cut(ids, seeds, 0.3))
    assert (first != 0).sum() > 1.1 * (ids != 0).sum()
    assert not np.array_equal(first[0], first[4])
    texts = [subwords.join(np.array([row[row != 0]])).numpy()[0].decode() for row in first]
    assert texts == [" ".join(text.split()) for text in TEXTS * 20]


def test_rows_do_not_depend_on_each_other(subwords: Subwords) -> None:
    cut = BPEDropout(subwords.model)
    ids = encode(subwords, TEXTS)
    seeds = np.array([[5, 1], [6, 1], [7, 1], [8, 1]], np.int32)
    whole = cut(ids, seeds, 0.5)
    alone = cut(ids[2:3], seeds[2:3], 0.5)
    np.testing.assert_array_equal(whole[2][whole[2] != 0], alone[0][alone[0] != 0])


def test_everything_dropped_leaves_letters(subwords: Subwords) -> None:
    cut = BPEDropout(subwords.model)
    letters = cut(encode(subwords, ["walked"]), np.zeros((1, 2), np.int32), 1.0)
    assert (letters != 0).sum() == len("_walked") + 1


def test_nothing_to_cut(subwords: Subwords) -> None:
    ids = np.zeros((2, 1), np.int32)
    assert not BPEDropout(subwords.model)(ids, np.zeros((2, 2), np.int32), 0.1).any()
