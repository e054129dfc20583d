"""What the recipe leaves open: season, context, strength and model, by the validation part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from toolkit.data.frequency import DAY, Frequency
from toolkit.data.series import Series
from toolkit.tasks.base import Decision
from toolkit.tasks.forecasting import cutting, options, ridge, trial
from toolkit.tasks.forecasting.scaling import Scaler

if TYPE_CHECKING:
    from toolkit.data.splits import Splits
    from toolkit.tasks.forecasting.task import Forecasting

SEASONS = (4, 7, 12, 24, 48, 52, 96, 144, 168)  # tried where times are numbers
CLEAR = 0.9  # share of the last value's error below which a season is believed
LONGEST = 720  # steps of context that are tried
PAYS = 0.002  # share of the error by which a longer context must be better, each time it doubles


def season_length(frequency: Frequency) -> int:
    """Steps of the season that data of a frequency mostly has; 1 for none."""
    if frequency.kind == "number":
        return 1
    if frequency.kind == "month":
        return max(1, round(12 / frequency.step))
    if frequency.step < DAY:
        return max(1, round(DAY / frequency.step))
    if frequency.step == DAY:
        return 7
    return 52 if frequency.step == 7 * DAY else 1


def found_season(series: Series) -> int:
    """The season whose naive forecast errs least on series without dates; 1 for none."""
    errors = {season: _naive_error(series, season) for season in (1, *SEASONS)}
    best = min(errors, key=lambda season: errors[season])
    return best if errors[best] < CLEAR * errors[1] else 1


def _naive_error(series: Series, season: int) -> float:
    """Mean absolute seasonal difference, each series by its deviation."""
    found = []
    for start, end in zip(series.splits[:-1], series.splits[1:], strict=True):
        values = series.target[start:end]
        if len(values) > 2 * season:
            apart = np.abs(values[season:] - values[:-season])
            found.append(np.nanmean(apart) / max(float(np.nanstd(values)), 1e-12))
    return float(np.mean(found)) if found else np.inf


def settle(task: Forecasting, splits: Splits, series: Series) -> None:
    """Settle a task's scaler, context, strength and model."""
    validation = task.read(splits.validation)
    plain = task.fit_scaler(series, 1)
    candidates = contexts(task, series, validation)
    scalers = {"no seasonal profile": plain}
    if task.season > 1:
        scalers[f"a profile of {task.season} steps"] = task.fit_scaler(series, task.season)
    tried = {name: _try(task, scaler, candidates, series, validation)
             for name, scaler in scalers.items()}  # fmt: skip
    name = min(tried, key=lambda one: tried[one][0])
    error, context, strength = tried[name]
    task.scaler = scalers[name]
    task.context_length = context
    others = ", ".join(f"{one} {tried[one][0]:.4g}" for one in tried)
    task.decisions["task.profile"] = Decision(
        task.scaler.season, f"validation error of a linear forecast: {others}"
    )
    if task.options.task.context_length == "auto":
        task.decisions["task.context_length"] = Decision(
            context, f"of {', '.join(map(str, candidates))}, by validation error {error:.4g}"
        )
    task.windows = len(task.cut(series))
    before = cutting.histories(task, series)
    task.shortest = int(before[before > 0].min())
    if task.model_options == "auto":
        task.strength = strength
        task.model_options = options.LinearModel()
        task.model_options, task.decisions["model"] = trial.choose(task, series, validation)
    written = getattr(task.model_options, "strength", "auto")
    task.strength = float(strength if written == "auto" else written)
    if written == "auto":
        task.decisions["model.strength"] = Decision(task.strength, "by validation error")


def contexts(task: Forecasting, series: Series, validation: Series) -> list[int]:
    """Lengths of context to choose from, shortest first: at least half of the windows have it."""
    written = task.options.task.context_length
    if written != "auto":
        return [int(written)]
    season, ahead = max(task.season, 1), task.prediction_length
    most = series.ends - series.splits[:-1] - ahead  # history of each series' last window
    windows = np.maximum(most - np.arange(LONGEST + 1)[:, None], 0).sum(axis=1)
    longest = max(1, int(np.sum(2 * windows >= windows[0])) - 1)
    base = season if 8 <= season <= LONGEST // 2 else 12
    multiples = [base * n for n in (1, 2, 4, 7, 14, 21, 30) if base * n <= longest]
    return multiples or [longest]


def _try(
    task: Forecasting, scaler: Scaler, candidates: list[int], series: Series, validation: Series
) -> tuple[float, int, float]:
    """Validation error, context and strength of the best linear forecast with a scaler."""
    task.scaler = scaler
    task.context_length = candidates[-1]
    train = ridge.moments(task.cut(series))
    held = ridge.moments(task.cut(validation))
    best: tuple[float, int, float] | None = None
    for context in candidates:
        strength, error = ridge.best_strength(train.shorter(context), held.shorter(context))
        if best is None or error < best[0] * (1 - PAYS * np.log2(context / best[1])):
            best = (error, context, strength)
    assert best is not None
    return best
