"""Rows that cannot be used: no text, no label, text for a number, a file that is not there."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from toolkit.data import audio, parts
from toolkit.data.columns import (
    NUMBER_EXPECTED,
    TIME_EXPECTED,
    Column,
    column_name,
    parse_numbers,
    parse_times,
    paths,
    texts,
)
from toolkit.data.report import Finding, Level, row_finding
from toolkit.data.roles import Role, labels_of
from toolkit.data.table import Table
from toolkit.data.video_files import video_problem
from toolkit.data.video_streams import EXPECTED

Mask = NDArray[np.bool_]
NESTED = (list, tuple, dict, set, np.ndarray)


@dataclass(frozen=True)
class BadRows:
    """Rows with the same thing wrong.

    Attributes:
        mask: (rows,) True for a bad row, at least one.
        what: What is wrong with them.
        expected: What would be right.
        column: Whose value is shown, if that tells what is wrong.
    """

    mask: Mask
    what: str
    expected: str
    column: str | None = None


def bad_rows(table: Table, roles: Sequence[Role]) -> list[BadRows]:
    """The rows of a table that its roles cannot use, by what is wrong with them."""
    if table.outline is not None:
        return [
            BadRows(np.isin(np.arange(len(table)), rows), what, expected)
            for what, expected, rows in table.outline.bad
        ]
    found = [bad for role in roles for bad in _of_role(table, role)]
    found.append(_of_parts(table, roles))
    return [bad for bad in found if bad.mask.any()]


def row_errors(table: Table, bad: Sequence[BadRows]) -> list[Finding]:
    """One error for each thing that is wrong."""
    return [_told("error", table, one, one.what) for one in bad]


def skipped_rows(table: Table, bad: Sequence[BadRows]) -> list[Finding]:
    """One warning for each thing that is wrong, for rows that are left out."""
    return [_told("warning", table, one, f"skipped, as {one.what}") for one in bad]


def _told(level: Level, table: Table, one: BadRows, what: str) -> Finding:
    return row_finding(level, table, np.flatnonzero(one.mask), what, one.expected, one.column)


def _of_role(table: Table, role: Role) -> list[BadRows]:
    if role.kind == "labels":
        return _of_labels(table, role)
    if role.kind == "number":
        return [bad for each in role.columns for bad in _of_number(table, each, role.required)]
    column = role.columns[0]
    if role.kind == "time":
        return _of_time(table, column)
    if role.kind in ("text", "label", "group", "series"):
        return _of_text(table, column, role)
    empty = _empty(table, column, role.kind, role.required)
    if role.kind == "video":
        return empty + list(_of_video(table, column))
    if role.kind == "audio":
        return empty + _of_path(table, column) + _of_audio(table, column)
    return empty + _of_path(table, column) if role.kind == "path" else empty


def _of_text(table: Table, column: Column, role: Role) -> list[BadRows]:
    """Cells of several values, as JSON and Parquet may hold, are no text and no single label."""
    name = column_name(table, column)
    nested = [isinstance(value, NESTED) for value in table.frame[name]]
    what = f"column {name!r} holds several values"
    several = BadRows(np.array(nested, bool), what, "one value", name)
    return [several, *_empty(table, column, role.kind, role.required)]


def _empty(table: Table, column: Column, kind: str, required: bool) -> list[BadRows]:
    if not required:
        return []
    mask = np.array([not text.strip() for text in texts(table, column)], bool)
    name = column_name(table, column)
    return [BadRows(mask, f"column {name!r} is empty", f"a {kind} in every row")]


def _of_labels(table: Table, role: Role) -> list[BadRows]:
    """Several columns may all be 0; one column must name a label unless the role allows none."""
    if len(role.columns) > 1:
        numbers = [bad for column in role.columns for bad in _of_flag(table, column)]
        return [bad for bad in numbers if bad.mask.any()]
    if not role.required:
        return []
    mask = np.array([not labels for labels in labels_of(table, role)], bool)
    name = column_name(table, role.columns[0])
    return [BadRows(mask, f"column {name!r} is empty", "a label in every row")]


def _of_flag(table: Table, column: Column) -> list[BadRows]:
    name = column_name(table, column)
    values, _ = parse_numbers(table.frame[name])
    wrong = ~np.isin(values, (0, 1))
    return [BadRows(wrong, f"column {name!r} says neither yes nor no", "0 or 1", name)]


def _of_number(table: Table, column: Column, required: bool) -> list[BadRows]:
    name = column_name(table, column)
    values, bad = parse_numbers(table.frame[name])
    found = [BadRows(bad, f"column {name!r} holds no number", NUMBER_EXPECTED, name)]
    if required:
        missing = np.isnan(values) & ~bad
        found.append(BadRows(missing, f"column {name!r} is empty", "a number in every row"))
    return found


def _of_time(table: Table, column: Column) -> list[BadRows]:
    name = column_name(table, column)
    _, bad = parse_times(table.frame[name])
    return [BadRows(bad, f"column {name!r} holds no date", TIME_EXPECTED, name)]


def _of_parts(table: Table, roles: Sequence[Role]) -> BadRows:
    """Clips that end before they begin, where roles say from when to when a row's clip lasts."""
    seconds = {"start": np.full(len(table), np.nan), "end": np.full(len(table), np.nan)}
    for role in roles:
        if role.name in seconds:
            seconds[role.name], _ = parse_numbers(table.frame[column_name(table, role.columns[0])])
    return BadRows(*parts.backwards(*seconds.values()), parts.EXPECTED)


