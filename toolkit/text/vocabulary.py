"""A vocabulary of words: fitted by count, looked up in the graph."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from toolkit.errors import unreadable

PADDING, UNKNOWN = 0, 1
SPECIAL = ("<pad>", "<unk>")


class Vocabulary(tf.Module):
    """Words and their ids; 0 is padding and 1 any word that is not known.

    Args:
        words: the words, most frequent first; word ``i`` has id ``i + 2``.
    """

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__()
        self.words = list(words)
        ids = tf.range(len(SPECIAL), len(SPECIAL) + len(words), dtype=tf.int64)
        pairs = tf.lookup.KeyValueTensorInitializer(
            tf.constant(self.words, dtype=tf.string), ids, key_dtype=tf.string
        )
        self.table = tf.lookup.StaticHashTable(pairs, UNKNOWN)

    @classmethod
    def fit(cls, counts: Sequence[tuple[str, int]], size: int, min_count: int = 1) -> Vocabulary:
        """Keep the ``size - 2`` most frequent words, ties in alphabetical order.

        Args:
            counts: each word with how often it occurs.
            size: the most ids, the two special ones included.
            min_count: rarer words are unknown.
        """
        kept = sorted((-count, word) for word, count in counts if count >= min_count)
        return cls([word for _, word in kept[: size - len(SPECIAL)]])

    def __len__(self) -> int:
        return len(SPECIAL) + len(self.words)

    def __call__(self, words: tf.RaggedTensor) -> tf.RaggedTensor:
        """Return the ids of ``(batch, words)`` ragged strings, int32."""
        found: Any = self.table.lookup(words.flat_values)
        return words.with_flat_values(tf.cast(found, tf.int32))

    def save(self, path: Path) -> None:
        """Write one word a line, in the order of the ids."""
        path.write_text("".join(f"{word}\n" for word in self.words), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """Read what :meth:`save` wrote.

        Raises:
            RunError: the file cannot be read.
        """
        try:
            return cls(path.read_text(encoding="utf-8").split("\n")[:-1])
        except (OSError, UnicodeDecodeError) as error:
            raise unreadable(path, error) from error
