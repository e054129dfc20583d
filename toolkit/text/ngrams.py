"""N-grams of token ids: fitted by count, looked up in the graph, exact (no hashing).

An n-gram of ids below ``base`` is one number, its digits in that base; the numbers that were
seen often enough get ids of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from toolkit.errors import ArgumentError, unreadable

MAX_KEY = 2**62
MAX_POWER = 20  # of two: an n-gram that stands more often in a text counts no more


class NGrams(tf.Module):
    """The known n-grams of token sequences; 0 is padding, n-gram ``i`` has id ``i + 1``.

    Args:
        keys: increasing numbers of the known n-grams, from :meth:`fit`.
        base: more than the greatest token id.
        orders: lengths of the n-grams, such as ``(1, 2, 3)``.

    Raises:
        ArgumentError: ``base ** max(orders)`` does not fit 62 bits.
    """

    def __init__(self, keys: NDArray[np.int64], base: int, orders: tuple[int, ...]) -> None:
        super().__init__()
        if base ** max(orders) * (max(orders) + 1) > MAX_KEY:
            raise ArgumentError(
                f"Expected base ** order below 2 ** 62. Received: base={base}, orders={orders}."
            )
        self.keys, self.base, self.orders = keys, base, tuple(orders)
        pairs = tf.lookup.KeyValueTensorInitializer(
            tf.constant(keys, tf.int64), tf.range(1, len(keys) + 1, dtype=tf.int64)
        )
        self.table = tf.lookup.StaticHashTable(pairs, 0)

    @classmethod
    def fit(
        cls,
        token_ids: NDArray[Any],
        splits: NDArray[np.int64],
        base: int,
        orders: tuple[int, ...],
        max_size: int,
        min_count: int,
    ) -> NGrams:
        """Keep the n-grams that stand in at least ``min_count`` places, at most ``max_size``.

        Args:
            token_ids: rows of ids end to end.
            splits: row ``i`` is ``token_ids[splits[i]:splits[i + 1]]``.
            base: more than the greatest id.
            orders: lengths of the n-grams.
            max_size: the most n-grams kept, the most frequent ones.
            min_count: rarer ones are dropped.
        """
        found, counts = [], []
        for each in _keys(token_ids, splits, base, orders):
            seen, times = _counted(each)
            found.append(seen[times >= min_count])
            counts.append(times[times >= min_count])
        keys, count = np.concatenate(found), np.concatenate(counts)
        order = np.lexsort((keys, -count))[:max_size]
        return cls(np.sort(keys[order]), base, orders)

    def __len__(self) -> int:
        return len(self.keys) + 1

    def __call__(self, token_ids: tf.RaggedTensor) -> tf.RaggedTensor:
        """Return the ids of the known n-grams of each row, ``(batch, ngrams)`` int32, increasing.

        How often each is there says :func:`thinned`.
        """
        return thinned(self._found(token_ids), len(self), token_ids.nrows())

    def every(self, token_ids: tf.RaggedTensor) -> tf.RaggedTensor:
        """Return the same as often as they stand in the row."""
        return _rows(tf.sort(self._found(token_ids)), len(self), token_ids.nrows())

    def _found(self, token_ids: tf.RaggedTensor) -> Any:
        """``row * len(self) + id`` of every known n-gram, in no order."""
        size = tf.constant(len(self), tf.int64)
        row = tf.cast(token_ids.value_rowids(), tf.int64)
        flat = tf.cast(token_ids.flat_values, tf.int64)
        number = tf.zeros_like(flat)
        pairs = []
        for order in range(1, max(self.orders) + 1):
            # digits of the n-grams that begin at each place and stay within the row
            number = number[: tf.shape(flat)[0] - order + 1] * self.base + flat[order - 1 :]
            if order in self.orders:
                first = row[: tf.shape(number)[0]]
                found = self.table.lookup(number * (max(self.orders) + 1) + order)
                known = (first == row[order - 1 :]) & (found > 0)
                pairs.append(tf.boolean_mask(first * size + found, known))
        return tf.concat(pairs, 0)

    def save(self, path: Path) -> None:
        """Write the numbers as an array file."""
        np.savez_compressed(path, keys=self.keys, base=self.base, orders=self.orders)

    @classmethod
    def load(cls, path: Path) -> NGrams:
        """Read what :meth:`save` wrote.

        Raises:
            RunError: the file cannot be read.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                return cls(file["keys"], int(file["base"]), tuple(int(n) for n in file["orders"]))
        except (OSError, ValueError, KeyError) as error:
            raise unreadable(path, error) from error


def thinned(keys: Any, size: int, rows: Any) -> tf.RaggedTensor:
    """The ids of each row, increasing, each ``1 + floor(log2(n))`` times where it stands n times.

    A second time a word is said tells less than the first. Whole numbers, so that ids alone say
    it; :class:`toolkit.layers.NGramBag` counts them, or sees that they are there.

    Args:
        keys: ``row * size + id`` of each place, in any order.
        size: ids are below this.
        rows: how many rows there are.
    """
    different, _, times = tf.unique_with_counts(tf.sort(keys))
    powers = tf.constant(2, times.dtype) ** tf.range(1, MAX_POWER + 1, dtype=times.dtype)
    kept = tf.repeat(different, 1 + tf.searchsorted(powers, times, side="right"))
    return _rows(kept, size, rows)


def _rows(keys: Any, size: int, rows: Any) -> tf.RaggedTensor:
    """Increasing ``row * size + id`` as rows of ids."""
    return tf.RaggedTensor.from_value_rowids(tf.cast(keys % size, tf.int32), keys // size, rows)


def _keys(
    token_ids: NDArray[Any], splits: NDArray[np.int64], base: int, orders: tuple[int, ...]
) -> Iterator[NDArray[np.int64]]:
    row = np.repeat(np.arange(len(splits) - 1, dtype=np.int32), np.diff(splits))
    flat = token_ids
    number: Any = np.zeros(len(flat), np.int64)
    for order in range(1, max(orders) + 1):
        number = number[: max(0, len(flat) - order + 1)] * base + flat[order - 1 :]
        if order in orders:
            inside = row[: len(number)] == row[order - 1 :]
            yield number[inside] * (max(orders) + 1) + order


def _counted(keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The different keys, increasing, and how often each stands there; sorts ``keys`` in place."""
    keys.sort()
    ends = np.flatnonzero(np.append(keys[1:] != keys[:-1], True)) if len(keys) else np.zeros(0, int)
    return keys[ends], np.diff(ends, prepend=-1)
