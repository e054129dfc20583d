"""Label names and their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from toolkit.data.report import raise_all, row_finding
from toolkit.data.roles import Role, labels_of
from toolkit.data.table import Table
from toolkit.errors import DataError, RecipeError


def label_names(table: Table, role: Role) -> list[str]:
    """The labels that occur, in the order of their numbers where they are numbers.

    Raises:
        DataError: fewer than two.
    """
    names = sorted({name for names in labels_of(table, role) for name in names})
    if len(names) < 2 and role.kind == "label":
        raise DataError(
            f"{table.name}: column {role.column!r} has one label. Expected at least two different "
            f"labels to tell apart. Received: {names}."
        )
    if all(name.lstrip("-").isdigit() for name in names):
        names.sort(key=int)
    return names


def encode_labels(table: Table, role: Role, names: Sequence[str]) -> NDArray[Any]:
    """``(rows,)`` numbers of the labels, or ``(rows, labels)`` of 0 and 1 for several at once.

    Raises:
        DataError: a label that is not among ``names``; names the rows.
    """
    numbers = {name: number for number, name in enumerate(names)}
    rows = labels_of(table, role)
    unknown = [i for i, row in enumerate(rows) if any(name not in numbers for name in row)]
    if unknown:
        strange = sorted({name for i in unknown for name in rows[i] if name not in numbers})
        what = f"label {strange[0]!r} is not among the training labels"
        raise_all([row_finding("error", table, unknown, what, f"one of {', '.join(names)}")])
    if role.kind == "label":
        return np.array([numbers[row[0]] for row in rows], np.int32)
    encoded = np.zeros((len(rows), len(names)), np.float32)
    for i, row in enumerate(rows):
        encoded[i, [numbers[name] for name in row]] = 1
    return encoded


def class_weights(
    option: Literal["none", "balanced"] | Mapping[str, float],
    encoded: NDArray[Any],
    names: Sequence[str],
) -> NDArray[np.float64]:
    """What an example of each label counts, ``(labels,)``.

    ``balanced``: each label's examples count as much together as another's.

    Raises:
        RecipeError: a weight for a label that does not occur.
    """
    if option == "none":
        return np.ones(len(names))
    if option == "balanced":
        counts = np.bincount(encoded, minlength=len(names)) if encoded.ndim == 1 else encoded.sum(0)
        return np.asarray(counts.sum() / np.maximum(counts, 1) / len(names), np.float64)
    for name in option:
        if name not in names:
            raise RecipeError(
                f"task.class_weights: label {name!r} does not occur. Expected one of "
                f"{', '.join(names)}."
            )
    return np.array([option.get(name, 1.0) for name in names])


def example_weights(encoded: NDArray[Any], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """What each example counts: its label's weight, or the mean of its labels' weights."""
    if encoded.ndim == 1:
        return np.asarray(weights[encoded])
    given = encoded.sum(1)
    return np.where(given > 0, encoded @ weights / np.maximum(given, 1), 1.0)
