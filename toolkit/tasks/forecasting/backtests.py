"""Rolling origins: stretches of a split, scored each by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from toolkit.data.series import Series
from toolkit.data.windows import WindowExamples
from toolkit.tasks.forecasting import cutting, options, reporting

if TYPE_CHECKING:
    from toolkit.tasks.forecasting.task import Forecasting

SCORES = ("mse", "mae", "mase", "smape")
Ends = NDArray[np.int64]


def backtests(
    task: Forecasting,
    forecast: NDArray[Any],
    examples: WindowExamples,
    series: Series,
    folds: int,
) -> dict[str, dict[str, Any]]:
    """Scores of each fold of a split.

    A linear model's points are those of a map that is fitted anew at each origin, on all steps
    before the fold. Scales and the seasonal profile stay those of the training part, so that the
    folds' errors are in one unit. A network stays as it was trained.

    Args:
        task: prepared; its strength and lengths are kept.
        forecast: of the windows, in units.
        examples: the windows of the split.
        series: of the split, with the rows before it.
        folds: how many equal stretches the split is cut into.

    Returns:
        Scores by the fold's first time; folds too short for a window are left out.
    """
    anew = isinstance(task.model_options, options.LinearModel)
    found = {}
    width = series.ends - series.own
    for fold in range(folds):
        start, end = width * fold // folds, width * (fold + 1) // folds
        if (end - start < task.prediction_length).all():
            continue
        if anew:
            windows, scores = _fitted(task, series, series.own + start, series.own + end)
        else:
            windows, scores = _trained(task, forecast, examples, series, start, end)
        place = series.own[:1] + start[:1] - series.splits[:1]
        first = series.frequency.at(series.starts[:1], place)[0]
        found[str(first)[:19]] = {"windows": windows} | {
            name: scores[name] for name in SCORES if name in scores
        }
    return found


def _fitted(task: Forecasting, series: Series, start: Ends, end: Ends) -> tuple[int, Any]:
    """Windows and scores between rows, by a map that has seen all steps before them."""
    before = task.cut(replace(series, own=series.splits[:-1], ends=start))
    weights = task.linear_map(before)
    windows = task.cut(replace(series, own=start, ends=end))
    return len(windows), reporting.score_map(task, weights, windows).scores(quantiles=False)


def _trained(
    task: Forecasting,
    forecast: NDArray[Any],
    examples: WindowExamples,
    series: Series,
    start: Ends,
    end: Ends,
) -> tuple[int, Any]:
    """Windows and scores between steps of the split, by the answers that there are."""
    own = cutting.lengthened(task, series).own
    place = examples.starts - own[examples.series]
    ahead = task.prediction_length
    inside = (place >= start[examples.series]) & (place + ahead <= end[examples.series])
    rows = np.flatnonzero(inside)
    return len(rows), reporting.scorer(task, forecast[rows], examples.taken(rows)).scores()
