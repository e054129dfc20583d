"""Parts of recordings: the seconds at which a row's clip begins and ends within its file."""

import numpy as np
from numpy.typing import NDArray

from toolkit.data.columns import Column, numbers
from toolkit.data.report import raise_all, row_finding
from toolkit.data.table import Table

EXPECTED = "0 <= start < end, in seconds"

Seconds = NDArray[np.float64]


def parts(table: Table, start: Column | None, end: Column | None) -> tuple[Seconds, Seconds]:
    """Where each row's clip begins and ends, ``(rows,)`` each; NaN: with its file.

    Args:
        table: The table.
        start: Column of seconds; None: there is none.
        end: The same.

    Raises:
        DataError: No number, or a clip that ends before it begins; names the rows.
    """
    starts, ends = (
        np.full(len(table), np.nan) if column is None else numbers(table, column)
        for column in (start, end)
    )
    wrong, what = backwards(starts, ends)
    if wrong.any():
        raise_all([row_finding("error", table, np.flatnonzero(wrong), what, EXPECTED)])
    return starts, ends


def backwards(starts: Seconds, ends: Seconds) -> tuple[NDArray[np.bool_], str]:
    """(rows,) whether a clip begins before its file or ends before it begins, and what is wrong."""
    wrong = (starts < 0) | (ends <= np.nan_to_num(starts))
    what = "a clip that ends before it begins"
    for row in np.flatnonzero(wrong)[:1]:
        what += f", from {np.nan_to_num(starts[row]):g} to {ends[row]:g} seconds"
    return wrong, what
