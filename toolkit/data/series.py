"""Series on one regular grid, end to end, as they are read from the rows of a table."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.data.columns import Column, column_name, parse_numbers, parse_times, texts
from toolkit.data.frequency import Frequency, infer_frequency
from toolkit.data.layout import Layout
from toolkit.data.report import Finding, raise_all, row_finding
from toolkit.data.table import Table
from toolkit.errors import DataError

Floats = NDArray[np.float64]
BRIDGED = 24  # steps between the history and the rows that count as a gap in one series


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
            _held(spread(self.known), splits, self.static),
            self.static,
            self.frequency,
            self.gaps,
            self.missing,
        )


@dataclass
class _Rows:
    """Rows in the order of their series, each series in order of time."""

    ids: tuple[str, ...]
    codes: NDArray[np.int64]
    times: NDArray[Any]
    order: NDArray[np.int64]

    @property
    def same(self) -> NDArray[np.bool_]:
        return np.asarray(self.codes[1:] == self.codes[:-1])


def _rows(table: Table, layout: Layout) -> _Rows:
    names = [""] * len(table) if layout.id is None else texts(table, layout.id)
    codes, unique = pd.factorize(np.array(names, dtype=object))
    order = np.argsort(codes, kind="stable")
    moments = read_times(table, layout)
    return _Rows(tuple(unique), codes[order], moments[order], order)


def read_times(table: Table, layout: Layout) -> NDArray[Any]:
    """The times of all rows in UTC, or the numbers of the column.

    Times without an offset are taken by the clock of ``layout.time_zone``: of the hour that comes
    twice in autumn the first is summer's, and one that does not exist in spring is refused.

    Raises:
        DataError: A time that the clock never shows, or twice without an order.
    """
    name = column_name(table, layout.time, "data.time")
    values = table.frame[name]
    moments, bad = parse_times(values)
    if bad.any():
        raise_all([row_finding("error", table, np.flatnonzero(bad), f"column {name!r} holds no "
                               "date", "a date such as 2017-07-01 12:00")])  # fmt: skip
    if layout.time_zone is None or moments.dtype.kind != "M" or _has_offset(values):
        return moments
    ids = [""] * len(table) if layout.id is None else texts(table, layout.id)
    result = moments.copy()
    for rows in pd.Series(range(len(table))).groupby(np.array(ids, object), sort=False):
        chosen = rows[1].to_numpy()
        try:
            local = pd.DatetimeIndex(moments[chosen]).tz_localize(
                layout.time_zone, ambiguous="infer"
            )
        except ValueError as error:
            raise DataError(
                f"{table.name}: column {name!r}: {error}. Expected times of a clock of "
                f"{layout.time_zone}, as data.time_zone says, in order."
            ) from error
        result[chosen] = local.tz_convert("UTC").tz_localize(None).to_numpy("datetime64[ns]")
    return result


def _has_offset(values: "pd.Series[Any]") -> bool:
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return True
    first = values.dropna().astype(str)
    return bool(len(first)) and bool(first.iloc[[0]].str.contains(r"(?:Z|[+-]\d\d:?\d\d)$").all())


def find_frequency(table: Table, layout: Layout) -> Frequency:
    """The commonest step of the rows.

    Raises:
        DataError: There are no two rows of one series.
    """
    rows = _rows(table, layout)
    found = infer_frequency(rows.times, rows.same)
    if found is None:
        raise DataError(f"{table.name}: no series with two times. Expected several rows of each.")
    return found


def series_findings(table: Table, layout: Layout, frequency: Frequency) -> list[Finding]:
    """What is wrong with the order and the values of a table's series."""
    rows = _rows(table, layout)
    name = column_name(table, layout.time)
    apart = np.diff(rows.times).astype(np.float64)
    checks = {
        f"column {name!r} goes back in time": (rows.same & (apart < 0), "times in order"),
        f"column {name!r} repeats a time": (rows.same & (apart == 0), "each time once a series"),
    }
    found = [
        row_finding("error", table, rows.order[1:][mask], what, expected)
        for what, (mask, expected) in checks.items()
        if mask.any()
    ]
    if not found:
        first = rows.times[np.searchsorted(rows.codes, rows.codes)]
        off = ~frequency.positions(rows.times, first)[1]
        if off.any():
            what = f"column {name!r} is not a whole number of steps after the series' first time"
            expected = f"one frequency, here {frequency}; data.frequency gives another"
            found.append(row_finding("error", table, rows.order[off], what, expected))
    return found + _value_findings(table, layout)


