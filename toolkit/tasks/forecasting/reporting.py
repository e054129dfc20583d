"""What is said of forecasts: scores beside the baselines', tables, frames, the export's card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.data.series import Series
from toolkit.data.windows import WindowExamples
from toolkit.metrics.forecasting import ForecastScorer
from toolkit.tasks.forecasting import clock, distributions, ridge

if TYPE_CHECKING:
    from toolkit.tasks.forecasting.task import Forecasting

CHUNK = 2**22  # numbers at a time
BASELINES = ("last_value", "seasonal_naive", "moving_average", "drift")
STEPS_SHOWN = 24
MEANINGS = {
    "deviation": "the distribution's deviation (of Student's t its scale), in original units",
    "degrees": "degrees of freedom of Student's t",
    "dispersion": "of counts: their variance is mean + dispersion * mean^2",
}


def scorer(task: Forecasting, forecast: NDArray[Any], examples: WindowExamples) -> ForecastScorer:
    """Scores of ``(windows, steps, targets, 1 + levels)`` forecasts."""
    levels = task.options.task.quantiles
    found = _scorer(task, levels, examples)
    for rows, batch in _parts(examples):
        part = forecast[rows]
        _add(task, found, batch, rows, examples, part[..., 0], part[..., 1:])
    return found


def score_map(task: Forecasting, weights: NDArray[Any], examples: WindowExamples) -> ForecastScorer:
    """The same of a linear map and its bias, or those of each target, points alone."""
    found = _scorer(task, task.options.task.quantiles, examples)
    context = task.context_length
    for rows, batch in _parts(examples):
        history = batch.inputs["target"]
        ahead: Any = 0.0
        if "season" in batch.inputs:
            season = batch.inputs["season"]
            history, ahead = history - season[:, :context], season[:, context:]
        history = ridge.fill(history)
        level = history[:, -1:]
        point = ridge.project(history - level, weights) + level + ahead
        center, scale = batch.inputs["scale"][:, :1], batch.inputs["scale"][:, 1:]
        _add(task, found, batch, rows, examples, point * scale + center, None)
    return found


def baseline_scores(task: Forecasting, examples: WindowExamples) -> dict[str, ForecastScorer]:
    """The same of each baseline, points alone."""
    context = task.context_length
    maps = {kind: ridge.baseline(kind, context, task.prediction_length, task.season)
            for kind in BASELINES}  # fmt: skip
    found = {kind: _scorer(task, task.options.task.quantiles, examples) for kind in maps}
    for rows, batch in _parts(examples):
        history = ridge.fill(batch.inputs["target"])
        center, scale = batch.inputs["scale"][:, :1], batch.inputs["scale"][:, 1:]
        for kind, weights in maps.items():
            point = np.einsum("btc,th->bhc", history, weights.astype(np.float32))
            _add(task, found[kind], batch, rows, examples, point * scale + center, None)
    return found


def _scorer(task: Forecasting, levels: Sequence[float], examples: WindowExamples) -> ForecastScorer:
    series = int(examples.series.max()) + 1
    return ForecastScorer(levels, task.prediction_length, series * len(task.targets))


def _parts(examples: WindowExamples) -> Any:
    """Row numbers and batches of all windows in order."""
    assert examples.rows is not None
    width = (examples.context_length + examples.prediction_length) * examples.rows.shape[1]
    for rows in np.array_split(np.arange(len(examples)), -(-len(examples) * width // CHUNK)):
        yield rows, examples.batch(rows)


def _add(
    task: Forecasting,
    found: ForecastScorer,
    batch: Any,
    rows: NDArray[np.int64],
    examples: WindowExamples,
    point: NDArray[Any],
    quantiles: NDArray[Any] | None,
) -> None:
    center, scale = batch.inputs["scale"][:, 0], batch.inputs["scale"][:, 1]
    true = batch.targets["target"] * scale[:, None] + center[:, None]
    numbers = examples.series[rows]
    of_train = task.naive[:, _known(task, examples)[rows]]  # (2, windows, targets)
    targets = len(task.targets)
    for target in range(targets):
        found.add(
            true[..., target],
            point[..., target],
            None if quantiles is None else quantiles[:, :, target],
            scale[:, target],
            of_train[0, :, target],
            of_train[1, :, target],
            numbers * targets + target,
        )


def _known(task: Forecasting, examples: WindowExamples) -> NDArray[np.int64]:
    """(windows,) the series of the training part that each window is of; the last if unknown."""
    assert task.scaler is not None
    known = np.minimum(task.scaler.numbers(examples.ids), len(task.scaler.ids) - 1)
    return known[examples.series]


def report(
    task: Forecasting,
    answers: Mapping[str, NDArray[Any]],
    examples: WindowExamples,
    series: Series,
) -> dict[str, Any]:
    """Scores, those of the baselines, by step and by series."""
    own = scorer(task, answers["forecast"], examples)
    baselines = baseline_scores(task, examples)
    scores = own.scores()
    simple = {kind: each.scores(False) for kind, each in baselines.items()}
    chosen = task.options.evaluate.baseline
    wanted = task.options.evaluate.metrics
    if wanted != "auto":
        scores = {name: value for name, value in scores.items() if name in wanted} or scores
    points = ("mse", "mae", "mase", "smape", "rmsse")
    compared = {"model": {n: own.scores()[n] for n in points if n in own.scores()}}
    compared |= {kind: {n: each[n] for n in points if n in each} for kind, each in simple.items()}
    against = {
        name: 1 - compared["model"][name] / compared[chosen][name]
        for name in compared["model"]
        if compared[chosen].get(name)
    }
    steps = own.by_step()
    shown = np.unique(np.linspace(0, len(steps) - 1, min(STEPS_SHOWN, len(steps))).astype(int))
    names = [f"{one} {target}".strip() for one in series.ids for target in task.targets]
    return {
        "scores": scores,
        "baselines": compared,
        f"better_than_{chosen}": against,
        "by_step": {str(step + 1): _short(steps[step]) for step in shown},
        "by_series": {
            name: _short(one) for name, one in zip(names, own.by_group(), strict=False) if one
        },
        **_importances(task, answers),
    }


def _importances(task: Forecasting, answers: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Which variables and which steps a Temporal Fusion Transformer looked at."""
    if "attention" not in answers:
        return {}
    static = task.feature_names(task.layout.static)
    known = task.feature_names(task.layout.known)
    known = [*known[: len(known) - len(static)], *(clock.FEATURES if task.calendar else ())]
    past = ["the series", *task.feature_names(task.layout.past), *known, "place in the window"]
    ahead = [*known, "place in the window"]
    variables = {"past_importance": past, "ahead_importance": ahead, "static_importance": static}
    attention = answers["attention"].mean(0)
    most = np.argsort(-attention)[:STEPS_SHOWN]
    return {
        **{
            name: dict(zip(names, map(float, answers[name].mean(0)), strict=True))
            for name, names in variables.items()
            if name in answers
        },
        "attention": {
            str(int(step) - task.context_length): float(attention[step]) for step in sorted(most)
        },
    }


