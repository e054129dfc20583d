"""What a task needs of a column: text, numbers, times, paths or sets of labels."""

import difflib
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.data.readers import delimiter_hint
from toolkit.data.report import raise_all, row_finding
from toolkit.data.table import Table
from toolkit.errors import DataError

Column = str | int

LONGEST_NAME = 40
SHOWN_NAMES = 12
NUMBER_EXPECTED = "a number such as -1.5"
DAY_FIRST = r"^\s*(\d\d)\.(\d\d)\.(\d{4})"
TIME_EXPECTED = (
    "a date such as 2017-07-01 or 2017-07-01 12:00; data.time_format tells other ways to write it"
)

_FILES = ("file", "filename", "file_name", "filepath", "file_path", "clip", "audio", "wav", "video")
OFTEN_CALLED = {
    "data.text": (
        *("text", "sentence", "review", "content", "comment", "tweet", "body", "message"),
        *("transcript", "transcription"),
    ),
    "data.label": ("sentiment", "class", "category", "target", "emotion", "intent", "topic"),
    "data.source": ("src", "source_text", "document", "article", "dialogue", "input"),
    "data.target": ("tgt", "target_text", "summary", "highlights", "output"),
    "data.audio": _FILES,
    "data.video": _FILES,
}
"""What other data sets call a role's column: named in the error where it is missing."""

# In a column of numbers these words mean that there is none; in a column of text they are text.
NO_NUMBER = frozenset(("", "?", "nan", "na", "n/a", "null", "none"))


def column_name(table: Table, column: Column, role: str = "column") -> str:
    """The name of a column given by name or by number, counted from 0.

    Args:
        table: The table.
        column: Name or number.
        role: What messages call it, such as ``data.text``.

    Raises:
        DataError: No such column.
    """
    names = table.columns
    if isinstance(column, int) and 0 <= column < len(names):
        return names[column]
    if str(column) in names:
        return str(column)
    near = difflib.get_close_matches(str(column), names, n=1)
    lower = [name for name in names if name.lower() == str(column).lower()]
    meant = (lower or near or _by_role(table, role))[:1]
    named = f" Did you mean {meant[0]!r}?" if meant else ""
    hint = delimiter_hint(names) or named or _row_hint(names)
    raise DataError(
        f"{table.name}: no column {column!r} for {role}.{hint} "
        f"Expected one of: {_listed(names)}. Received: {column!r}."
    )


def _by_role(table: Table, role: str) -> list[str]:
    """Columns that others call what is looked for, or whose first row looks like it."""
    if role == "data.time":
        return _dated(table)
    usual = OFTEN_CALLED.get(role, ())
    return [name for name in table.columns if name.lower() in usual]


def _dated(table: Table) -> list[str]:
    """Columns of text whose first row is a date."""
    first = table.frame.head(1)
    return [
        name
        for name in table.columns
        if not pd.api.types.is_numeric_dtype(first[name]) and not parse_times(first[name])[1].any()
    ]


def _row_hint(names: Sequence[str]) -> str:
    """Names that no one gives a column: the first line is a row."""
    rowlike = [name for name in names if len(name) > LONGEST_NAME or name.lstrip("-").isdigit()]
    if not rowlike or names == [str(number) for number in range(len(names))]:
        return ""
    return " The first line looks like a row: 'header: none' numbers the columns."


def _listed(names: Sequence[str]) -> str:
    short = [name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}..." for name in names]
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return ", ".join(short[:SHOWN_NAMES]) + more


def optional_texts(table: Table, column: Column) -> list[str]:
    """The column as text; ``""`` in every row where the table has no such column."""
    names = [str(name) for name in table.frame.columns]
    known = column < len(names) if isinstance(column, int) else column in names
    return texts(table, column) if known else [""] * len(table)


def texts(table: Table, column: Column) -> list[str]:
    """The column as text, ``""`` where it is missing; the number 1 (or 1.0) becomes ``"1"``.

    An array, such as a wave, becomes the hash of its content.
    """
    values = table.frame[column_name(table, column)]
    if isinstance(values.dtype, pd.CategoricalDtype):
        names = [*(str(value) for value in values.cat.categories), ""]
        return [names[code] for code in values.cat.codes]
    if pd.api.types.is_bool_dtype(values):
        return ["true" if value else "false" for value in values]
    if pd.api.types.is_float_dtype(values):
        return [_number_text(value) for value in values]
    if isinstance(values.dtype, pd.StringDtype):
        return values.fillna("").to_list()
    missing = values.isna().to_numpy()
    return ["" if gone else _written(value) for value, gone in zip(values, missing, strict=True)]


def numbers(table: Table, column: Column) -> NDArray[np.float64]:
    """The column as numbers, NaN where it is missing.

    Raises:
        DataError: Text that is no number; names the rows.
    """
    name = column_name(table, column)
    values, bad = parse_numbers(table.frame[name])
    if bad.any():
        what = f"column {name!r} holds no number"
        raise_all([row_finding("error", table, np.flatnonzero(bad), what, NUMBER_EXPECTED, name)])
    return values


