"""Which columns of a table of series are what."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.data.columns import Column, column_name, parse_numbers, texts
from toolkit.data.table import Table
from toolkit.errors import DataError

Floats = NDArray[np.float64]
MOST_WORDS = 32  # categories of a column that are told apart


@dataclass(frozen=True)
class Layout:
    """Which columns are what.

    Attributes:
        time: The column of times.
        target: The columns to forecast; none: every column of numbers that is nothing else.
        id: The column that says which series a row is of; None: all rows are of one.
        past: Columns known up to now.
        known: Columns known ahead too; those of `static` at their end.
        static: Columns that never change within a series.
        categorical: Columns, among these, of categories instead of numbers.
        words: The categories of each such column, in the order of their numbers; a table's own
            where a column has none here.
        time_zone: Whose clock the times without an offset are of.
    """

    time: Column
    target: tuple[Column, ...] = ()
    id: Column | None = None
    past: tuple[Column, ...] = ()
    known: tuple[Column, ...] = ()
    static: tuple[Column, ...] = ()
    categorical: tuple[Column, ...] = ()
    words: Mapping[Column, tuple[str, ...]] = field(default_factory=dict)
    time_zone: str | None = None

    def with_words(self, table: Table) -> "Layout":
        """The same with the commonest categories of a table, in the order of the alphabet."""
        words = {}
        for column in self.categorical:
            found = pd.Series([text for text in texts(table, column) if text], dtype=object)
            words[column] = tuple(sorted(found.value_counts().index[:MOST_WORDS]))
        return replace(self, words=words)

    def read(self, table: Table, column: Column) -> Floats:
        """A column as numbers: its own, or those of its categories; NaN where there is none."""
        if column not in self.categorical:
            return parse_numbers(table.frame[column_name(table, column)])[0]
        numbers = {word: number for number, word in enumerate(self.words[column])}
        other = len(numbers)
        return np.array(
            [numbers.get(text, other) if text else np.nan for text in texts(table, column)]
        )

    def others(self, table: Table) -> list[str]:
        """Names of the columns that are not to be forecast."""
        given = [self.time, *self.past, *self.known, *([] if self.id is None else [self.id])]
        return [column_name(table, column) for column in given]

    def targets(self, table: Table) -> tuple[str, ...]:
        """Names of the columns to forecast.

        Raises:
            DataError: There is none.
        """
        if self.target:
            return tuple(column_name(table, column, "data.target") for column in self.target)
        names = [name for name in table.columns if name not in self.others(table)]
        found = tuple(name for name in names if _mostly_numbers(table.frame[name]))
        if not found:
            raise DataError(
                f"{table.name}: no column of numbers to forecast. Expected data.target to name "
                f"one. Received: {', '.join(table.columns)}."
            )
        return found


def _mostly_numbers(values: "pd.Series[Any]") -> bool:
    """Whether a column is one of numbers, of which a few may be wrong."""
    if pd.api.types.is_bool_dtype(values):
        return False
    parsed, bad = parse_numbers(values)
    return bool((~np.isnan(parsed)).sum() > bad.sum())
