"""Cutting validation and test rows out of the training rows, as a recipe's ``split`` says."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.data.assignment import (
    PARTS,
    TEST,
    TRAIN,
    Parts,
    by_group,
    by_share,
    by_time,
    from_dates,
)
from toolkit.data.columns import Column, column_name, texts, times
from toolkit.data.hashing import row_hashes
from toolkit.data.report import raise_all, row_finding
from toolkit.data.roles import INPUT_KINDS, Role, label_codes, label_counts, label_role
from toolkit.data.table import Table
from toolkit.errors import DataError
from toolkit.recipe import Share, SplitOptions

SHOWN_VALUES = 10

# What people write in a column of splits.
PART_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev", "development"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}


@dataclass(frozen=True)
class Decision:
    """How the rows of one split were chosen, and why so."""

    split: str
    how: str
    reason: str


@dataclass
class Cut:
    """The tables so far, and how each that was cut came about."""

    tables: dict[str, Table]
    decisions: list[Decision]

    @property
    def missing(self) -> list[str]:
        """Splits that there are no rows for yet."""
        return [name for name in PARTS if name not in self.tables]

    def apply(self, parts: Parts, how: dict[str, str], reason: dict[str, str]) -> None:
        """Moves rows out of train into the splits named in `how`."""
        train = self.tables["train"]
        for name in how:
            self.tables[name] = train.take(parts == PARTS.index(name))
            count = f"{len(self.tables[name]):,} of {len(train):,} rows"
            self.decisions.append(Decision(name, f"{how[name]}: {count}", reason[name]))
        self.tables["train"] = train.take(parts == PARTS.index("train"))


def cut_train(
    tables: dict[str, Table], split: SplitOptions, roles: Sequence[Role], default_share: Share
) -> Cut:
    """Fills the splits that are missing with rows of train.

    Args:
        tables: ``train``, and ``validation`` and ``test`` where they are given.
        split: How to cut.
        roles: Says which column is the label, and which the time.
        default_share: For a split that `split` says nothing about.

    Raises:
        DataError: A column that is not there, a word in the column of splits that names none, a
            split by date without dates.
    """
    cut = Cut(dict(tables), [])
    if split.column is not None and split.test_value is not None:
        _cut_by_value(cut, split.column, str(split.test_value))
    elif split.column is not None:
        _cut_by_column(cut, split.column)
    if isinstance(split.validation, datetime) or isinstance(split.test, datetime):
        _cut_by_date(cut, split, roles)
    if cut.missing:
        _cut_by_share(cut, split, roles, default_share)
    return cut


def _cut_by_column(cut: Cut, column: Column) -> None:
    train = cut.tables["train"]
    name = column_name(train, column, "data.split.column")
    words = [PART_WORDS.get(text.strip().lower(), "") for text in texts(train, column)]
    wrong = [row for row, word in enumerate(words) if word not in ["train", *cut.missing]]
    if wrong:
        what = f"column {name!r} holds {texts(train, column)[wrong[0]]!r}"
        expected = f"one of: {', '.join(['train', *cut.missing])}"
        raise_all([row_finding("error", train, wrong, what, expected)])
    parts = np.array([PARTS.index(word) for word in words], np.int8)
    found = [part for part in cut.missing if part in words]
    how = dict.fromkeys(found, f"rows that column {name!r} names")
    cut.apply(parts, how, dict.fromkeys(found, "data.split.column is given"))


def _cut_by_value(cut: Cut, column: Column, value: str) -> None:
    train = cut.tables["train"]
    name = column_name(train, column, "data.split.column")
    values = texts(train, column)
    if value not in values:
        known = ", ".join(sorted(set(values))[:SHOWN_VALUES])
        raise DataError(
            f"{train.name}: column {name!r} nowhere holds data.split.test_value. "
            f"Expected one of: {known}. Received: {value!r}."
        )
    parts = np.array([TEST if one == value else TRAIN for one in values], np.int8)
    how = {"test": f"rows where column {name!r} is {value!r}"}
    cut.apply(parts, how, {"test": "data.split.test_value is given"})


def _cut_by_date(cut: Cut, split: SplitOptions, roles: Sequence[Role]) -> None:
    time = _time_column(split, roles)
    if time is None:
        raise DataError(
            "data.split: a split by date, and no column of times. Expected the column's name as "
            "data.split.time."
        )
    if "test" in cut.missing and split.test is None:
        raise DataError(
            "data.split.test: missing. Expected a date, as data.split.validation is one, so that "
            f"the test comes after it. Received: validation={split.validation}."
        )
    train = cut.tables["train"]
    moments = times(train, time)
    if moments.dtype.kind != "M":
        raise DataError(
            f"{train.name}: column {column_name(train, time)!r} holds numbers. Expected dates, as "
            f"data.split cuts by date. Received: {moments[0]:g} in {train.where(0)}."
        )
    dates = {
        name: date
        for name, date in (("validation", split.validation), ("test", split.test))
        if isinstance(date, datetime)
    }
    _require_within(train, time, moments, dates)
    if split.end is not None:
        within = moments < _moment(split.end)
        train = cut.tables["train"] = train.take(within)
        moments = moments[within]
    starts = [_moment(dates[name]) if name in dates else None for name in PARTS[1:]]
    how = {name: f"rows from {date:%Y-%m-%d %H:%M} on" for name, date in dates.items()}
    cut.apply(from_dates(moments, *starts), how, {name: f"data.split.{name}" for name in dates})


def _require_within(
    train: Table, time: Column, moments: NDArray[Any], dates: dict[str, datetime]
) -> None:
    """A part that begins outside the data has no rows, or leaves none to learn from."""
    first, last = moments.min(), moments.max()
    for name, date in dates.items():
        if not first < _moment(date) <= last:
            raise DataError(
                f"data.split.{name}: outside the data. Expected a date after "
                f"{first.astype('datetime64[s]')} and up to {last.astype('datetime64[s]')}, as "
                f"column {column_name(train, time)!r} has them. Received: {date}."
            )


def _cut_by_share(
    cut: Cut, split: SplitOptions, roles: Sequence[Role], default_share: Share
) -> None:
    train, missing = cut.tables["train"], cut.missing
    asked = {name: getattr(split, name) for name in missing}
    shares = {name: share if isinstance(share, Share) else default_share
              for name, share in asked.items()}  # fmt: skip
    window = _window(train, roles, shares)
    series = next((role for role in roles if role.kind == "series"), None)
    if series is not None:
        parts, short = _by_series(train, series, split, roles, shares, window)
        manner = f"the last of each {column_name(train, series.columns[0])!r} by time"
        manner += f" ({short:,} too short for all parts)" if short else ""
    else:
        validation, test = (_count(shares, name, len(train), window) for name in PARTS[1:])
        if validation + test >= len(train):
            raise DataError(
                f"{train.name}: too few rows. Expected some to learn from besides "
                f"{validation:,} for validation and {test:,} for the test. "
                f"Received: {len(train):,} in all."
            )
        parts, manner = _assign(train, split, roles, (validation, test))
    how = {name: f"{share.plain()} of train, {manner}" for name, share in shares.items()}
    reason = {
        name: f"neither data.{name} nor data.split gives it" if asked[name] is None
        else f"data.split.{name}"
        for name in missing
    }  # fmt: skip
    cut.apply(parts, how, reason)


def _window(train: Table, roles: Sequence[Role], shares: dict[str, Share]) -> int:
    """Rows that the smallest example takes."""
    find = next((role.window for role in roles if role.window is not None), None)
    if find is not None:
        return find(train)
    asked = [name for name, share in shares.items() if share.windows is not None]
    if asked:
        raise DataError(
            f"data.split.{asked[0]}: windows are of series, and here each row is an example. "
            f"Expected a share or a count. Received: {shares[asked[0]].plain()}."
        )
    return 1


def _count(shares: dict[str, Share], name: str, rows: int, window: int) -> int:
    """Rows wanted of so many, at least one example's where a share is."""
    return shares[name].of(rows, window) if name in shares else 0


