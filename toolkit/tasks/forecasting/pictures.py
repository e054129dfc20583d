"""Pictures of forecasts: fans, the error of each step, what is left over from step to step."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from toolkit.data.windows import WindowExamples

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from toolkit.tasks.forecasting.task import Forecasting

SHOWN = 3  # times the steps ahead that are shown of the context
MOST = 2_000  # windows that pictures are chosen from
LAGS = 48


def draw(
    task: Forecasting, forecast: NDArray[Any], examples: WindowExamples, directory: Path
) -> None:
    """Write ``fans.png``, ``error_by_step.png`` and ``residuals.png``.

    Args:
        task: prepared.
        forecast: ``(windows, steps, targets, 1 + levels)`` in units.
        examples: the windows.
        directory: where to; made if it is not there.
    """
    from matplotlib.figure import Figure  # slow to load, and only needed here

    directory.mkdir(parents=True, exist_ok=True)
    count = min(len(examples), MOST)
    rows = np.linspace(0, len(examples) - 1, count).astype(np.int64)
    batch = examples.batch(rows)
    center, scale = batch.inputs["scale"][:, :1], batch.inputs["scale"][:, 1:]
    true = batch.targets["target"]
    guess = (forecast[rows] - center[..., None]) / scale[..., None]
    squares = (guess[..., 0] - true) ** 2  # (windows, steps, targets)

    figure = Figure(figsize=(10, 9), layout="constrained")
    every = np.nanmean(squares, axis=1)
    order = np.argsort(np.where(np.isnan(every), np.inf, every), axis=None)
    places = {"best": order[0], "median": order[len(order) // 2],
              "worst": order[np.isfinite(every).sum() - 1]}  # fmt: skip
    for axes, (name, place) in zip(figure.subplots(3), places.items(), strict=True):
        window, target = np.unravel_index(place, every.shape)
        history = batch.inputs["target"][window, -SHOWN * task.prediction_length :, target]
        level, size = center[window, 0, target], scale[window, 0, target]
        came = true[window, :, target] * size + level
        answer = forecast[rows[window], :, target]
        _fan(axes, history * size + level, came, answer, task.options.task.quantiles)
        axes.set_title(
            f"{name}: {task.targets[target]}, mean squared error {every.flat[place]:.3g}"
        )
    figure.savefig(directory / "fans.png")

    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    steps = np.arange(1, task.prediction_length + 1)
    for target, name in enumerate(task.targets[:10]):
        axes.plot(steps, np.nanmean(squares[..., target], axis=0), label=name)
    axes.set(xlabel="step ahead", ylabel="mean squared error, scaled")
    axes.legend()
    figure.savefig(directory / "error_by_step.png")

    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    left = (true - guess[..., 0])[:, 0]  # one step ahead, (windows, targets)
    for target, name in enumerate(task.targets[:10]):
        found = autocorrelation(left[:, target], LAGS)
        axes.plot(np.arange(1, len(found) + 1), found, label=name)
    axes.axhline(0, color="grey", linewidth=0.8)
    axes.set(xlabel="windows apart", ylabel="autocorrelation of one-step errors")
    axes.legend()
    figure.savefig(directory / "residuals.png")


def _fan(axes: Axes, history: Any, true: Any, forecast: Any, levels: tuple[float, ...]) -> None:
    """A window's history, what came, the forecast and its intervals."""
    past, ahead = np.arange(-len(history), 0), np.arange(len(true))
    axes.plot(past, history, color="black", linewidth=0.8)
    axes.plot(ahead, true, color="black", linewidth=0.8, linestyle="dotted", label="true")
    axes.plot(ahead, forecast[:, 0], color="tab:blue", label="prediction")
    for low in range(len(levels) // 2):
        high = len(levels) - 1 - low
        axes.fill_between(
            ahead, forecast[:, 1 + low], forecast[:, 1 + high], color="tab:blue", alpha=0.2,
            label=f"{levels[low]:g} to {levels[high]:g}",
        )  # fmt: skip
    axes.legend(loc="upper left")


def autocorrelation(values: NDArray[Any], lags: int) -> NDArray[np.float64]:
    """Of a series at lags 1 to ``lags``; what is missing is left out."""
    apart = values - np.nanmean(values)
    whole = np.nanmean(apart**2)
    lags = min(lags, len(values) - 1)
    found = [np.nanmean(apart[lag:] * apart[:-lag]) for lag in range(1, lags + 1)]
    return np.asarray(np.array(found) / max(whole, 1e-12))
