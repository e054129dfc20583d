"""What training reads: random access to the examples of one split."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from toolkit.ragged import Ragged

if TYPE_CHECKING:
    from toolkit.data.store import StoredExamples

Arrays = dict[str, NDArray[np.generic]]
Feature = Ragged | NDArray[np.generic]

SAMPLE_ROWS = 200_000


class Batch(NamedTuple):
    """Examples side by side, each array's first axis the batch, padded to one shape.

    ``weights`` is ``(batch,)`` or ``(batch, time)``: what each answer counts in the loss.
    """

    inputs: Arrays
    targets: Arrays
    weights: NDArray[np.float32]


class Examples(ABC):
    """Random access to decoded examples, with lengths that cost no decoding.

    Everything that asks for rows asks in whole batches, so a subclass can gather with one
    vectorised read. The same rows always give the same batch: what is random in training is
    drawn in the graph from seeds of (seed, epoch, row).
    """

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of examples."""

    @property
    @abstractmethod
    def lengths(self) -> NDArray[np.int64]:
        """Lengths along each padded axis, ``(examples, axes)``; ``axes`` may be 0."""

    @property
    def weights(self) -> NDArray[np.float64]:
        """Total weight of each example in the loss, ``(examples,)``; 1 each by default."""
        return np.ones(len(self))

    @abstractmethod
    def batch(self, rows: NDArray[np.int64], shape: tuple[int, ...]) -> Batch:
        """Read ``rows``, padded to ``shape`` along the axes of ``lengths``.

        An example longer than ``shape`` never happens: shapes come from ``lengths``.
        """

    def training_batch(
        self, rows: NDArray[np.int64], shape: tuple[int, ...], seeds: NDArray[np.int32]
    ) -> Batch:
        """Read ``rows`` to learn from; :meth:`batch` by default.

        Examples of which a part is drawn each time, such as the frames of a video, read that part
        alone.

        Args:
            rows: as in :meth:`batch`.
            shape: likewise.
            seeds: ``(rows, 2)`` of (seed, epoch, row), all that may decide what is drawn.
        """
        del seeds
        return self.batch(rows, shape)

    def target(self, name: str) -> Feature:
        """Return one target of all examples, for a score: in row order, in memory.

        Raises:
            NotImplementedError: these examples cannot tell it apart from the rest.
        """
        raise NotImplementedError(f"{type(self).__name__} gives no target {name!r} on its own.")

    def sample(self, rows: int = SAMPLE_ROWS, seed: int = 0) -> StoredExamples:
        """Return at most ``rows`` examples in memory, all where there are no more.

        Raises:
            NotImplementedError: these examples are not features that fit memory.
        """
        raise NotImplementedError(f"{type(self).__name__} gives no sample in memory.")


def sample_rows(total: int, rows: int, seed: int) -> NDArray[np.int64]:
    """Draw row numbers, increasing, each once; all of them where ``rows`` is no less."""
    if rows >= total:
        return np.arange(total)
    random = np.random.Generator(np.random.Philox(key=[seed, total]))
    return np.sort(random.choice(total, rows, replace=False, shuffle=False))
