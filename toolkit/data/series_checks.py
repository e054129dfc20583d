"""Everything that can be said of series before a model sees them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from toolkit.data.frequency import Frequency
from toolkit.data.report import Finding
from toolkit.data.series import Series, find_frequency, read_series, series_findings
from toolkit.data.splits import Splits
from toolkit.data.table import Table

SHOWN = 3
HORIZONS = {"s": 60, "min": 60, "h": 48, "d": 14, "w": 13, "mo": 18, "q": 8, "y": 6}


def settled_frequency(options: Any, table: Table) -> Frequency:
    """The recipe's frequency, or the commonest step of the rows."""
    written = options.data.frequency
    if written != "auto":
        return Frequency.parse(written)
    return find_frequency(table, options.layout())


def settled_horizon(options: Any, frequency: Frequency) -> int:
    """The recipe's steps to forecast, or what is usual for the frequency."""
    written = options.task.prediction_length
    if isinstance(written, int):
        return written
    if frequency.kind == "number":
        return 12
    text = str(frequency)
    unit = text.lstrip("0123456789.")
    if unit == "min":
        return max(12, round(86_400e9 / frequency.step / 2))
    return HORIZONS[unit]


def check_series(splits: Splits, options: Any) -> list[Finding]:
    """Looks for what spoils the series of the splits.

    Errors: times out of order, doubled or off the grid; values that are no number or infinite;
    series too short for a window; missing values where the recipe refuses them. Warnings: gaps and
    missing values that will be filled; series that never change.

    Args:
        splits: The data.
        options: The recipe's.
    """
    layout = options.layout()
    frequency = settled_frequency(options, splits.train)
    found: list[Finding] = []
    for table in (splits.train, splits.validation, splits.test):
        found += series_findings(table, layout, frequency)
    if any(one.level == "error" for one in found):
        return found
    targets = layout.targets(splits.train)
    horizon = settled_horizon(options, frequency)
    context = options.task.context_length
    needed = horizon + (context if isinstance(context, int) else 1)
    for name, table in splits.items():
        series = read_series(table, layout, frequency, targets)
        found += _lengths(name, table, series, needed, horizon)
        found += _missing(name, table, series, options.data.missing)
        if name == "train":
            found += _constant(table, series, targets)
    return found


def _lengths(name: str, table: Table, series: Series, needed: int, horizon: int) -> list[Finding]:
    """No window of a split, or of a series to learn from."""
    sizes = series.ends - series.splits[:-1]
    ahead = series.ends - series.own
    short = np.flatnonzero((sizes < needed) | (ahead < horizon))
    if not len(short) or (name != "train" and len(short) < len(series)):
        return []
    first = short[0]
    have = f"{min(sizes[first], ahead[first] + needed - horizon):,}"
    which = f"series {series.ids[first]!r}" if series.ids[first] else "the series"
    more = f", and {len(short) - 1:,} more are" if len(short) > 1 else ""
    return [
        Finding(
            "error",
            f"{table.name}, {name} split",
            f"{which} is shorter than context and prediction{more}. Expected at least {needed:,} "
            f"steps, of which {horizon:,} in this split; a shorter context_length or "
            f"prediction_length needs fewer. Received: {have}.",
        )
    ]


def _missing(name: str, table: Table, series: Series, how: str) -> list[Finding]:
    if not (series.gaps or series.missing):
        return []
    what = (
        f"{series.gaps:,} steps without a row and {series.missing:,} rows with a missing value to "
        f"forecast"
    )
    where = f"{table.name}, {name} split"
    if how == "refuse":
        return [Finding("error", where, f"{what}. Expected none, as data.missing is refuse.")]
    done = "filled between their neighbours" if how == "interpolate" else "masked"
    return [Finding("warning", where, f"{what}; {done} and not scored, as data.missing is {how}.")]


def _constant(table: Table, series: Series, targets: Sequence[str]) -> list[Finding]:
    """Series that never change: nothing can be learnt of them."""
    low = np.fmin.reduceat(series.target, series.splits[:-1])
    high = np.fmax.reduceat(series.target, series.splits[:-1])
    flat = np.argwhere(~(high > low))
    if not len(flat):
        return []
    names = [f"{targets[c]!r}{f' of {series.ids[s]!r}' if series.ids[s] else ''}" for s, c in flat]
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return [
        Finding(
            "warning",
            f"{table.name}, train split",
            f"{', '.join(names[:SHOWN])}{more} never change, so their errors are not scaled.",
        )
    ]
