"""Texts to ids: fitted, saved, and the same in every batch."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from toolkit.errors import ArgumentError, RunError
from toolkit.ragged import Ragged
from toolkit.text.encoder import EncoderOptions, TextEncoder
from toolkit.text.naive_bayes import log_count_ratios
from toolkit.text.ngrams import NGrams
from toolkit.text.vocabulary import Vocabulary

TEXTS = np.array(
    ["the cat sat", "the dog sat on the cat", "a bird", "", "the the the"] * 3, dtype=object
)
OPTIONS = EncoderOptions(word_orders=(1, 2, 3), character_orders=(2, 3))


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return TextEncoder.fit(TEXTS, OPTIONS)


def ngrams_by_hand(words: list[int], base: int, orders: tuple[int, ...]) -> set[int]:
    numbers = set()
    for order in orders:
        for i in range(len(words) - order + 1):
            number = 0
            for word in words[i : i + order]:
                number = number * base + word
            numbers.add(number * (max(orders) + 1) + order)
    return numbers


def test_ngrams_are_the_different_known_ones(encoder: TextEncoder) -> None:
    assert encoder.words is not None
    assert encoder.word_ngrams is not None
    words = encoder.words(tf.strings.split(tf.constant(["the dog sat on the cat"])))
    got = encoder(tf.constant(["the dog sat on the cat"]))["word_ngrams"][0].numpy()
    base = encoder.word_ngrams.base
    want = ngrams_by_hand(list(words[0].numpy()), base, (1, 2, 3))
    assert {int(encoder.word_ngrams.keys[i - 1]) for i in got} == want


def test_repeated_ngrams_are_there_more_often(encoder: TextEncoder) -> None:
    repeated, others = "cat " * 5, "dog the dog"
    features = encoder(tf.constant([repeated, others]))
    for name in ("word_ngrams", "character_ngrams"):
        fitted, rows = getattr(encoder, name), features[name].to_list()
        ids = np.array(rows[0])
        orders = fitted.keys[ids - 1] % (max(fitted.orders) + 1)
        assert rows == [sorted(row) for row in rows]
        # five times one word: 1 + floor(log2(5)) times it, and each part of it
        _, times = np.unique(ids[orders == min(fitted.orders)], return_counts=True)
        assert len(times) == (1 if name == "word_ngrams" else 4)
        assert set(times) == {3}
    ids = features["word_ngrams"].to_list()[1]
    assert sorted(np.unique(ids, return_counts=True)[1])[-1] == 2


def test_empty_and_unknown_texts(encoder: TextEncoder) -> None:
    features = encoder(tf.constant(["", "zzz"]))
    assert features["token_ids"].to_list() == [[], [1]]
    assert features["word_ngrams"].to_list() == [[], []]
    assert features["character_ngrams"].row_lengths().numpy()[0] == 0


def test_characters_stay_within_words(encoder: TextEncoder) -> None:
    one = encoder(tf.constant(["cat sat"]))["character_ngrams"].to_list()[0]
    parts = encoder(tf.constant(["cat", "sat"]))["character_ngrams"].to_list()
    assert set(one) == set(parts[0]) | set(parts[1])


def test_the_whole_and_its_batches_agree(encoder: TextEncoder) -> None:
    stored = encoder.encode(TEXTS)
    for name, feature in stored.items():
        direct = encoder(tf.constant(TEXTS))[name].to_list()
        split = [list(part) for part in np.split(feature.values, feature.splits[1:-1])]
        assert split == direct


@pytest.mark.parametrize(
    ("keep", "want"),
    [("start", [2, 3, 4, 5]), ("end", [8, 9, 10, 11]), ("both", [2, 9, 10, 11])],
)
def test_truncation(keep: str, want: list[int]) -> None:
    options = EncoderOptions(sequence_length=4, keep=keep)  # type: ignore[arg-type]
    texts = np.array(["a b c d e f g h i j"], dtype=object)
    got = TextEncoder.fit(texts, options).encode(texts)["token_ids"].values
    assert list(got) == want


def test_a_small_vocabulary_makes_rare_words_unknown() -> None:
    encoder = TextEncoder.fit(TEXTS, replace(OPTIONS, vocabulary_size=3))
    assert encoder.vocabulary_size == 3
    assert encoder(tf.constant(["the cat"]))["token_ids"].to_list() == [[2, 1]]


@pytest.mark.parametrize("tokens", ["word", "subword"])
def test_save_and_load(tmp_path: Path, tokens: str) -> None:
    options = replace(OPTIONS, tokens=tokens, vocabulary_size=300)  # type: ignore[arg-type]
    encoder = TextEncoder.fit(TEXTS, options)
    encoder.save(tmp_path)
    again = TextEncoder.load(tmp_path)
    assert again.options == options
    assert again.vocabulary_size == encoder.vocabulary_size
    texts = tf.constant(["the cat on a", "birds"])
    for name, feature in encoder(texts).items():
        assert feature.to_list() == again(texts)[name].to_list()


def test_a_damaged_file_is_named(tmp_path: Path, encoder: TextEncoder) -> None:
    encoder.save(tmp_path)
    (tmp_path / "word_ngrams.npz").write_bytes(b"damaged")
    with pytest.raises(RunError, match=r"word_ngrams\.npz: cannot be read"):
        TextEncoder.load(tmp_path)


def test_vocabulary_orders_by_count_then_word() -> None:
    vocabulary = Vocabulary.fit([("b", 2), ("a", 2), ("c", 5), ("d", 1)], 5, min_count=2)
    assert vocabulary.words == ["c", "a", "b"]
    assert len(vocabulary) == 5


def test_too_many_words_for_the_order_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"Expected base \*\* order below 2 \*\* 62"):
        NGrams(np.array([1]), base=100_000, orders=(4,))


def test_ratios_against_the_formula() -> None:
    ngrams = Ragged(np.array([1, 2, 2, 3]), np.array([0, 2, 4]))
    classes = np.array([[1.0, 0.0], [0.0, 1.0]])
    ratios = log_count_ratios(ngrams, classes, 4)
    p, q = np.array([1, 2, 2, 1]), np.array([1, 1, 2, 2])
    want = np.log(p / p.sum()) - np.log(q / q.sum())
    assert np.allclose(ratios[1:, 0], want[1:])
    assert np.allclose(ratios[:, 0], -ratios[:, 1])


def test_of_a_small_class_a_rare_ngram_says_little() -> None:
    rows = 500
    ngrams = Ragged(np.arange(1, rows + 1), np.arange(rows + 1))
    classes = np.eye(50)[np.arange(rows) % 50]
    ratios = log_count_ratios(ngrams, classes, rows + 1)
    elsewhere = classes[:, 0] == 0
    assert np.abs(ratios[1:, 0][elsewhere]).max() < 0.5 < ratios[1:, 0][~elsewhere].min()
