"""Rolling origins: the linear map fitted anew at each, on all that came before."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data.series import Series
from toolkit.tasks.forecasting import reporting, ridge

if TYPE_CHECKING:
    from toolkit.tasks.forecasting.task import Forecasting

SCORES = ("mse", "mae", "mase", "smape")


def backtests(task: Forecasting, series: Series, folds: int) -> dict[str, dict[str, Any]]:
    """Points of each fold of a split, by a map that has seen all steps before the fold.

    Scales and the seasonal profile stay those of the training part, so that the folds' errors are
    in one unit.

    Args:
        task: prepared; its strength and lengths are kept.
        series: of the split, with the rows before it.
        folds: how many equal stretches the split is cut into.

    Returns:
        Scores by the fold's first time; folds too short for a window are left out.
    """
    found = {}
    width = series.ends - series.own
    for fold in range(folds):
        start = series.own + width * fold // folds
        end = series.own + width * (fold + 1) // folds
        if (end - start < task.prediction_length).all():
            continue
        before = task.cut(replace(series, own=series.splits[:-1], ends=start))
        weights = ridge.moments(before).solve(task.strength)
        windows = task.cut(replace(series, own=start, ends=end))
        scores = reporting.score_map(task, weights, windows).scores(quantiles=False)
        place = start[0] - series.splits[0]
        first = series.frequency.at(series.starts[:1], np.array([place]))[0]
        found[str(first)[:19]] = {"windows": len(windows)} | {
            name: scores[name] for name in SCORES if name in scores
        }
    return found
