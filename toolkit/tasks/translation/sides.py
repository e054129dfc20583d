"""Both sides' texts as ids, whoever made the pieces."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from toolkit.ragged import Ragged
from toolkit.text.encoder import collect, traced

Side = Literal["source", "target"]
SPARE = 10  # pieces that an answer may have besides those that its source accounts for


class Sides(tf.Module, ABC):
    """What training, search and export ask of the pieces of both sides; 0 is padding.

    Args:
        length: most pieces of a side, its marks included.
        slope: most target pieces for each source piece.

    Attributes:
        start: id that stands before an answer.
        end: id that ends a source and an answer.
        lead: ids that stand before a source.
        positions: most pieces that the model has positions for; None for any number.
        lowercase: whether case is dropped.
        shared: whether both sides have the same pieces.
    """

    start: int
    end: int
    lead: tuple[int, ...] = ()
    positions: int | None = None
    lowercase: bool = False
    shared: bool = True
    length: int
    slope: float

    def __init__(self, length: int = 512, slope: float = 2.0) -> None:
        super().__init__()
        self.length, self.slope = length, slope
        self._graphs: dict[tuple[str, int], Any] = {}  # traced once, for all calls of encode

    @abstractmethod
    def pieces(self, side: Side, texts: Any) -> tf.RaggedTensor:
        """Ids of ``(batch,)`` texts, without marks, ragged int32."""

    @abstractmethod
    def join(self, tokens: Any) -> Any:
        """Texts of ``(..., length)`` target ids, 0 as padding: ``(...)`` strings."""

    @abstractmethod
    def sizes(self) -> tuple[int, int]:
        """How many ids either side has."""

    @abstractmethod
    def save(self, directory: Path) -> None:
        """Write ``pairs.json`` and the pieces."""

    def encode(self, side: Side, texts: NDArray[np.object_]) -> Ragged:
        """Ids of all texts of a side, each with its marks, in memory."""
        return self._collect(side, lambda batch: self._marked(side, batch), texts)

    def __call__(self, source: Any) -> tf.RaggedTensor:
        """Ids of ``(batch,)`` sources, each with its marks; an over-long one is cut."""
        return self._marked("source", source)

    def beginnings(self, texts: Any) -> tf.RaggedTensor:
        """Ids of ``(batch,)`` texts that answers are to begin with; without marks."""
        return self.pieces("target", texts)[:, : self.length - 1]

    def encode_beginnings(self, texts: NDArray[np.object_]) -> Ragged:
        """Ids of all texts that answers are to begin with, in memory."""
        return self._collect("beginning", self.beginnings, texts)

    def _collect(self, what: str, encode: Any, texts: NDArray[np.object_]) -> Ragged:
        key = (what, self.length)
        if key not in self._graphs:
            self._graphs[key] = traced(lambda batch: {"ids": encode(batch)})
        return collect(self._graphs[key], texts)["ids"]

    def _marked(self, side: Side, texts: Any) -> tf.RaggedTensor:
        lead = self.lead if side == "source" else ()
        ids = self.pieces(side, texts)[:, : self.length - 1 - len(lead)]
        rows = ids.nrows()
        first = tf.tile(tf.constant([lead], ids.dtype, (1, len(lead))), [rows, 1])
        last = tf.fill([rows, 1], tf.constant(self.end, ids.dtype))
        return tf.concat([first, ids, last], axis=1)

    def limits(self, source: Any, prefix: Any = None) -> Any:
        """Most pieces of the answers to padded ``(batch, length)`` source ids, the end included.

        What an answer must begin with comes on top. An empty source has an empty answer.
        """
        count = tf.reduce_sum(tf.cast(source != 0, tf.int32), axis=1) - 1 - len(self.lead)
        limits = tf.cast(tf.math.ceil(self.slope * tf.cast(count, tf.float32)), tf.int32) + SPARE
        if prefix is not None:
            limits += tf.reduce_sum(tf.cast(prefix != 0, tf.int32), axis=1)
        most = 2 * self.length if self.positions is None else self.positions
        return tf.where(count > 0, tf.minimum(limits, most), 1)
