"""Rows as TensorFlow Serving writes them in JSON, so that stored examples are ready requests."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGE = 10_000  # numbers

Columns = Mapping[str, NDArray[Any]]


def as_instances(columns: Columns) -> list[dict[str, Any]]:
    """Turn arrays whose first axis is the batch into one JSON object a row.

    Text that is not valid UTF-8 becomes ``{"b64": ...}``. So do large arrays of bytes, such as the
    frames of a video, compressed and with their ``shape``: as lists they would fill the disk.
    """
    names = list(columns)
    rows = zip(*columns.values(), strict=True)
    return [{name: _plain(v) for name, v in zip(names, row, strict=True)} for row in rows]


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.size > LARGE:
        packed = base64.b64encode(zlib.compress(np.ascontiguousarray(value).data))
        return {"b64": packed.decode("ascii"), "shape": list(value.shape)}
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
