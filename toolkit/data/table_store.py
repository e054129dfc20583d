"""Tables larger than memory: the columns that a task needs lie on disk, read in any order."""

import hashlib
import os
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from toolkit.data.entries import read_index
from toolkit.data.examples import SAMPLE_ROWS, sample_rows
from toolkit.data.table import Outline, Source, Table, as_numbers

ROWS, OUTLINE = "rows.arrow", "outline.arrow"

# Bytes of a sample's columns. Vocabularies and n-grams are counted in memory, in several times
# as much; 32 MB hold some five million words.
SAMPLE_BYTES = 32_000_000

CONTENT, LABEL, SOURCE, NUMBER = "#content", "#label", "#source", "#number"


class TableStore:
    """The columns of a table on disk: an Arrow file of blocks of some thousand rows.

    Args:
        folder: The entry of the cache.
        reading: A descriptor that locks the entry against removal, closed with this object.

    Raises:
        DataError: A damaged entry; names the file.
    """

    def __init__(self, folder: Path, reading: int | None = None) -> None:
        self.index = read_index(folder)
        self.folder = folder
        self._starts = np.cumsum([0, *self.index["blocks"]])
        file = pa.OSFile(str(folder / ROWS))  # not mapped: what was read need not stay in memory
        self._reader = pa.ipc.open_file(file)
        self.close = weakref.finalize(self, _close, file, reading)

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def bytes_per_row(self) -> float:
        """Of the columns in memory."""
        return float(self.index["bytes"]) / len(self)

    def read(self, rows: NDArray[np.integer[Any]]) -> pd.DataFrame:
        """The columns of the given rows, in their order."""
        order = np.argsort(rows, kind="stable")
        ordered = rows[order]
        blocks = np.searchsorted(self._starts, ordered, side="right") - 1
        parts = []
        for block in np.unique(blocks):
            inside = ordered[blocks == block] - self._starts[block]
            parts.append(self._reader.get_batch(int(block)).take(pa.array(inside)))
        table = pa.Table.from_batches(parts, self._reader.schema)
        if np.any(np.diff(order) < 0):
            table = table.take(pa.array(np.argsort(order)))
        return pd.DataFrame(table.to_pandas())

    def table(self, name: str, sources: Sequence[Source]) -> "StoredTable":
        """All rows.

        Args:
            name: What messages call the table.
            sources: The places that the rows came from, as when the store was written.
        """
        with pa.OSFile(str(self.folder / OUTLINE)) as file:
            columns = pa.ipc.open_file(file).read_all()
        sets = tuple(tuple(one) for one in self.index["label_sets"])
        bad = tuple(
            (one["what"], one["expected"], np.array(one["rows"], np.int64))
            for one in self.index["bad"]
        )
        codes = _small(columns[LABEL].to_numpy())
        outline = Outline(columns[CONTENT].to_numpy(), codes, sets, bad)
        thin = columns.drop_columns([CONTENT, LABEL, SOURCE, NUMBER]).to_pandas()
        return StoredTable(
            pd.DataFrame(thin, index=range(len(self))),
            name,
            sources,
            columns[SOURCE].to_numpy(),
            columns[NUMBER].to_numpy(),
            self.index["columns"],
            store=self,
            rows=np.arange(len(self)),
            outline=outline,
        )


class StoredTable(Table):
    """Rows on disk; in memory are their origins and what splitting asks of them.

    Args:
        frame: Columns of groups, times and splits, where there are any.
        name: What messages call the table.
        sources: The places that the rows came from.
        source_numbers: As in `Table`.
        row_numbers: As in `Table`.
        columns: All columns of the source.
        store: Where the rows lie.
        rows: (rows,) their places in the store.
        outline: What is known of them.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        name: str,
        sources: Sequence[Source],
        source_numbers: ArrayLike,
        row_numbers: ArrayLike,
        columns: Sequence[str] | None,
        *,
        store: TableStore,
        rows: NDArray[np.integer[Any]],
        outline: Outline,
    ) -> None:
        super().__init__(frame, name, sources, source_numbers, row_numbers, columns)
        self.outline: Outline = outline
        self._store, self._rows = store, _small(rows)
        self.source_numbers = _small(self.source_numbers)
        self.row_numbers = _small(self.row_numbers)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def key(self) -> dict[str, Any]:
        """What decides the rows, for the name of what is made of them."""
        return {"table": self._store.index["key"], "rows": _digest(self._rows)}

    def where(self, row: int) -> str:
        """A row's origin as a user would look it up."""
        if self.source(row).unit == "file":
            return self.take([row]).read().where(0)
        return super().where(row)

    def take(self, rows: ArrayLike, name: str | None = None) -> "StoredTable":
        """The given rows, still on disk."""
        chosen = as_numbers(rows)
        return StoredTable(
            self.frame.iloc[chosen],
            name or self.name,
            self.sources,
            self.source_numbers[chosen],
            self.row_numbers[chosen],
            self.all_columns,
            store=self._store,
            rows=self._rows[chosen],
            outline=self.outline.take(chosen),
        )

    def read(self) -> Table:
        """The rows in memory."""
        return Table(
            self._store.read(self._rows),
            self.name,
            self.sources,
            self.source_numbers,
            self.row_numbers,
            self.all_columns,
        )

    def sample(self, seed: int = 0, share: float = 1.0) -> Table:
        """Rows drawn at random, in order: at most 200,000 and 32 MB, and one of each label."""
        return self.take(self.sample_rows(seed, share)).read()

    def sample_rows(self, seed: int = 0, share: float = 1.0) -> NDArray[np.int64]:
        """The rows that `sample` takes."""
        most = min(SAMPLE_ROWS, int(SAMPLE_BYTES / self._store.bytes_per_row))
        drawn = sample_rows(len(self), max(1, int(most * share)), seed)
        return np.union1d(drawn, self._one_of_each_label())

    def _one_of_each_label(self) -> NDArray[np.int64]:
        codes, first = np.unique(self.outline.label_codes, return_index=True)
        rows: dict[str, int] = {}
        for code, row in zip(codes.tolist(), first.tolist(), strict=True):
            for label in self.outline.label_sets[code] if self.outline.label_sets else ():
                rows.setdefault(label, row)
        return np.array(list(rows.values()), np.int64)


def _small(numbers: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
    """Numbers from 0 in as few bytes as they need."""
    return numbers.astype(np.min_scalar_type(int(numbers.max(initial=0))), copy=False)


def _digest(rows: NDArray[np.integer[Any]]) -> str:
    return hashlib.sha256(np.ascontiguousarray(rows).data).hexdigest()


def _close(file: Any, reading: int | None) -> None:
    file.close()
    if reading is not None:
        os.close(reading)
