"""Windows cut from series, and the raw inputs that they stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import NDArray

from toolkit.data.columns import Column
from toolkit.data.frequency import wall_seconds
from toolkit.data.series import Series
from toolkit.data.table import Table
from toolkit.data.windows import WindowExamples
from toolkit.errors import DataError

if TYPE_CHECKING:
    from toolkit.tasks.forecasting.task import Forecasting

ROWS = 100_000  # preprocessed at a time


def histories(task: Forecasting, series: Series) -> NDArray[np.int64]:
    """Steps before the first window of each series, at most the context; 0 where there is none.

    Windows to learn from have the whole context before them, where the series is that long.
    """
    own = series.own - series.splits[:-1]
    most = series.ends - series.splits[:-1] - task.prediction_length
    before = np.where(own > 0, np.minimum(own, most), most)
    return np.asarray(np.clip(before, 0, task.context_length))


def lengthened(task: Forecasting, series: Series) -> Series:
    """The same, where a context reaches before a series with steps of no value there."""
    before = histories(task, series)
    lacking = np.where(before > 0, task.context_length - before, 0)
    return series.padded(lacking, 0) if lacking.any() else series


def windows(task: Forecasting, series: Series) -> WindowExamples:
    """Windows whose steps to forecast are all among the series' own rows."""
    context, ahead = task.context_length, task.prediction_length
    whole = lengthened(task, series)
    first = np.maximum(whole.own, whole.splits[:-1] + context)
    counts = np.maximum(whole.ends - ahead + 1 - first, 0)
    numbers = np.repeat(np.arange(len(whole)), counts)
    begins = np.cumsum(counts) - counts
    starts = np.arange(int(counts.sum())) + np.repeat(first - begins, counts)
    if not len(starts):
        raise DataError(
            f"no series is long enough for a window. Expected a prediction_length of {ahead:,} "
            f"steps and one before them. Received: "
            f"{int((series.ends - series.splits[:-1]).max()):,}."
        )
    return _windows(task, whole, starts, numbers, True)


def last_windows(task: Forecasting, table: Table, series: Series) -> WindowExamples:
    """A window of each series: the steps after its last value.

    Raises:
        DataError: a history is shorter than any in training and than the context, or a column that
            is known ahead ends.
    """
    ahead = task.prediction_length
    short = np.flatnonzero(series.ends - series.splits[:-1] < task.shortest)
    if len(short):
        have = int(series.ends[short[0]] - series.splits[short[0]])
        raise DataError(
            f"{table.name}: {_called(series, short[0])} has too short a history. Expected at "
            f"least {task.shortest:,} steps. Received: {have:,}."
        )
    padded = _with_context(task, series)
    starts = padded.ends
    if task.layout.known and task.reads_features:
        known = padded.known[starts[:, None] + np.arange(ahead)]
        lacking = np.flatnonzero(np.isnan(known).any(axis=(1, 2)))
        if len(lacking):
            names = ", ".join(str(column) for column in task.layout.known)
            raise DataError(
                f"{table.name}: {_called(series, lacking[0])} lacks values known ahead. "
                f"Expected {ahead} rows after the last target with {names}, the target left "
                f"empty. Received: {int((~np.isnan(known[lacking[0]]).any(1)).sum())} rows."
            )
    return _windows(task, padded, starts, np.arange(len(series)), False)


def _with_context(task: Forecasting, series: Series) -> Series:
    """The same with a whole context before the end of each series, and the steps ahead after it."""
    lacking = np.maximum(task.context_length - (series.ends - series.splits[:-1]), 0)
    return series.padded(lacking, task.prediction_length)


