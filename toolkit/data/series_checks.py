"""Everything that can be said of series before a model sees them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.data.columns import parse_numbers
from toolkit.data.frequency import Frequency
from toolkit.data.report import Finding, row_finding
from toolkit.data.series import Series
from toolkit.data.series_reading import read_series
from toolkit.data.series_rows import find_frequency, series_findings
from toolkit.data.splits import Splits
from toolkit.data.table import Table

SHOWN = 3
HORIZONS = {"s": 60, "min": 60, "h": 48, "d": 14, "b": 10, "w": 13, "mo": 18, "q": 8, "y": 6}


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
    no series long enough for a window; missing values where the recipe refuses them. Warnings: gaps
    and missing values that will be filled; series that never change; some that are too short.

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
    if options.task.distribution == "negative_binomial":
        found += [one for _, table in splits.items() for one in _no_counts(table, targets)]
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


def _no_counts(table: Table, targets: Sequence[str]) -> list[Finding]:
    """Values that a distribution of counts cannot give."""
    found = []
    for name in targets:
        values, _ = parse_numbers(table.frame[name])
        wrong = np.flatnonzero((values < 0) | (values != np.round(values)) & ~np.isnan(values))
        if len(wrong):
            what = f"column {name!r} holds {values[wrong[0]]:g}"
            expected = "counts, 0 or more, as task.distribution is negative_binomial"
            found.append(row_finding("error", table, wrong, what, expected))
    return found


def _lengths(name: str, table: Table, series: Series, needed: int, horizon: int) -> list[Finding]:
    """Series without a window in a split, or with a shorter history than the context.

    An error where no series is long enough.
    """
    sizes = series.ends - series.splits[:-1]
    ahead = series.ends - series.own
    without = np.flatnonzero((sizes <= horizon) | (ahead < horizon))
    short = np.flatnonzero((sizes < needed) | (ahead < horizon))
    if not len(short):
        return []
    where = f"{table.name}, {name} split"
    if max(len(without), len(short) if name == "train" else 0) == len(series):
        first = short[0]
        have = f"{min(sizes[first], ahead[first] + needed - horizon):,}"
        which = f"series {series.ids[first]!r}" if series.ids[first] else "the series"
        more = f", and {len(short) - 1:,} more are" if len(short) > 1 else ""
        what = (
            f"{which} is shorter than context and prediction{more}. Expected at least {needed:,} "
            f"steps, of which {horizon:,} in this split; a shorter context_length or "
            f"prediction_length needs fewer. Received: {have}."
        )
        return [Finding("error", where, what)]
    found = []
    if len(without):
        what = f"shorter than a window; not {'learnt from' if name == 'train' else 'scored'}."
        found.append(_some_series(where, series, without, what))
    filled = np.setdiff1d(short, without)
    if len(filled):
        what = "shorter than context and prediction; steps without a value stand before them."
        found.append(_some_series(where, series, filled, what))
    return found


def _some_series(where: str, series: Series, which: NDArray[np.int64], what: str) -> Finding:
    names = ", ".join(repr(series.ids[number]) for number in which[:SHOWN])
    more = f" and {len(which) - SHOWN:,} more" if len(which) > SHOWN else ""
    return Finding("warning", where, f"of {len(series):,} series {names}{more}: {what}")


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
    never = "never changes, so its" if len(names) == 1 else "never change, so their"
    what = f"{', '.join(names[:SHOWN])}{more} {never} errors are not scaled."
    return [Finding("warning", f"{table.name}, train split", what)]
