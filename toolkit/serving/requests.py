"""Rows as TensorFlow Serving writes them in JSON, so that stored examples are ready requests."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Columns = Mapping[str, NDArray[Any]]


def as_instances(columns: Columns) -> list[dict[str, Any]]:
    """Turn arrays whose first axis is the batch into one JSON object a row.

    Text that is not valid UTF-8 becomes ``{"b64": ...}``.
    """
    names = list(columns)
    rows = zip(*columns.values(), strict=True)
    return [{name: _plain(v) for name, v in zip(names, row, strict=True)} for row in rows]


def first_rows(columns: Columns, count: int) -> dict[str, NDArray[Any]]:
    """Take the first ``count`` rows of each column."""
    return {name: values[:count] for name, values in columns.items()}


def with_edge_cases(columns: Columns, *, length: int = 2000) -> dict[str, NDArray[Any]]:
    """Add an empty and an over-long row where every input is text; else leave the rows alone.

    Args:
        columns: raw inputs, at least one row.
        length: words of the over-long row.
    """
    if not all(values.dtype.kind in "OSU" and values.ndim == 1 for values in columns.values()):
        return dict(columns)
    return {name: _with_edges(values, length) for name, values in columns.items()}


def _with_edges(texts: NDArray[Any], length: int) -> NDArray[Any]:
    words = _text(texts[0]).split() or ["word"]
    long = " ".join((words * (length // len(words) + 1))[:length])
    return np.array([*map(_text, texts), "", long], dtype=object)


def _text(value: Any) -> str:
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode("ascii")}
