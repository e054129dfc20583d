"""A table of rows that remember where they came from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Source:
    """One place that rows came from.

    Attributes:
        name: The file, folder or data set as the user knows it.
        unit: What its rows are counted in: ``line``, ``row``, ``example``; ``file`` where each
            row is a file of its own, named by the column ``path``.
        sha256: Content hash, in hexadecimal.
        folder: Where relative paths in its columns start.
    """

    name: str
    unit: str
    sha256: str
    folder: Path = Path()


class Table:
    """A `pandas.DataFrame` (index 0 to n-1, column names are strings) and each row's origin.

    Args:
        frame: The columns.
        name: What messages call the table.
        sources: The places that the rows came from.
        source_numbers: (rows,) the position of each row's source in `sources`.
        row_numbers: (rows,) each row's number in its source, as a user counts.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        name: str,
        sources: Sequence[Source],
        source_numbers: ArrayLike,
        row_numbers: ArrayLike,
    ) -> None:
        self.frame = frame.reset_index(drop=True)
        self.name = name
        self.sources = tuple(sources)
        self.source_numbers: NDArray[np.int32] = np.asarray(source_numbers, np.int32)
        self.row_numbers: NDArray[np.int64] = np.asarray(row_numbers, np.int64)

    @classmethod
    def from_source(
        cls, frame: pd.DataFrame, source: Source, row_numbers: ArrayLike | None = None
    ) -> "Table":
        """A table whose rows all come from one source, counted from 1 unless given."""
        numbers = np.arange(1, len(frame) + 1) if row_numbers is None else row_numbers
        return cls(frame, source.name, [source], np.zeros(len(frame), np.int32), numbers)

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        return f"Table({self.name!r}, {len(self):,} rows, columns {', '.join(self.columns)})"

    @property
    def columns(self) -> list[str]:
        """The column names."""
        return [str(column) for column in self.frame.columns]

    @property
    def sha256(self) -> dict[str, str]:
        """Content hash of each source, by its name."""
        return {source.name: source.sha256 for source in self.sources}

    def source(self, row: int) -> Source:
        """The place that a row came from."""
        return self.sources[int(self.source_numbers[row])]

    def where(self, row: int) -> str:
        """A row's origin as a user would look it up: ``reviews.csv, line 17``."""
        source = self.source(row)
        if source.unit == "file":
            return f"{source.name}/{self.frame['path'].iloc[row]}"
        return f"{source.name}, {source.unit} {self.row_numbers[row]}"

    def take(self, rows: ArrayLike, name: str | None = None) -> "Table":
        """The given rows (numbers, or a mask) in the given order, origins included."""
        chosen = np.asarray(rows)
        chosen = np.flatnonzero(chosen) if chosen.dtype == bool else chosen.astype(np.int64)
        return Table(
            self.frame.iloc[chosen],
            name or self.name,
            self.sources,
            self.source_numbers[chosen],
            self.row_numbers[chosen],
        )


def concatenate(tables: Sequence[Table], name: str) -> Table:
    """Joins tables of the same columns, one below the other."""
    if len(tables) == 1:
        only = tables[0]
        return Table(only.frame, name, only.sources, only.source_numbers, only.row_numbers)
    starts = np.cumsum([0] + [len(table.sources) for table in tables[:-1]])
    numbers = [table.source_numbers + start for table, start in zip(tables, starts, strict=True)]
    return Table(
        pd.concat([table.frame for table in tables], ignore_index=True),
        name,
        [source for table in tables for source in table.sources],
        np.concatenate(numbers),
        np.concatenate([table.row_numbers for table in tables]),
    )