def _windows(
    task: Forecasting,
    series: Series,
    starts: NDArray[np.int64],
    numbers: NDArray[np.int64],
    targets: bool,
) -> WindowExamples:
    """Windows over preprocessed rows: each row goes through the graph as a batch of one."""
    assert task.scaler is not None
    of_series = task.scaler.numbers(series.ids)
    raw = _raw_rows(task, series)
    parts = []
    for start in range(0, len(series.target), ROWS):
        part = {name: tf.constant(value[start : start + ROWS]) for name, value in raw.items()}
        parts.append({name: np.asarray(value)[:, 0] for name, value in
                      task.preprocess(part).items() if name != "scale"})  # fmt: skip
    rows = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return WindowExamples(
        past={name: rows[name] for name in ("target", "past") if name in rows},
        span={name: rows[name] for name in ("season", "known") if name in rows},
        fixed={"scale": np.asarray(task.scaler.statistics(of_series))},
        target=rows["target"] if targets else None,
        starts=starts,
        series=numbers,
        context_length=task.context_length,
        prediction_length=task.prediction_length,
        ids=series.ids,
    )


def _raw_rows(task: Forecasting, series: Series) -> dict[str, NDArray[Any]]:
    """Each row as a batch of one window of one step."""
    raw: dict[str, NDArray[Any]] = {"target": series.target[:, None]}
    if task.layout.id is not None:
        raw["id"] = np.array(series.ids, object)[series.numbers]
    if task.reads_time:
        raw["time"] = wall_seconds(series.times(), task.options.data.time_zone)[:, None]
    if task.reads_features:
        for name, values in (("past", series.past), ("known", series.known)):
            if values.shape[1]:
                raw[name] = values[:, None]
    return raw


def raw_windows(task: Forecasting, series: Series) -> dict[str, NDArray[Any]]:
    """The window of each series that ends with its last value."""
    series = _with_context(task, series)
    rows = _raw_rows(task, series)
    past = series.ends[:, None] + np.arange(-task.context_length, 0)
    whole = series.ends[:, None] + np.arange(-task.context_length, task.prediction_length)
    places = {"target": past, "past": past, "known": whole, "time": whole}
    raw = {name: rows[name][place, 0] for name, place in places.items() if name in rows}
    if "id" in rows:
        raw["id"] = np.array(series.ids, object)
    return {name: value.astype(np.float32) if value.dtype == np.float64 else value
            for name, value in raw.items()}  # fmt: skip


def kept(task: Forecasting, table: Table, count: int) -> Table:
    """The last rows of some series, as many as a window has, for the export's examples."""
    series = task.read(table)
    ahead = task.prediction_length if task.layout.known else 0
    sizes = series.ends - series.splits[:-1] - ahead
    long = np.flatnonzero(sizes >= task.shortest)
    long = long[np.argsort(-np.minimum(sizes[long], task.context_length), kind="stable")][:count]
    zone = task.options.data.time_zone
    frames = []
    for number in long:
        end = series.ends[number] - ahead
        places = np.arange(end - min(sizes[number], task.context_length), end + ahead)
        moments = series.times()[places]
        if moments.dtype.kind == "M":
            stamps = pd.DatetimeIndex(moments)
            if zone is not None:
                stamps = stamps.tz_localize("UTC").tz_convert(zone)
            moments = np.array([stamp.isoformat() for stamp in stamps], object)
        frame = pd.DataFrame({str(task.layout.time): moments})
        if task.layout.id is not None:
            frame[str(task.layout.id)] = series.ids[number]
        target = np.where(places[:, None] < end, series.target[places], np.nan)
        columns = [(task.targets, target), (task.layout.past, series.past[places]),
                   (task.layout.known, series.known[places])]  # fmt: skip
        for names, values in columns:
            for place, name in enumerate(names):
                frame[str(name)] = _written(task, name, values[:, place])
        frames.append(frame)
    if not frames:
        raise DataError(f"{table.name}: no series has {task.shortest + ahead:,} steps to be kept.")
    whole = pd.concat(frames, ignore_index=True)
    return Table.from_source(whole, table.sources[0], range(1, len(whole) + 1))


def _written(task: Forecasting, column: Column, values: NDArray[np.float64]) -> Any:
    """Numbers as a table has them: a category by its word."""
    if column not in task.layout.categorical:
        return values
    words = [*task.layout.words[column], ""]
    return ["" if np.isnan(value) else words[int(value)] for value in values]


def _called(series: Series, number: int) -> str:
    return f"series {series.ids[number]!r}" if series.ids[number] else "the series"
