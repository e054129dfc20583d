"""A table of rows that remember where they came from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


@dataclass(frozen=True)
class Outline:
    """What splitting and checking ask of rows that lie on disk, a few bytes each.

    Attributes:
        content: (rows,) hash of what makes a row the same example as another.
        label_codes: (rows,) number of each row's labels in `label_sets`; 0 where there are none.
        label_sets: The different sets of labels.
        bad: What is wrong with rows, what was expected, and their numbers.
    """

    content: NDArray[np.uint64]
    label_codes: NDArray[np.integer[Any]]
    label_sets: tuple[tuple[str, ...], ...]
    bad: tuple[tuple[str, str, NDArray[np.int64]], ...] = ()

    def take(self, rows: NDArray[np.int64]) -> "Outline":
        """The outline of the given rows, which are taken to be good."""
        return Outline(self.content[rows], self.label_codes[rows], self.label_sets)


class Table:
    """A `pandas.DataFrame` (index 0 to n-1, column names are strings) and each row's origin.

    Args:
        frame: The columns.
        name: What messages call the table.
        sources: The places that the rows came from.
        source_numbers: (rows,) the position of each row's source in `sources`.
        row_numbers: (rows,) each row's number in its source, as a user counts.
        columns: Names of the columns that the source has, where `frame` holds only some of them.

    Attributes:
        history: Rows that came before these, where examples reach back into them.
        outline: What is known of rows that lie on disk; None for rows in memory. `frame` then
            holds only what splitting needs, and `read` brings the rest into memory.
    """

    history: "Table | None" = None
    outline: Outline | None = None

    def __init__(
        self,
        frame: pd.DataFrame,
        name: str,
        sources: Sequence[Source],
        source_numbers: ArrayLike,
        row_numbers: ArrayLike,
        columns: Sequence[str] | None = None,
    ) -> None:
        self.frame = frame.reset_index(drop=True)
        self.name = name
        self.sources = tuple(sources)
        self.source_numbers: NDArray[np.integer[Any]] = np.asarray(source_numbers, np.int32)
        self.row_numbers: NDArray[np.integer[Any]] = np.asarray(row_numbers, np.int64)
        self.all_columns = None if columns is None else tuple(columns)

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
        if self.all_columns is not None:
            return list(self.all_columns)
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
        chosen = as_numbers(rows)
        return Table(
            self.frame.iloc[chosen],
            name or self.name,
            self.sources,
            self.source_numbers[chosen],
            self.row_numbers[chosen],
            self.all_columns,
        )

    def read(self) -> "Table":
        """The rows with all that a task needs of them, in memory."""
        return self

    def chunks(self, rows: int) -> Iterator["Table"]:
        """The rows in order, at most `rows` of them in memory at a time."""
        for start in range(0, len(self), rows):
            yield self.take(np.arange(start, min(start + rows, len(self)))).read()

    def sample(self, seed: int = 0, share: float = 1.0) -> "Table":
        """Rows that stand for all of them, in memory: all, unless they lie on disk.

        Args:
            seed: Draws the rows.
            share: Of the usual number of rows.
        """
        del seed, share
        return self


def as_numbers(rows: ArrayLike) -> NDArray[np.int64]:
    """Row numbers, from numbers or from a mask."""
    chosen = np.asarray(rows)
    return np.flatnonzero(chosen) if chosen.dtype == bool else chosen.astype(np.int64)


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