def parse_numbers(values: "pd.Series[Any]") -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Numbers, NaN where missing, and a mask of the rows that hold something else."""
    if pd.api.types.is_datetime64_any_dtype(values):
        return np.full(len(values), np.nan), values.notna().to_numpy()
    if pd.api.types.is_numeric_dtype(values):
        return values.to_numpy(np.float64, na_value=np.nan), np.zeros(len(values), bool)
    parsed = pd.to_numeric(values, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    unread = np.flatnonzero(np.isnan(parsed) & values.notna().to_numpy())
    bad = np.zeros(len(values), bool)
    bad[unread] = [str(value).strip().lower() not in NO_NUMBER for value in values.iloc[unread]]
    return parsed, bad


def times(table: Table, column: Column) -> NDArray[Any]:
    """The column as points in time: ``datetime64[ns]`` (UTC), or the numbers it holds.

    Numbers of eight digits that are all dates, 20170701 for the first of July, are read as such.

    Raises:
        DataError: Text that is no ISO 8601 date, or no value; names the rows.
    """
    name = column_name(table, column)
    values, bad = parse_times(table.frame[name])
    if bad.any():
        what = f"column {name!r} holds no date"
        raise_all([row_finding("error", table, np.flatnonzero(bad), what, TIME_EXPECTED, name)])
    return values


def parse_times(values: "pd.Series[Any]") -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Points in time, or numbers, and a mask of the rows that hold neither.

    Days may come first where points follow them, 01.07.2017; with slashes some write months first.
    """
    if pd.api.types.is_numeric_dtype(values):
        plain = values.to_numpy(np.float64, na_value=np.nan)
        dates = compact_dates(plain)
        return (plain if dates is None else dates), np.isnan(plain)
    if values.dtype == object:  # Python's dates, or a mixture
        values = values.map(str, na_action="ignore")
    parsed = _iso_times(values)
    left = parsed.isna() & values.notna()
    if left.any():  # only text can be left
        parsed[left] = _iso_times(values[left].str.replace(DAY_FIRST, r"\3-\2-\1", regex=True))
    return parsed.dt.tz_localize(None).to_numpy("datetime64[ns]"), parsed.isna().to_numpy()


def _iso_times(values: "pd.Series[Any]") -> "pd.Series[Any]":
    return pd.to_datetime(values, format="ISO8601", errors="coerce", utc=True)


def compact_dates(values: NDArray[np.float64]) -> NDArray[np.datetime64] | None:
    """Dates written as numbers, year, month and day; None where any is no date of our times."""
    known = values[~np.isnan(values)]
    if not len(known) or not np.all(
        (known >= 1800_01_01) & (known < 2200_01_01) & (known % 1 == 0)
    ):
        return None
    written = pd.Series(values).astype("Int64").astype("string")
    dates = pd.to_datetime(written, format="%Y%m%d", errors="coerce")
    return dates.to_numpy("datetime64[ns]") if dates.notna().sum() == len(known) else None


def paths(table: Table, column: Column) -> list[Path]:
    """The column as paths; a relative one starts at the folder of the file that names it."""
    return [
        table.source(row).folder / text if text else Path()
        for row, text in enumerate(texts(table, column))
    ]


def label_sets(
    table: Table, columns: Sequence[Column], separator: str | None
) -> list[tuple[str, ...]]:
    """Several labels a row.

    Args:
        table: The table.
        columns: One column that holds labels joined by `separator` (or lists of labels), or
            several columns of 0 and 1, whose names are the labels.
        separator: What stands between labels in one column.

    Raises:
        DataError: No such column; a value other than 0 and 1 in one of several columns.
    """
    if len(columns) > 1:
        return _indicated(table, [column_name(table, column) for column in columns])
    values = table.frame[column_name(table, columns[0])]
    if values.dtype == object and any(isinstance(value, list | np.ndarray) for value in values):
        return [() if _missing(value) else tuple(str(one) for one in value) for value in values]
    cells = texts(table, columns[0])
    if separator is None:
        return [(cell,) if cell else () for cell in cells]
    return [tuple(p for part in cell.split(separator) if (p := part.strip())) for cell in cells]


def _indicated(table: Table, names: Sequence[str]) -> list[tuple[str, ...]]:
    flags = np.stack([numbers(table, name) for name in names], axis=1)  # (rows, labels)
    wrong = ~np.isin(flags, (0, 1))
    if wrong.any():
        label = int(np.flatnonzero(wrong.any(axis=0))[0])
        rows = np.flatnonzero(wrong[:, label])
        what = f"column {names[label]!r} says neither yes nor no"
        raise_all([row_finding("error", table, rows, what, "0 or 1", names[label])])
    return [tuple(name for name, flag in zip(names, row, strict=True) if flag) for row in flags]


def _missing(value: Any) -> bool:
    return not isinstance(value, list | np.ndarray)


def _written(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return hashlib.sha256(value.tobytes()).hexdigest() if value.size else ""
    return str(value)


def _number_text(value: float) -> str:
    if np.isnan(value):
        return ""
    return str(int(value)) if float(value).is_integer() else repr(float(value))
