"""How many rows files hold, about, before they are read: for the time that is left."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from toolkit.data.text_files import open_bytes

LOOK = 2**20  # bytes from which the length of a line is taken
GZIP = 3  # times smaller that packed text is taken to be


class RowsLeft:
    """Counts rows of several files against what was expected of them.

    Args:
        expected: About how many rows each file holds.
    """

    def __init__(self, expected: Sequence[int]) -> None:
        self._expected = list(expected)

    def after(self, file: int, rows: int) -> tuple[int, int]:
        """Rows done and rows in all, when so many of a file are read and all before it."""
        self._expected[file] = max(self._expected[file], rows)
        return sum(self._expected[:file]) + rows, sum(self._expected)


def count_rows(path: Path) -> int:
    """About how many rows a table file holds; 0 where it cannot be told."""
    try:
        if path.suffix == ".parquet":
            return int(pq.ParquetFile(path).metadata.num_rows)
        with open_bytes(path) as file:
            start = file.read(LOOK)
    except (OSError, EOFError, pa.ArrowInvalid):
        return 0  # whoever reads the file says what is wrong with it
    size = path.stat().st_size * (GZIP if path.suffix == ".gz" else 1)
    return int(size * start.count(b"\n") / max(len(start), 1))