def _of_video(table: Table, column: Column) -> Iterator[BadRows]:
    """Videos that are not there, or that their files tell to be unusable, by what is wrong."""
    name = column_name(table, column)
    problems: dict[str, list[int]] = {}
    for row in np.flatnonzero(_given(table, column)):
        problem = video_problem(table.frame[name].iloc[row], table.source(int(row)).folder)
        if problem is not None:
            problems.setdefault(problem, []).append(int(row))
    for problem, rows in problems.items():
        mask = np.isin(np.arange(len(table)), rows)
        first = texts(table.take(rows[:1]), column)[0]
        yield BadRows(mask, f"column {name!r} names a video that {problem}: {first}", EXPECTED)


def _of_path(table: Table, column: Column) -> list[BadRows]:
    files = paths(table, column)
    gone = [not path.is_file() for path in files]
    mask = _names_file(table, column) & np.array(gone, bool)
    if not mask.any():
        return []
    first = files[int(np.flatnonzero(mask)[0])]
    name = column_name(table, column)
    return [BadRows(mask, f"column {name!r} names a file that is not there: {first}", "a file")]


def _of_audio(table: Table, column: Column) -> list[BadRows]:
    """Files that no sound can be read from, by what their headers and sizes tell."""
    files = paths(table, column)
    problems: dict[Path, str | None] = {}
    for row in np.flatnonzero(_names_file(table, column)):
        file = files[row]
        if file not in problems:  # one that is not there was named before
            problems[file] = audio.problem(file) if file.is_file() else None
    found = [problems.get(file) for file in files]
    name = column_name(table, column)
    return [
        BadRows(
            np.array([one == what for one in found], bool),
            f"column {name!r} names a file that {what}: {files[found.index(what)]}",
            "a whole sound file",
        )
        for what in dict.fromkeys(one for one in found if one is not None)
    ]


def _names_file(table: Table, column: Column) -> Mask:
    """Whether each row holds a path, not nothing and not an array."""
    values = table.frame[column_name(table, column)]
    arrays = [isinstance(value, np.ndarray) for value in values]
    return np.logical_and(_given(table, column), np.logical_not(arrays))


def _given(table: Table, column: Column) -> Mask:
    """Whether each row holds anything."""
    return np.array([bool(text.strip()) for text in texts(table, column)], bool)
