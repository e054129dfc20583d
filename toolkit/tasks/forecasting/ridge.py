"""The linear forecast in closed form: a ridge, shrunk towards a baseline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.data.windows import WindowExamples

Floats = NDArray[np.float64]
STRENGTHS = (1.0, 10.0, 100.0, 1e3, 1e4, 3e4)
MOST = 400_000  # windows of single series that a fit looks at
CHUNK = 2**23  # numbers in memory at a time


@dataclass
class Moments:
    """Sums of products of windows, from which any ridge is fitted and judged.

    A window is its steps less its last value, and a 1; what it is to give is the steps ahead less
    the same.

    Attributes:
        inputs: ``(context + 1, context + 1)``.
        cross: ``(context + 1, prediction)``.
        outputs: sum of squares of what is to be given.
        count: windows.
    """

    inputs: Floats
    cross: Floats
    outputs: float = 0.0
    count: int = 0

    @classmethod
    def none(cls, context: int, ahead: int) -> Moments:
        """Of no windows yet."""
        return cls(np.zeros((context + 1, context + 1)), np.zeros((context + 1, ahead)))

    def add(self, x: NDArray[Any], y: NDArray[Any]) -> None:
        """Add ``(windows, context + 1)`` and ``(windows, prediction)``."""
        self.inputs += x.T @ x
        self.cross += x.T @ y
        self.outputs += float(np.sum(y.astype(np.float64) ** 2))
        self.count += len(x)

    def shorter(self, context: int) -> Moments:
        """The same for windows of fewer steps: the last ones."""
        return Moments(
            self.inputs[-context - 1 :, -context - 1 :], self.cross[-context - 1 :], self.outputs,
            self.count,
        )  # fmt: skip

    def solve(self, strength: float, toward: Floats | None = None) -> Floats:
        """The map ``(context + 1, prediction)``; the last row is the bias.

        Args:
            strength: of the penalty on what the map has beside ``toward``.
            toward: a map that is right where nothing is known; without one, the last value.
        """
        towards = np.zeros_like(self.cross) if toward is None else toward
        return np.asarray(self.solutions(strength, towards[None])[0])

    def solutions(self, strength: float, towards: Floats) -> Floats:
        """The maps towards each of several, ``(maps, context + 1, prediction)``, at one cost."""
        size = len(self.inputs)
        penalty = np.eye(size) * (strength + 1e-6 * np.trace(self.inputs) / size)
        right = np.concatenate(list(self.cross - self.inputs @ towards), axis=1)
        # not by Cholesky: sums of products in single precision may have eigenvalues below zero
        found = np.linalg.solve(self.inputs + penalty, right)
        return np.asarray(towards + np.stack(np.split(found, len(towards), axis=1)))

    def error(self, weights: Floats) -> float:
        """Mean squared error of a map."""
        squares = np.sum(weights * (self.inputs @ weights)) - 2 * np.sum(weights * self.cross)
        return float((self.outputs + squares) / max(self.count, 1) / self.cross.shape[1])


def moments(examples: WindowExamples) -> Moments:
    """Add up the windows, or evenly chosen ones of very many."""
    found = Moments.none(examples.context_length, examples.prediction_length)
    for x, y, _ in windows(examples):
        found.add(x, y)
    return found


def moments_of_targets(examples: WindowExamples, targets: Iterable[int]) -> list[Moments]:
    """The same of each of some targets by itself."""
    lengths = examples.context_length, examples.prediction_length
    found = {target: Moments.none(*lengths) for target in targets}
    for x, y, of in windows(examples):
        for target, each in found.items():
            each.add(x[of == target], y[of == target])
    return list(found.values())


def residuals(examples: WindowExamples, weights: Floats, most: int = MOST) -> NDArray[Any]:
    """``(windows, prediction)``: what a map leaves over of windows of single series.

    Args:
        examples: what is forecast.
        weights: ``(context + 1, prediction)``, or a map for each target.
        most: windows that are looked at.
    """
    left = []
    for x, y, of in windows(examples, most):
        if weights.ndim == 2:
            left.append(y - x @ weights)
            continue
        each = y.astype(np.float64)
        for target, own in enumerate(weights):
            each[of == target] -= x[of == target] @ own
        left.append(each)
    return np.concatenate(left)


def windows(
    examples: WindowExamples, most: int = MOST
) -> Iterator[tuple[NDArray[Any], NDArray[Any], NDArray[np.int64]]]:
    """Windows of single series, in parts.

    Windows with nothing missing ahead; what is missing in the context is filled.

    Yields:
        ``(windows, context + 1)`` steps and a 1, ``(windows, prediction)`` steps ahead, and the
        numbers of the targets that they are of, ``(windows,)``.
    """
    targets = examples.past["target"].shape[1]
    chosen = np.arange(len(examples))
    if len(chosen) * targets > most:
        chosen = np.linspace(0, len(chosen) - 1, max(1, most // targets)).astype(np.int64)
    width = (examples.context_length + examples.prediction_length) * targets
    for rows in np.array_split(chosen, -(-len(chosen) * width // CHUNK)):
        batch = examples.batch(rows)
        x: NDArray[Any] = batch.inputs["target"]
        y: NDArray[Any] = batch.targets["target"]
        if "season" in batch.inputs:
            season: NDArray[Any] = batch.inputs["season"]
            x = x - season[:, : examples.context_length]
            y = y - season[:, examples.context_length :]
        x = fold(fill(x))
        y = fold(y)
        of = np.tile(np.arange(targets), len(rows))
        level = x[:, -1:]
        whole = ~np.isnan(y).any(axis=1)
        x = np.concatenate([x - level, np.ones_like(level)], axis=1)
        yield x[whole], (y - level)[whole], of[whole]


def project(history: NDArray[Any], weights: Floats) -> NDArray[Any]:
    """A map, or one for each target, of ``(batch, context, targets)``, in single precision."""
    kernel = weights[..., :-1, :].astype(np.float32)
    bias = weights[..., -1, :].astype(np.float32)
    if weights.ndim == 2:
        return np.asarray(np.einsum("btc,th->bhc", history, kernel) + bias[:, None])
    mapped = np.einsum("btc,cth->bhc", history, kernel, optimize=True)
    return np.asarray(mapped + bias.T)


def fold(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """``(batch, time, targets)`` as ``(batch * targets, time)``."""
    return np.ascontiguousarray(values.transpose(0, 2, 1)).reshape(-1, values.shape[1])


def fill(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Lines over the gaps of ``(batch, time, targets)``, as the layer FillGaps draws them."""
    missing = np.isnan(values)
    if not missing.any():
        return values
    filled = values.copy()
    steps = np.arange(values.shape[1])
    for row, target in np.argwhere(missing.any(axis=1)):
        gone = missing[row, :, target]
        known = ~gone
        line = np.interp(steps, steps[known], values[row, known, target]) if known.any() else 0.0
        filled[row, :, target] = np.where(gone, line, filled[row, :, target])
    return filled


def toward(kind: str, context: int, ahead: int, season: int) -> Floats:
    """A baseline as what a ridge shrinks towards, ``(context + 1, prediction)``."""
    weights = baseline(kind, context, ahead, season)
    return np.concatenate([weights, np.zeros_like(weights[:1])])


def baseline(kind: str, context: int, ahead: int, season: int) -> Floats:
    """A baseline as a linear map of the context, ``(context, prediction)``.

    ``last_value``; ``seasonal_naive``, the last season repeated (the last value where the context
    holds no whole season); ``moving_average`` of the last season; ``drift``, the line from the
    first value through the last.
    """
    weights = np.zeros((context, ahead))
    season = season if season <= context else 1
    steps = np.arange(ahead)
    if kind == "moving_average":
        weights[-min(max(season, 2), context) :] = 1 / min(max(season, 2), context)
    elif kind == "seasonal_naive":
        weights[context - season + steps % season, steps] = 1
    else:
        weights[-1] = 1
    if kind == "drift" and context > 1:
        slope = (steps + 1) / (context - 1)
        weights[-1] += slope
        weights[0] -= slope
    return weights
