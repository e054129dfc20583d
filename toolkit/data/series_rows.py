"""The rows of series in a table: whose they are, their times, and what is wrong with them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.data.columns import (
    NUMBER_EXPECTED,
    column_name,
    parse_numbers,
    texts,
    times,
)
from toolkit.data.frequency import Frequency, infer_frequency
from toolkit.data.layout import Layout
from toolkit.data.report import Finding, row_finding
from toolkit.data.table import Table
from toolkit.errors import DataError


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


def series_names(table: Table, layout: Layout) -> NDArray[np.object_]:
    """(rows,) the series that each row is of; ``""`` where no column names them."""
    names = [""] * len(table) if layout.id is None else texts(table, layout.id)
    return np.array(names, dtype=object)


def _rows(table: Table, layout: Layout) -> _Rows:
    codes, unique = pd.factorize(series_names(table, layout))
    order = np.argsort(codes, kind="stable")
    moments = read_times(table, layout)
    return _Rows(tuple(unique), codes[order], moments[order], order)


def read_times(table: Table, layout: Layout) -> NDArray[Any]:
    """The times of all rows in UTC, or the numbers of the column.

    Times without an offset are taken by the clock of ``layout.time_zone``: of the hour that comes
    twice in autumn the first is summer's, and one that does not exist in spring is refused.

    Raises:
        DataError: No date; a time that the clock never shows, or twice without an order.
    """
    name = column_name(table, layout.time, "data.time")
    moments = times(table, name)
    if layout.time_zone is None or moments.dtype.kind != "M" or _has_offset(table.frame[name]):
        return moments
    result = moments.copy()
    for rows in pd.Series(range(len(table))).groupby(series_names(table, layout), sort=False):
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
    hint = "" if layout.id is not None else "; data.id names the column that tells series apart"
    checks = {
        f"column {name!r} goes back in time": (rows.same & (apart < 0), "times in order" + hint),
        f"column {name!r} repeats a time": (
            rows.same & (apart == 0),
            "each time once a series" + hint,
        ),
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
            wrong = np.flatnonzero(bad)
            found.append(row_finding("error", table, wrong, what, NUMBER_EXPECTED, name))
        endless = np.isinf(values)
        if endless.any():
            what = f"column {name!r} is infinite"
            found.append(row_finding("error", table, np.flatnonzero(endless), what, "a number"))
    return found
