"""Rows of a table as videos to decode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data.clips import Clip
from toolkit.data.columns import Column, column_name, numbers
from toolkit.data.report import raise_all, row_finding
from toolkit.data.table import Table
from toolkit.errors import DataError

if TYPE_CHECKING:
    from toolkit.tasks.video.options import VideoData


def clips_of(table: Table, data: VideoData) -> list[Clip]:
    """What each row wants decoded.

    Raises:
        DataError: a row that ends before it starts; names it.
    """
    videos = table.frame[column_name(table, data.video)]
    starts, ends = _seconds(table, data.start), _seconds(table, data.end)
    wrong = [
        row
        for row, (start, end) in enumerate(zip(starts, ends, strict=True))
        if (start or 0) < 0 or (end is not None and end <= (start or 0))
    ]
    if wrong:
        what = f"from {starts[wrong[0]]} to {ends[wrong[0]]} seconds there is nothing"
        raise_all([row_finding("error", table, wrong, what, "an end after the start")])
    return [
        Clip(
            value if isinstance(value, np.ndarray) else table.source(row).folder / str(value),
            table.where(row),
            starts[row],
            ends[row],
        )
        for row, value in enumerate(videos)
    ]


def _seconds(table: Table, column: Column | None) -> list[Any]:
    """The column's numbers, None where there are none; new inputs need not have it."""
    try:
        found = None if column is None else column_name(table, column)
    except DataError:
        found = None
    if found is None:
        return [None] * len(table)
    return [None if np.isnan(one) else float(one) for one in numbers(table, found)]
