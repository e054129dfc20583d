"""Rows of a table as videos to decode."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from toolkit.data.clips import Clip
from toolkit.data.columns import Column, column_name
from toolkit.data.parts import parts
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
    starts, ends = parts(table, *(_there(table, column) for column in (data.start, data.end)))
    return [
        Clip(
            value if isinstance(value, np.ndarray) else table.source(row).folder / str(value),
            table.where(row),
            None if np.isnan(starts[row]) else float(starts[row]),
            None if np.isnan(ends[row]) else float(ends[row]),
        )
        for row, value in enumerate(videos)
    ]


def _there(table: Table, column: Column | None) -> Column | None:
    """The column, None where the table has none: new inputs need not have it."""
    try:
        return None if column is None else column_name(table, column)
    except DataError:
        return None
