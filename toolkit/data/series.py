"""Series on one regular grid, end to end."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.data.frequency import Frequency

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    """Series one after another, a row for each step; NaN where there is no value.

    Attributes:
        ids: Name of each; one ``""`` where there is no column of names.
        splits: (series + 1,) where each begins.
        starts: (series,) its first time.
        own: (series,) the first row that is not of the history.
        ends: (series,) the row after the last that has a value to learn from.
        target: (rows, targets).
        past: (rows, columns).
        known: (rows, columns).
        static: So many last columns of `known` never change within a series.
        frequency: Of the grid.
        gaps: Steps that the data had no row for.
        missing: Values to forecast that are missing in rows that are there.
    """

    ids: tuple[str, ...]
    splits: NDArray[np.int64]
    starts: NDArray[Any]
    own: NDArray[np.int64]
    ends: NDArray[np.int64]
    target: Floats
    past: Floats
    known: Floats
    static: int
    frequency: Frequency
    gaps: int
    missing: int

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def numbers(self) -> NDArray[np.int64]:
        """(rows,) the series that each row is of."""
        return np.repeat(np.arange(len(self)), np.diff(self.splits))

    def times(self) -> NDArray[Any]:
        """(rows,) the time of each step."""
        place = np.arange(self.splits[-1]) - np.repeat(self.splits[:-1], np.diff(self.splits))
        return self.frequency.at(np.repeat(self.starts, np.diff(self.splits)), place)

    def until(self, ends: NDArray[np.int64]) -> "Series":
        """The same without the rows of each series from ``ends`` on."""
        keep = np.arange(self.splits[-1]) < np.repeat(ends, np.diff(self.splits))
        splits = np.concatenate([self.splits[:1], np.cumsum(ends - self.splits[:-1])])
        own = np.minimum(self.own, ends) - self.splits[:-1] + splits[:-1]
        return replace(
            self, splits=splits, own=own, ends=splits[1:], target=self.target[keep],
            past=self.past[keep], known=self.known[keep],
        )  # fmt: skip

    def padded(self, before: int | NDArray[np.int64], after: int) -> "Series":
        """The same with so many steps of no value around each series, or `before` one by one."""
        first: NDArray[np.int64] = np.broadcast_to(np.asarray(before, np.int64), len(self))
        sizes = np.diff(self.splits)
        splits = np.concatenate([self.splits[:1] * 0, np.cumsum(sizes + first + after)])
        shift: NDArray[np.int64] = splits[:-1] + first - self.splits[:-1]
        place = np.arange(self.splits[-1]) + np.repeat(shift, sizes)

        def spread(values: Floats) -> Floats:
            wide = np.full((int(splits[-1]), values.shape[1]), np.nan)
            wide[place] = values
            return wide

        return Series(
            self.ids,
            splits,
            self.frequency.at(self.starts, -first),
            self.own + shift,
            self.ends + shift,
            spread(self.target),
            spread(self.past),
            held(spread(self.known), splits, self.static),
            self.static,
            self.frequency,
            self.gaps,
            self.missing,
        )


def held(values: Floats, splits: NDArray[np.int64], columns: int) -> Floats:
    """Let the last columns have one value in each series, the largest that is there."""
    if columns:
        most = np.fmax.reduceat(values[:, -columns:], splits[:-1])
        values[:, -columns:] = np.repeat(most, np.diff(splits), axis=0)
    return values
