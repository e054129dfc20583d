"""What the recipe leaves open: season, context, strength and model, by the validation part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from toolkit.data.frequency import DAY, Frequency
from toolkit.data.series import Series
from toolkit.tasks.base import Decision
from toolkit.tasks.forecasting import (
    cutting,
    individual,
    models,
    options,
    origins,
    ridge,
    trial,
)
from toolkit.tasks.forecasting.scaling import Scaler

if TYPE_CHECKING:
    from toolkit.data.splits import Splits
    from toolkit.tasks.forecasting.task import Forecasting

SEASONS = (4, 7, 12, 24, 48, 52, 96, 144, 168)  # tried where times are numbers
CLEAR = 0.9  # share of the last value's error below which a season is believed
LONGEST = 720  # steps of context that are tried
PAYS = 0.002  # share of the error that a profile must save, or a context each time it doubles
TOWARD = ("last_value", "seasonal_naive", "moving_average")  # all tried on little data of a season


def season_length(frequency: Frequency) -> int:
    """Steps of the season that data of a frequency mostly has; 1 for none."""
    if frequency.kind == "number":
        return 1
    if frequency.kind == "month":
        return max(1, round(12 / frequency.step))
    if frequency.kind == "weekday":
        return max(1, round(5 / frequency.step))
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
    """Settle a task's scaler, context, the linear map's strength, and the model."""
    validation = task.read(splits.validation)
    earlier, last = origins.origins(task, series), origins.Origin(series, validation)
    grid = _grid(task, contexts(task, series, validation), little=bool(earlier))
    seasons = {"no seasonal profile": 1}
    if task.season > 1:
        seasons[f"a profile of {task.season} steps"] = task.season
    tried = {name: _try(task, last, season, grid) for name, season in seasons.items()}
    choice, *profiles = tried.values()
    if profiles and profiles[0].error < choice.error * (1 - PAYS):
        choice = profiles[0]
    task.context_length = choice.context
    task.strength, task.toward = choice.strength, choice.toward
    counted = task.options.task.distribution == "negative_binomial"  # its quantiles are counts
    if earlier and not counted and not isinstance(task.model_options, options.Baseline):
        task.widening = origins.widening(task, [*earlier, last], choice.scaler.season)
        reason = f"quantiles: errors after {len(earlier) + 1} origins beside those before them"
        task.decisions["task.widening"] = Decision(round(task.widening, 3), reason)
    task.scaler = choice.scaler
    others = ", ".join(f"{one} {tried[one].error:.4g}" for one in tried)
    task.decisions["task.profile"] = Decision(
        task.scaler.season, f"validation error of a linear forecast: {others}"
    )
    if task.options.task.context_length == "auto":
        task.decisions["task.context_length"] = Decision(
            choice.context,
            f"of {', '.join(map(str, grid.contexts))}, by validation error {choice.error:.4g}",
        )
    task.windows = len(task.cut(series))
    individual.settle(task, last, choice.weights, little=bool(earlier))
    before = cutting.histories(task, series)
    task.shortest = int(before[before > 0].min())
    if task.model_options == "auto":
        task.model_options = options.LinearModel()
        task.model_options, task.decisions["model"] = trial.choose(task, series, validation)
    _settle_size(task)
    several = "by validation error" if len(grid.towards) > 1 else "no season, or much data"
    for key, reason in (("strength", "by validation error"), ("toward", several)):
        if getattr(task.model_options, key, "auto") == "auto":
            task.decisions[f"model.{key}"] = Decision(getattr(task, key), reason)


def _settle_size(task: Forecasting) -> None:
    """Settle the sizes that a network's section leaves open."""
    windows, written = task.windows * len(task.targets), task.model_options
    task.model_options = models.sized(written, windows)
    for name, value in task.model_options.model_dump().items():
        if getattr(written, name, None) == "auto" and value != "auto":
            task.decisions[f"model.{name}"] = Decision(value, f"{windows:,} training windows")


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


@dataclass(frozen=True)
class Grid:
    """The linear forecasts that are tried."""

    contexts: list[int]
    strengths: tuple[float, ...]
    towards: tuple[str, ...]


def _grid(task: Forecasting, contexts: list[int], *, little: bool) -> Grid:
    """What the recipe names of a linear map, and what is usual of the rest."""
    written = task.model_options
    linear = written if isinstance(written, options.LinearModel) else options.LinearModel()
    strengths = ridge.STRENGTHS if linear.strength == "auto" else (linear.strength,)
    towards = TOWARD if little and task.season > 1 else TOWARD[:1]
    if linear.toward != "auto":
        towards = (linear.toward,)
    return Grid(contexts, strengths, towards)


@dataclass(frozen=True)
class Choice:
    """A linear forecast, its mean squared error on the validation part first."""

    error: float
    context: int
    strength: float
    toward: str
    scaler: Scaler
    weights: ridge.Floats


def _try(task: Forecasting, origin: origins.Origin, season: int, grid: Grid) -> Choice:
    """The best linear forecast with a profile of so many steps."""
    task.context_length = grid.contexts[-1]
    learnt, held = origin.moments(task, season)
    best: Choice | None = None
    for context in grid.contexts:
        found = _best_of_context(task, learnt.shorter(context), held.shorter(context), grid)
        if best is None or found.error < best.error * (1 - PAYS * np.log2(context / best.context)):
            best = found
    assert best is not None
    return best


def _best_of_context(
    task: Forecasting, learnt: ridge.Moments, held: ridge.Moments, grid: Grid
) -> Choice:
    """The strength, and the baseline to shrink towards, with the smallest error."""
    assert task.scaler is not None
    context, ahead = len(learnt.inputs) - 1, task.prediction_length
    towards = [ridge.toward(name, context, ahead, task.season) for name in grid.towards]
    best: Choice | None = None
    for strength in grid.strengths:
        maps = learnt.solutions(strength, np.stack(towards))
        for name, weights in zip(grid.towards, maps, strict=True):
            error = held.error(weights)
            if best is None or error < best.error:
                best = Choice(error, context, strength, name, task.scaler, weights)
    assert best is not None
    return best
