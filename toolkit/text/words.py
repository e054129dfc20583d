"""Words: text to lower-case words and punctuation marks, in the graph."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensorflow_text as tf_text

# Scripts written without spaces are taken a character at a time; n-grams put words together.
UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
MARKUP = r"<[a-zA-Z/!][^<>]*>|&[a-z]+;|https?://\S+"
STANDS_ALONE = rf"[{UNSPACED}]|[^\pL\pM\pN\s'_@#]"
QUOTE_SIGNS = "[\u2018\u2019`]"
QUOTES = r"(?:^|\s)'+|'+(?:\s|$)"  # an apostrophe inside a word is part of it


def normalise(texts: Any, *, lowercase: bool = True, form: str | None = "NFKC") -> Any:
    """Apply a Unicode normal form and, unless told otherwise, lower-case ``(batch,)`` texts.

    Args:
        texts: strings in UTF-8.
        lowercase: whether case is dropped.
        form: ``NFKC``, ``NFC``, or None to leave the characters as they are.
    """
    if form is not None:
        texts = tf_text.normalize_utf8(texts, form)
    return tf.strings.lower(texts, encoding="utf-8") if lowercase else texts


def split_words(texts: Any, *, lowercase: bool = True) -> tf.RaggedTensor:
    """Split texts into words and punctuation marks.

    Markup tags and web addresses are dropped; a mark stands alone, an apostrophe inside a word
    does not; characters of scripts without spaces stand alone.

    Args:
        texts: ``(batch,)`` strings in UTF-8.
        lowercase: whether case is dropped.

    Returns:
        ``(batch, words)`` ragged strings; an empty text has no words.
    """
    texts = normalise(tf.strings.regex_replace(texts, MARKUP, " "), lowercase=lowercase)
    texts = tf.strings.regex_replace(texts, QUOTE_SIGNS, "'")
    texts = tf.strings.regex_replace(texts, STANDS_ALONE, r" \0 ")
    return tf.strings.split(tf.strings.regex_replace(texts, QUOTES, " ' "))
