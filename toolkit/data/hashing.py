"""Hashes of rows and tables that do not depend on where a row lies."""

import hashlib
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

CHUNK = 100_000  # rows that are text at a time


def row_hashes(frame: pd.DataFrame) -> NDArray[np.uint64]:
    """A 64-bit hash of each row's values, (rows,); the same row has it in any file or order.

    Values count as their text, so that 1 in a csv file equals "1" in a jsonl file.
    """
    starts = range(0, max(len(frame), 1), CHUNK)
    return np.concatenate([_hashes(frame.iloc[start : start + CHUNK]) for start in starts])


def _hashes(frame: pd.DataFrame) -> NDArray[np.uint64]:
    text = pd.DataFrame({name: _column_text(frame[name]) for name in frame.columns})
    hashes = pd.util.hash_pandas_object(text, index=False, categorize=False)
    return np.asarray(hashes, np.uint64)


def frame_sha256(frame: pd.DataFrame) -> str:
    """Content hash of a data frame, its index aside, in hexadecimal."""
    digest = hashlib.sha256(repr([str(name) for name in frame.columns]).encode())
    digest.update(row_hashes(frame).tobytes())
    return digest.hexdigest()


def shuffled_order(hashes: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """Keys, (rows,), that put rows in an order drawn from the seed and the rows alone.

    The mixing function is SplitMix64's finaliser (Steele, Lea and Flood 2014).
    """
    with np.errstate(over="ignore"):
        mixed = hashes + np.uint64((seed + 1) * 0x9E3779B97F4A7C15 % 2**64)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _column_text(values: "pd.Series[Any]") -> NDArray[np.object_]:
    if isinstance(values.dtype, pd.StringDtype):
        return values.to_numpy(object, na_value="")
    return values.map(_text).to_numpy(object)


def _text(value: object) -> str:
    if isinstance(value, float):
        return "" if np.isnan(value) else str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, np.ndarray):
        return hashlib.sha256(value.tobytes()).hexdigest()
    return "" if value is None or value is pd.NaT or value is pd.NA else str(value)
