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
