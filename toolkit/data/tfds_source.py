"""TensorFlow Datasets as tables: ``tfds:NAME[/CONFIG][:VERSION][:SPLIT]``.

TensorFlow is imported only when such a name is opened.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from toolkit.data.table import Source, Table
from toolkit.data.tfds_videos import keep_videos, video_features, with_files
from toolkit.errors import DataError

TFDS_PREFIX = "tfds:"

# Versions are digits, splits begin with a letter and may be sliced: train[:90%].
_NAME = re.compile(r"(?P<name>[^:]+(?::[\d*][\w.*]*)?)(?::(?P<split>[A-Za-z_].*))?")


def tfds_splits(uri: str, data_dir: str | None) -> list[str]:
    """The splits of a data set, downloaded and prepared where it is not yet.

    Raises:
        DataError: No such data set, or it cannot be prepared.
    """
    return [str(split) for split in _builder(uri, data_dir).info.splits]


def named_split(uri: str) -> str | None:
    """The split that the name itself gives, such as ``train[:90%]``, or None."""
    return _parse(uri)[1]


def open_tfds(uri: str, split: str, data_dir: str | None) -> Table:
    """Opens one split; the columns are the features' names.

    Text is decoded, the numbers of a ``ClassLabel`` become its names (-1: missing), arrays such
    as audio stay arrays, videos become files in the cache, nested features are named
    ``outer/inner``.

    Args:
        uri: The name.
        split: The split where the name has none.
        data_dir: Where TFDS keeps its data; None: its own default.

    Raises:
        DataError: No such data set or split, or it cannot be prepared.
    """
    import tensorflow_datasets as tfds

    wanted = named_split(uri) or split
    builder = _builder(uri, data_dir)
    videos = video_features(builder.info.features)
    decoders = dict.fromkeys(videos, tfds.decode.SkipDecoding()) or None
    folder = Path()
    try:
        dataset = tfds.as_numpy(builder.as_dataset(split=wanted, decoders=decoders))
        if videos:
            identity = {"name": builder.info.full_name, "split": wanted}
            folder = keep_videos(identity, videos, lambda: dataset)
        rows = list(with_files(dataset, videos))
    except ValueError as error:
        raise DataError(f"{uri}: no split {wanted!r}. Received: {_first_line(error)}") from error
    if not rows:
        raise DataError(f"{uri}: no rows in split {wanted!r}. Expected at least one.")
    frame = _frame([dict(_flat(row)) for row in rows], dict(_flat(builder.info.features)))
    name = f"{TFDS_PREFIX}{_parse(uri)[0]}:{wanted}"
    source = Source(name, "example", _sha256(frame), folder)
    return Table.from_source(frame, source)


def _parse(uri: str) -> tuple[str, str | None]:
    match = _NAME.fullmatch(uri.removeprefix(TFDS_PREFIX))
    if match is None:
        raise DataError(
            f"{uri}: not a data set's name. Expected {TFDS_PREFIX}NAME[/CONFIG][:VERSION][:SPLIT]. "
            f"Received: {uri!r}."
        )
    return match["name"], match["split"]


def _builder(uri: str, data_dir: str | None) -> Any:
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(_parse(uri)[0], data_dir=data_dir)
        builder.download_and_prepare()
    except (ValueError, OSError, RuntimeError, AssertionError, ImportError) as error:
        where = f"data_dir {data_dir!r}" if data_dir else "the default data_dir"
        raise DataError(
            f"{uri}: the data set cannot be opened in {where}. Expected a name of the TFDS "
            f"catalogue, prepared there or able to be downloaded. Received: {_first_line(error)}"
        ) from error
    return builder


def _flat(features: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in features.items():
        if hasattr(value, "items"):
            yield from _flat(value, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", value


def _frame(rows: list[dict[str, Any]], features: dict[str, Any]) -> pd.DataFrame:
    columns = {name: _column([row[name] for row in rows], features.get(name)) for name in rows[0]}
    return pd.DataFrame(columns)


def _column(values: list[Any], feature: Any) -> "pd.Series[Any]":
    label_name: Callable[[int], str] | None = getattr(feature, "int2str", None)
    if label_name is not None:
        return pd.Series([label_name(int(v)) if v >= 0 else None for v in values])
    if isinstance(values[0], bytes):
        return pd.Series([value.decode("utf-8", errors="replace") or None for value in values])
    if np.ndim(values[0]):
        return pd.Series(values, dtype=object)
    return pd.Series(np.asarray(values))


def _sha256(frame: pd.DataFrame) -> str:
    digest = hashlib.sha256()
    for name in frame.columns:
        digest.update(f"{name}\n".encode())
        for value in frame[name]:
            digest.update(
                value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode()
            )
    return digest.hexdigest()


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0]