def _value_findings(table: Table, layout: Layout) -> list[Finding]:
    found = []
    columns = [c for c in (*layout.past, *layout.known) if c not in layout.categorical]
    for name in (*layout.targets(table), *(column_name(table, c) for c in columns)):
        values, bad = parse_numbers(table.frame[name])
        if bad.any():
            what = f"column {name!r} holds no number"
            found.append(row_finding("error", table, np.flatnonzero(bad), what, "a number"))
        endless = np.isinf(values)
        if endless.any():
            what = f"column {name!r} is infinite"
            found.append(row_finding("error", table, np.flatnonzero(endless), what, "a number"))
    return found


def read_series(
    table: Table, layout: Layout, frequency: Frequency, targets: Sequence[str]
) -> Series:
    """Reads the series of a table, with the rows before them where the table knows any.

    Args:
        table: Rows of each series in order of time; ``table.history`` are the rows before.
        layout: Which columns are what.
        frequency: Of the grid.
        targets: Names of the columns to forecast.

    Raises:
        DataError: Times that are not in order, doubled or off the grid; no number.
    """
    raise_all(series_findings(table, layout, frequency))
    if layout.categorical and not layout.words:
        layout = layout.with_words(table)
    parts = [table] if table.history is None else [table.history, table]
    own = np.concatenate([np.full(len(part), part is table) for part in parts])
    names = np.concatenate([_names(part, layout) for part in parts])
    codes, unique = pd.factorize(names)
    moments = np.concatenate([read_times(part, layout) for part in parts])
    order = np.argsort(codes, kind="stable")
    order = order[_kept(codes[order], moments[order], own[order], frequency, len(unique))]
    codes, moments, own = codes[order], moments[order], own[order]
    begins = np.searchsorted(codes, np.arange(len(unique) + 1))
    present = np.flatnonzero(np.diff(begins) > 0)  # not those that only the history has
    codes = np.searchsorted(present, codes)
    begins = np.searchsorted(codes, np.arange(len(present) + 1))
    positions, _ = frequency.positions(moments, moments[begins[codes]])
    sizes = positions[begins[1:] - 1] + 1
    splits = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    place = positions + splits[codes]

    def spread(columns: Sequence[Column]) -> Floats:
        wide = np.full((int(splits[-1]), len(columns)), np.nan)
        for number, column in enumerate(columns):
            read = [layout.read(part, column) for part in parts]
            wide[place, number] = np.concatenate(read)[order]
        return wide

    target = spread(targets)
    there: NDArray[np.bool_] = np.zeros(int(splits[-1]), bool)
    there[place] = True
    first_own = np.full(len(present), np.iinfo(np.int64).max)
    np.minimum.at(first_own, codes[own], place[own])
    ends = _ends(target, splits)
    inner = np.arange(len(there)) < np.repeat(ends, sizes)
    return Series(
        ids=tuple(str(unique[number]) for number in present),
        splits=splits,
        starts=moments[begins[:-1]],
        own=first_own,
        ends=ends,
        target=target,
        past=spread(layout.past),
        known=_held(spread(layout.known), splits, len(layout.static)),
        static=len(layout.static),
        frequency=frequency,
        gaps=int((~there).sum()),
        missing=int(np.isnan(target[there & inner]).sum()),
    )


def _held(values: Floats, splits: NDArray[np.int64], columns: int) -> Floats:
    """Let the last columns have one value in each series, the largest that is there."""
    if columns:
        most = np.fmax.reduceat(values[:, -columns:], splits[:-1])
        values[:, -columns:] = np.repeat(most, np.diff(splits), axis=0)
    return values


def _names(table: Table, layout: Layout) -> NDArray[np.object_]:
    names = [""] * len(table) if layout.id is None else texts(table, layout.id)
    return np.array(names, dtype=object)


def _kept(
    codes: NDArray[np.int64],
    moments: NDArray[Any],
    own: NDArray[np.bool_],
    frequency: Frequency,
    count: int,
) -> NDArray[np.bool_]:
    """Which rows stay: of the history only what leads up to a series' own rows."""
    begins = np.full(count, len(codes))
    rows = np.flatnonzero(own)
    np.minimum.at(begins, codes[rows], rows)
    known = begins < len(codes)
    first = moments[np.minimum(begins, len(codes) - 1)][codes]
    before = ~own & known[codes] & (moments < first)
    last = np.full(count, -1)
    rows = np.flatnonzero(before)
    np.maximum.at(last, codes[rows], rows)
    ends = moments[np.maximum(last, 0)]
    starts = moments[np.minimum(begins, len(codes) - 1)]
    distance, on_grid = frequency.positions(starts, ends)
    leads = (last >= 0) & on_grid & (distance <= BRIDGED)
    return np.asarray(own | (before & leads[codes]))


def _ends(target: Floats, splits: NDArray[np.int64]) -> NDArray[np.int64]:
    """The row after the last with a value, in each series."""
    filled = np.asarray(~np.isnan(target).all(axis=1))
    last = np.where(filled, np.arange(1, len(filled) + 1), 0)
    return np.maximum(np.maximum.reduceat(last, splits[:-1]), splits[:-1])