def _by_series(
    train: Table,
    series: Role,
    split: SplitOptions,
    roles: Sequence[Role],
    shares: dict[str, Share],
    window: int,
) -> tuple[Parts, int]:
    """The last rows of each series, by its own time, and how many are too short for all parts.

    A short series goes without validation, then without test, so that it can be learnt from.
    """
    time = _time_column(split, roles)
    assert time is not None, "a series has a time"
    moments = times(train, time)
    codes = pd.factorize(np.array(texts(train, series.columns[0]), object))[0]
    order = np.lexsort((moments, codes))
    sizes = np.bincount(codes)
    parts = np.zeros(len(train), np.int8)
    left = np.repeat(np.cumsum(sizes), sizes) - np.arange(len(train))  # rows to the series' end
    short = 0
    for size in np.unique(sizes):
        rows = np.repeat(sizes == size, sizes)
        validation, test = (_count(shares, name, int(size), window) for name in PARTS[1:])
        spare = size - window - 1  # one window to learn from, and a step before it
        given_test = test if test <= spare else 0
        given = validation if given_test + validation <= spare else 0
        short += int((sizes == size).sum()) if (given, given_test) != (validation, test) else 0
        parts[order[rows & (left <= given + given_test)]] = PARTS.index("validation")
        parts[order[rows & (left <= given_test)]] = PARTS.index("test")
    return parts, short


