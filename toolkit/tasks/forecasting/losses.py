"""What a forecast is trained by: its point and quantiles, or its likelihood."""

from __future__ import annotations

from typing import Any

from keras import ops

from toolkit.tasks.base import Tensors
from toolkit.tasks.forecasting import distributions
from toolkit.tasks.forecasting.options import ForecastingSection

HUBER = 1.0  # scaled units, deviations of the training part, up to which an error is squared


def loss(section: ForecastingSection, outputs: Any, targets: Tensors, weights: Any) -> Any:
    """The weighted sum over windows of the mean loss of what is not missing.

    Far values, or a level that moves on, draw a network's point less by Huber's loss ("Robust
    estimation of a location parameter", 1964) than by squares.

    Args:
        section: says which loss.
        outputs: ``(batch, steps, targets, ...)`` of the model, in scaled units.
        targets: ``target``, ``(batch, steps, targets)``, NaN where missing; ``scale``, the
            statistics.
        weights: ``(batch,)``.
    """
    true = ops.cast(targets["target"], "float32")
    outputs = ops.cast(outputs, "float32")
    there = ops.logical_not(ops.isnan(true))
    true = ops.where(there, true, outputs[..., 0])
    family = section.distribution
    if family is None:
        each = _point(section.loss, true - outputs[..., 0])
        each += _pinball(section.quantiles, true, outputs[..., 1:], there)
    else:
        each = distributions.negative_log_likelihood(family, true, outputs, targets["scale"])
    each = ops.where(there, each, 0.0)
    count = ops.maximum(ops.sum(ops.cast(there, "float32"), axis=(1, 2)), 1.0)
    return ops.sum(ops.sum(each, axis=(1, 2)) / count * weights)


def _point(kind: str, error: Any) -> Any:
    if kind == "mse":
        return ops.square(error)
    size = ops.abs(error)
    if kind == "mae":
        return size
    return ops.where(size < HUBER, 0.5 * ops.square(error), HUBER * (size - 0.5 * HUBER))


def _pinball(levels: tuple[float, ...], true: Any, quantiles: Any, there: Any) -> Any:
    """Mean over the levels; Koenker and Bassett (1978)."""
    rates = ops.convert_to_tensor(levels, "float32")
    apart = ops.where(there[..., None], true[..., None] - quantiles, 0.0)
    return ops.mean(ops.maximum(rates * apart, (rates - 1) * apart), axis=-1)
