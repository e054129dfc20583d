"""Tables written as they come: csv or JSON lines, by the file's name."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import IO, TYPE_CHECKING

from toolkit.errors import ArgumentError

if TYPE_CHECKING:
    import pandas as pd

FORMATS = (".csv", ".jsonl")


def check_output(output: str | None) -> None:
    """See, before any work, that the format is known by the file's name and its folder is there.

    Raises:
        ArgumentError: it is not.
    """
    if output is None:
        return
    path = Path(output)
    if path.suffix not in FORMATS:
        expected = "a name in .csv or .jsonl"
    elif path.is_dir() or not path.parent.is_dir():
        expected = "a file in a folder that exists"
    else:
        return
    raise ArgumentError(f"--output: Expected {expected}. Received: {output!r}.")


def write_tables(
    tables: Iterable[pd.DataFrame], output: str | None, time_format: str | None = None
) -> None:
    """Write tables one below the other, to a file or as csv to stdout.

    Times are written by ``time_format``, else as ISO 8601 has them. A file appears under its name
    only when it is whole.
    """
    written = (_with_texts_of_times(table, time_format) for table in tables)
    if output is None:
        _write(written, sys.stdout, ".csv")
        return
    path = Path(output)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            _write(written, file, path.suffix)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _with_texts_of_times(table: pd.DataFrame, time_format: str | None) -> pd.DataFrame:
    written = table.copy(deep=False)
    for name, times in table.select_dtypes(["datetime", "datetimetz"]).items():
        texts = times.astype("string") if time_format is None else times.dt.strftime(time_format)
        written[name] = texts
    return written


def _write(tables: Iterable[pd.DataFrame], file: IO[str], suffix: str) -> None:
    for number, table in enumerate(tables):
        if suffix == ".csv":
            table.to_csv(file, index=False, header=number == 0, lineterminator="\n")
        else:
            table.to_json(file, orient="records", lines=True, force_ascii=False)
        file.flush()
