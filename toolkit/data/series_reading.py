"""Series from the rows of a table: put on their grid, after what the history holds of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.data.columns import Column
from toolkit.data.frequency import Frequency
from toolkit.data.layout import Layout
from toolkit.data.report import raise_all
from toolkit.data.series import Floats, Series, held
from toolkit.data.series_rows import read_times, series_findings, series_names
from toolkit.data.table import Table

BRIDGED = 24  # steps between the history and the rows that count as a gap in one series


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
    names = np.concatenate([series_names(part, layout) for part in parts])
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
        known=held(spread(layout.known), splits, len(layout.static)),
        static=len(layout.static),
        frequency=frequency,
        gaps=int((~there).sum()),
        missing=int(np.isnan(target[there & inner]).sum()),
    )


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