def _short(scores: dict[str, float]) -> dict[str, float]:
    kept = ("mse", "mae", "mase")
    return {name: value for name, value in scores.items()
            if name in kept or name.startswith(("coverage", "width"))}  # fmt: skip


def level_name(level: float) -> str:
    """``q10`` for 0.1."""
    return f"q{100 * level:.4g}"


def frame(task: Forecasting, answers: Mapping[str, NDArray[Any]]) -> pd.DataFrame:
    """A row for each window, step and target: ``step``, ``target``, ``prediction``, quantiles.

    And the parameters of a distribution.
    """
    forecast = answers["forecast"]
    windows, steps, targets, _ = forecast.shape
    order = forecast.transpose(0, 2, 1, 3).reshape(windows * targets * steps, -1)
    columns: dict[str, Any] = {
        "step": np.tile(np.arange(1, steps + 1), windows * targets),
        "target": np.tile(np.repeat(np.array(task.targets, object), steps), windows),
        "prediction": order[:, 0],
    }
    for number, level in enumerate(task.options.task.quantiles, start=1):
        columns[level_name(level)] = order[:, number]
    for name in distributions.NAMES.get(task.options.task.distribution or "", ()):
        columns[name] = answers[name].transpose(0, 2, 1).reshape(-1)
    return pd.DataFrame(columns)


def dated(
    task: Forecasting,
    answers: Mapping[str, NDArray[Any]],
    ids: Sequence[str],
    moments: NDArray[Any],
) -> pd.DataFrame:
    """The same with the name of the series and the time of each step."""
    result = frame(task, answers)
    windows, steps, targets, _ = answers["forecast"].shape
    times: Any = np.repeat(moments.reshape(windows, 1, steps), targets, axis=1).reshape(-1)
    zone = task.options.data.time_zone
    if times.dtype.kind == "M":
        stamps = pd.DatetimeIndex(times)
        times = stamps if zone is None else stamps.tz_localize("UTC").tz_convert(zone)
    result.insert(0, str(task.options.data.time), times)
    if task.options.data.id is not None:
        names = np.repeat(np.array(ids, object), steps * targets)
        result.insert(0, str(task.options.data.id), names)
    return result


def card(task: Forecasting) -> dict[str, Any]:
    """What a user of the export must know."""
    levels = ", ".join(f"{level:g}" for level in task.options.task.quantiles)
    targets = ", ".join(task.targets)
    family = task.options.task.distribution
    signature = task.signature()
    example: dict[str, Any] = {}
    for name, spec in signature.items():
        shape = [1, *spec.shape.as_list()[1:]]
        if name == "id":
            example[name] = [task.scaler.ids[0] if task.scaler else ""]
        elif name == "time":
            step = int(task.frequency.step // 10**9) if task.frequency.kind == "time" else 1
            example[name] = [[step * n for n in range(shape[1])]]
        else:
            example[name] = np.zeros(shape).tolist()
    weekdays = " (Monday to Friday)" if task.frequency.kind == "weekday" else ""
    rules = [
        f"`target` holds the last {task.context_length} steps of {targets}, in this order and in "
        f"original units, the oldest first, one step apart: {task.frequency}{weekdays}.",
        "NaN in `target` is a missing value: the line between its neighbours stands for it; a "
        "window without any value is answered by the mean of the training part.",
    ]
    if "id" in signature:
        rules.append("An `id` that training did not know is scaled as all series together.")
    if "time" in signature:
        rules.append(
            "`time` holds the seconds since 1970-01-01 that a clock shows, of the steps of "
            "`target` and then of the steps to forecast."
        )
    if "known" in signature:
        rules.append(
            f"`known` holds {', '.join(map(str, task.layout.known))} of the steps of `target` and "
            "then of the steps to forecast; NaN stands for the mean."
        )
    for column, words in task.layout.words.items():
        numbers = ", ".join(f"{number} {word!r}" for number, word in enumerate(words))
        rules.append(
            f"{column} is given by the number of its category: {numbers}; {len(words)}: another."
        )
    meanings = {name: MEANINGS[name] for name in distributions.NAMES.get(family or "", ())}
    return {
        "outputs": {
            "prediction": f"forecast of {targets}, (steps, targets), in original units",
            "quantiles": f"quantiles of the levels {levels}, in original units, increasing",
            **meanings,
        },
        "rules": rules,
        "example": example,
    }
