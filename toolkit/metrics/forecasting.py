"""Scores of forecasts, added up over windows so that these need not lie in memory at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


class ForecastScorer:
    """Scores of points and quantiles; every score leaves out what is missing (NaN).

    ``mse`` and ``mae`` in scaled units (the training part's deviation), ``mae_of_median`` that of
    the quantile 0.5 instead of the point; ``mae_in_units`` and
    ``rmse_in_units``; ``mase`` (Hyndman and Koehler 2006), errors by those of the seasonal naive
    forecast on the training part; ``rmsse`` (M5 competition), squares by those of the last value;
    ``smape`` in percent (M4 competition); ``wql``, twice the pinball loss of all levels by the sum
    of absolute values (weighted quantile loss); ``crps``, approximated by twice the mean pinball
    loss over the levels, in units; ``coverage_N`` and ``width_N`` of the interval between two
    levels that are N % apart and lie evenly, the width in scaled units.

    Args:
        levels: of the quantiles.
        steps: forecast.
        groups: number of (series, target) pairs that are told apart.
    """

    def __init__(self, levels: Sequence[float], steps: int, groups: int) -> None:
        self.levels = np.asarray(levels)
        self.names = [
            "squared", "absolute", "count", "absolute_units", "squared_units", "mase", "mased",
            "rmsse", "rmssed", "smape", "value",
        ]  # fmt: skip
        self.pairs = [
            (low, high, round(100 * (b - a)))
            for low, a in enumerate(levels)
            for high, b in enumerate(levels)
            if a < 0.5 and abs(a + b - 1) < 1e-9
        ]
        shape = (groups, steps)
        self.sums = {name: np.zeros(shape) for name in self.names}
        self.pinball = np.zeros((*shape, len(levels)))
        self.median = int(np.argmin(np.abs(self.levels - 0.5)))
        self.has_median = bool(abs(self.levels[self.median] - 0.5) < 1e-9)
        self.off_median = np.zeros(shape)
        self.inside = np.zeros((*shape, len(self.pairs)))
        self.width = np.zeros((*shape, len(self.pairs)))

    def add(
        self,
        true: Floats,
        point: Floats,
        quantiles: Floats | None,
        scale: Floats,
        mase_scale: Floats,
        rmsse_scale: Floats,
        groups: NDArray[np.int64],
    ) -> None:
        """Add windows.

        Args:
            true: ``(windows, steps)`` in units, NaN where missing.
            point: the same.
            quantiles: ``(windows, steps, levels)``, or None for scores of points alone.
            scale: ``(windows,)`` deviation of the series.
            mase_scale: ``(windows,)`` mean absolute seasonal difference; 0 where there is none.
            rmsse_scale: ``(windows,)`` mean squared difference; 0 where there is none.
            groups: ``(windows,)``.
        """
        there = ~np.isnan(true)
        error = np.where(there, true - point, 0.0).astype(np.float64)
        value = np.where(there, np.abs(true), 0.0)
        size = np.abs(true) + np.abs(point)
        scaled = error / scale[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = np.where(there & (size > 0), 200 * np.abs(error) / size, 0.0)
            mase = np.where(mase_scale[:, None] > 0, np.abs(error) / mase_scale[:, None], 0.0)
            rmsse = np.where(rmsse_scale[:, None] > 0, error**2 / rmsse_scale[:, None], 0.0)
        added = {
            "squared": scaled**2, "absolute": np.abs(scaled), "count": there,
            "absolute_units": np.abs(error), "squared_units": error**2, "mase": mase,
            "mased": there & (mase_scale[:, None] > 0), "rmsse": rmsse,
            "rmssed": there & (rmsse_scale[:, None] > 0), "smape": relative, "value": value,
        }  # fmt: skip
        for name, values in added.items():
            np.add.at(self.sums[name], groups, values)
        if quantiles is not None:
            self._add_quantiles(true, quantiles, scale, there, groups)

    def _add_quantiles(
        self,
        true: Floats,
        quantiles: Floats,
        scale: Floats,
        there: NDArray[np.bool_],
        groups: NDArray[np.int64],
    ) -> None:
        apart = np.where(there[..., None], true[..., None] - quantiles, 0.0).astype(np.float64)
        off = np.abs(apart[..., self.median]) / scale[:, None]
        np.add.at(self.off_median, groups, off)
        losses = np.maximum(self.levels * apart, (self.levels - 1) * apart)
        np.add.at(self.pinball, groups, losses)
        for number, (low, high, _) in enumerate(self.pairs):
            inside = there & (true >= quantiles[..., low]) & (true <= quantiles[..., high])
            np.add.at(self.inside[..., number], groups, inside)
            width = (quantiles[..., high] - quantiles[..., low]) / scale[:, None]
            np.add.at(self.width[..., number], groups, np.where(there, width, 0.0))

    def scores(self, quantiles: bool = True) -> dict[str, float]:
        """The scores over all windows, steps and groups."""
        return self._scores(lambda sums: sums.sum((0, 1)), quantiles)

    def by_step(self, quantiles: bool = True) -> list[dict[str, float]]:
        """The scores of each step ahead."""
        return [
            self._scores(lambda sums, step=step: sums[:, step].sum(0), quantiles)  # type: ignore[misc]
            for step in range(self.pinball.shape[1])
        ]

    def by_group(self, quantiles: bool = True) -> list[dict[str, float]]:
        """The scores of each group; empty where it has no step with a value."""
        return [
            self._scores(lambda sums, group=group: sums[group].sum(0), quantiles)  # type: ignore[misc]
            if self.sums["count"][group].any()
            else {}
            for group in range(len(self.pinball))
        ]

    def _scores(self, added: Callable[[Floats], Any], quantiles: bool) -> dict[str, float]:
        sums = {name: added(one) for name, one in self.sums.items()}
        count = max(float(sums["count"]), 1.0)
        scores = {
            "mse": sums["squared"] / count,
            "mae": sums["absolute"] / count,
            "mae_in_units": sums["absolute_units"] / count,
            "rmse_in_units": np.sqrt(sums["squared_units"] / count),
            "smape": sums["smape"] / count,
        }
        if sums["mased"]:
            scores["mase"] = sums["mase"] / sums["mased"]
        if sums["rmssed"]:
            scores["rmsse"] = np.sqrt(sums["rmsse"] / sums["rmssed"])
        if quantiles:
            pinball, inside = added(self.pinball), added(self.inside)
            width = added(self.width)
            if self.has_median:
                scores["mae_of_median"] = added(self.off_median) / count
            if sums["value"]:
                scores["wql"] = 2 * pinball.mean() / sums["value"]
            scores["crps"] = 2 * pinball.mean() / count
            for number, (_, _, apart) in enumerate(self.pairs):
                scores[f"coverage_{apart}"] = inside[number] / count
                scores[f"width_{apart}"] = width[number] / count
        return {name: float(score) for name, score in scores.items()}


def naive_errors(values: Floats, season: int) -> tuple[Floats, Floats]:
    """Mean absolute seasonal difference and mean squared difference of a series.

    Args:
        values: ``(steps, targets)``, NaN where missing.
        season: steps of a season.

    Returns:
        ``(targets,)`` each, 0 where the series has none.
    """
    seasonal = np.abs(values[season:] - values[:-season]) if len(values) > season else values[:0]
    steps = np.diff(values, axis=0) ** 2
    return _mean(seasonal), _mean(steps)


def _mean(values: Floats) -> Floats:
    there = (~np.isnan(values)).sum(axis=0)
    return np.asarray(np.nansum(values, axis=0) / np.maximum(there, 1))
