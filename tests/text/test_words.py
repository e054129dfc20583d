"""Words in the graph."""

import numpy as np
import pytest
import tensorflow as tf

from toolkit.text.words import split_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A fine film.", "a fine film ."),
        ("Don't go!!", "don't go ! !"),
        ("She said 'no'", "she said ' no '"),
        ("good<br />bad <b>x</b>", "good bad x"),
        ("@user see https://a.b/c #fun", "@user see #fun"),
        ("3.5 of 10", "3 . 5 of 10"),
        ("我爱你", "我 爱 你"),
        ("naïve ＣＡＦÉ", "naïve café"),
        ("so 😀😀", "so 😀 😀"),
        ("", ""),
        ("  \t\n ", ""),
    ],
)
def test_split(text: str, words: str) -> None:
    got = [word.decode() for word in split_words(tf.constant([text]))[0].numpy()]
    assert got == words.split()


def test_invalid_bytes_do_not_crash() -> None:
    assert split_words(tf.constant([b"a \xff\xfe b"])).shape[0] == 1


def test_case_may_stay() -> None:
    words = split_words(tf.constant(["Ab c"]), lowercase=False)
    assert np.array_equal(words[0].numpy(), [b"Ab", b"c"])
