"""Pictures of forecasts: fans, the error of each step, what is left over from step to step."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from toolkit.data.examples import Batch
from toolkit.data.windows import WindowExamples

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from toolkit.tasks.forecasting.task import Forecasting

SHOWN = 3  # times the steps ahead that are shown of the context
MOST = 2_000  # windows that pictures are chosen from
LAGS = 48
LINES = 10


def draw(task: Forecasting, forecast: NDArray[Any], examples: WindowExamples) -> dict[str, bytes]:
    """Return ``fans.png``, ``error_by_step.png`` and ``residuals.png``.

    Args:
        task: prepared.
        forecast: ``(windows, steps, targets, 1 + levels)`` in units.
        examples: the windows.
    """
    rows = np.linspace(0, len(examples) - 1, min(len(examples), MOST)).astype(np.int64)
    batch = examples.batch(rows)
    center, scale = batch.inputs["scale"][:, :1], batch.inputs["scale"][:, 1:]
    guess = (forecast[rows] - center[..., None]) / scale[..., None]
    left = batch.targets["target"] - guess[..., 0]  # (windows, steps, targets)
    return {
        "fans.png": _fans(task, forecast[rows], batch, left),
        "error_by_step.png": _error_by_step(task, left),
        "residuals.png": _residuals(task, left),
    }


def _fans(task: Forecasting, forecast: NDArray[Any], batch: Batch, left: NDArray[Any]) -> bytes:
    """The best, the median and the worst window."""
    figure, plots = _figure(10, 9, 3)
    scales: Any = batch.inputs["scale"]
    center, scale = scales[:, 0], scales[:, 1]
    every = np.nanmean(left**2, axis=1)
    order = np.argsort(np.where(np.isnan(every), np.inf, every), axis=None)
    worst = order[np.isfinite(every).sum() - 1]
    places = {"best": order[0], "median": order[len(order) // 2], "worst": worst}
    for axes, (name, place) in zip(plots, places.items(), strict=True):
        window, target = np.unravel_index(place, every.shape)
        level, size = center[window, target], scale[window, target]
        history = batch.inputs["target"][window, -SHOWN * task.prediction_length :, target]
        came = batch.targets["target"][window, :, target] * size + level
        answer = forecast[window, :, target]
        _fan(axes, history * size + level, came, answer, task.options.task.quantiles)
        error = f"mean squared error {every.flat[place]:.3g}"
        axes.set_title(f"{name}: {task.targets[target]}, {error}")
    return _png(figure)


def _error_by_step(task: Forecasting, left: NDArray[Any]) -> bytes:
    figure, (axes,) = _figure(8, 4)
    for target, name in enumerate(task.targets[:LINES]):
        steps = np.arange(1, left.shape[1] + 1)
        axes.plot(steps, np.nanmean(left[..., target] ** 2, axis=0), label=name)
    axes.set(xlabel="step ahead", ylabel="mean squared error, scaled")
    axes.legend()
    return _png(figure)


def _residuals(task: Forecasting, left: NDArray[Any]) -> bytes:
    figure, (axes,) = _figure(8, 4)
    for target, name in enumerate(task.targets[:LINES]):
        found = autocorrelation(left[:, 0, target], LAGS)
        axes.plot(np.arange(1, len(found) + 1), found, label=name)
    axes.axhline(0, color="grey", linewidth=0.8)
    axes.set(xlabel="windows apart", ylabel="autocorrelation of one-step errors")
    axes.legend()
    return _png(figure)


def _figure(width: float, height: float, rows: int = 1) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure  # slow to load, and only needed here

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, list(figure.subplots(rows, squeeze=False)[:, 0])


def _png(figure: Figure) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()


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
