"""Rows of different lengths in two flat arrays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Ragged:
    """Rows of different lengths: ``values`` end to end, row ``i`` at ``splits[i]:splits[i+1]``."""

    values: NDArray[np.generic]
    splits: NDArray[np.int64]

    @classmethod
    def join(cls, parts: Iterable[tuple[NDArray[np.generic], NDArray[np.int64]]]) -> Ragged:
        """Join ``(values, lengths)`` of successive rows."""
        values, lengths = zip(*parts, strict=True)
        splits = np.concatenate([[0], np.cumsum(np.concatenate(lengths))])
        return cls(np.concatenate(values), splits.astype(np.int64))

    def __len__(self) -> int:
        return len(self.splits) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Length of each row."""
        return np.diff(self.splits)

    def take(self, rows: NDArray[np.int64]) -> Ragged:
        """Return ``rows``, in the order given."""
        counts = self.lengths[rows]
        splits = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        places = np.repeat(self.splits[rows] - splits[:-1], counts) + np.arange(splits[-1])
        return Ragged(self.values[places], splits)

    def padded(self, rows: NDArray[np.int64], length: int) -> NDArray[np.generic]:
        """Gather ``rows`` as ``(rows, length, ...)``, zeros after each row's end."""
        start = self.splits[rows]
        kept = np.minimum(self.splits[rows + 1] - start, length)
        steps = np.arange(length)
        inside = steps < kept[:, None]
        result = np.zeros((len(rows), length, *self.values.shape[1:]), self.values.dtype)
        result[inside] = self.values[(start[:, None] + steps)[inside]]
        return result