def _assign(
    train: Table, split: SplitOptions, roles: Sequence[Role], counts: tuple[int, int]
) -> tuple[Parts, str]:
    """The parts by time, by group or row by row, and how that is said."""
    time = _time_column(split, roles)
    if time is not None and split.group is not None:
        raise DataError(
            "data.split: both a time and a group. Expected one: a split by time puts rows of one "
            f"group on both sides. Received: time={time!r}, group={split.group!r}."
        )
    if time is not None:
        return by_time(times(train, time), counts), f"the last by {column_name(train, time)!r}"
    strata, stratified = _strata(train, split, roles)
    if split.group is not None:
        return _by_group(train, split, strata, counts), (
            f"whole groups of {column_name(train, split.group)!r}{stratified}, seed {split.seed}"
        )
    hashes = content_hashes(train, roles)
    return by_share(hashes, strata, counts, split.seed), f"drawn{stratified}, seed {split.seed}"


def _by_group(
    train: Table, split: SplitOptions, strata: NDArray[np.int64], counts: tuple[int, int]
) -> Parts:
    assert split.group is not None
    name = column_name(train, split.group, "data.split.group")
    groups = row_hashes(pd.DataFrame({name: texts(train, name)}))
    needed = 1 + sum(count > 0 for count in counts)
    if len(np.unique(groups)) < needed:
        raise DataError(
            f"{train.name}: too few groups in column {name!r}. Expected at least {needed}, one for "
            f"each split. Received: {len(np.unique(groups))}."
        )
    return by_group(groups, strata, counts, split.seed)


def _strata(
    train: Table, split: SplitOptions, roles: Sequence[Role]
) -> tuple[NDArray[np.int64], str]:
    """Each row's class as a number, and how that is said; of several labels the rarest counts."""
    role = label_role(roles)
    if split.stratify is True and role is None:
        raise DataError("data.split.stratify: there is no label to stratify by. Expected auto.")
    if split.stratify is False or role is None:
        return np.zeros(len(train), np.int64), ""
    codes, sets = label_codes(train, role)
    counts = label_counts(train, role)
    rarest = [min(row, key=lambda label: (counts[label], label), default="") for row in sets]
    return np.unique(rarest, return_inverse=True)[1].astype(np.int64)[codes], (
        f" in proportion to {column_name(train, role.columns[0])!r}"
        if len(role.columns) == 1
        else " in proportion to the labels"
    )


def content_hashes(table: Table, roles: Sequence[Role]) -> NDArray[np.uint64]:
    """A hash of what makes a row the same example as another, (rows,)."""
    if table.outline is not None:
        return table.outline.content
    inputs = [role for role in roles if role.kind in INPUT_KINDS]
    names = [column_name(table, column) for role in inputs for column in role.columns]
    return row_hashes(table.frame[list(dict.fromkeys(names)) or table.columns])


def _time_column(split: SplitOptions, roles: Sequence[Role]) -> Column | None:
    if split.time is not None:
        return split.time
    return next((role.columns[0] for role in roles if role.kind == "time"), None)


def _moment(date: datetime) -> Any:
    plain = date.astimezone(UTC).replace(tzinfo=None) if date.tzinfo else date
    return np.datetime64(plain, "ns")
