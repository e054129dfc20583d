"""Roles: what a task needs of the data, and which columns give it."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from toolkit.data.columns import Column, column_name, label_sets, texts
from toolkit.data.report import Finding
from toolkit.data.table import Table
from toolkit.errors import DataError

Kind = Literal[
    "text", "label", "labels", "number", "time", "path", "audio", "video", "group", "series"
]

# Kinds whose values count as they are written: 1 in a file is the label "1".
TEXT_KINDS = ("text", "label", "labels", "path", "audio", "video", "group", "series")

# Kinds that a model answers from: two rows of the same are the same example.
INPUT_KINDS = ("text", "path", "audio", "video")


@dataclass(frozen=True)
class Role:
    """A need of the task and the column, or columns, that the recipe names for it.

    Attributes:
        name: The recipe's key, such as ``text``.
        column: A name or a number, or several.
        kind: ``text``; ``label``, one class; ``labels``, several classes at once: one column with
            a separator, or several columns of 0 and 1; ``number``; ``time``; ``path`` of a file;
            ``audio``, the path of a sound file or an array of samples; ``video``, the path of a
            file or of a folder of images, or an array of frames; ``group``; ``series``, which
            series a row is a step of.
        required: Whether a row without a value is an error.
        separator: Between the labels of one column.
        window: Of a ``time``: rows of a table that the smallest example takes, one after the
            other; None where each row is an example.
    """

    name: str
    column: Column | tuple[Column, ...]
    kind: Kind
    required: bool = True
    separator: str | None = None
    window: Callable[[Table], int] | None = None

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns, one or several."""
        return self.column if isinstance(self.column, tuple) else (self.column,)

    @property
    def is_label(self) -> bool:
        """Whether it says which class a row is of."""
        return self.kind in ("label", "labels")


def text_columns(roles: Sequence[Role]) -> list[Column]:
    """Columns that must keep their text; one of several label columns holds 0 and 1."""
    return [
        column
        for role in roles
        if role.kind in TEXT_KINDS and not (role.kind == "labels" and len(role.columns) > 1)
        for column in role.columns
    ]


def missing_columns(table: Table, roles: Sequence[Role]) -> list[Finding]:
    """An error for each column that a role names and the table lacks."""
    findings = []
    for role in roles:
        for column in role.columns:
            try:
                column_name(table, column, f"data.{role.name}")
            except DataError as error:
                where, _, what = str(error).partition(": ")
                findings.append(Finding("error", where, what))
    return findings


def labels_of(table: Table, role: Role) -> list[tuple[str, ...]]:
    """The labels of each row: one for the kind ``label``, none where it is missing."""
    if role.kind == "label":
        return [(text,) if text else () for text in texts(table, role.columns[0])]
    return label_sets(table, role.columns, role.separator)


def label_codes(
    table: Table, role: Role
) -> tuple[NDArray[np.integer[Any]], tuple[tuple[str, ...], ...]]:
    """The labels of each row as a number, (rows,), and the sets of labels that it counts."""
    if table.outline is not None:
        return table.outline.label_codes, table.outline.label_sets
    numbers: dict[tuple[str, ...], int] = {}
    codes = [numbers.setdefault(row, len(numbers)) for row in labels_of(table, role)]
    return np.array(codes, np.int32), tuple(numbers)


def label_counts(table: Table, role: Role) -> Counter[str]:
    """How many rows have each label."""
    codes, sets = label_codes(table, role)
    counts: Counter[str] = Counter()
    for labels, count in zip(sets, np.bincount(codes, minlength=len(sets)), strict=True):
        counts.update(dict.fromkeys(labels, int(count)))
    return +counts


def label_role(roles: Sequence[Role]) -> Role | None:
    """The first role that says which class a row is of, or None."""
    return next((role for role in roles if role.is_label), None)
