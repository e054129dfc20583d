"""Likelihood and quantiles of the distributions that a forecast may be.

Each is a function of the model's outputs, ``(batch, steps, targets, 1 + parameters)`` in scaled
units: the mean, then what :class:`toolkit.layers.DistributionParameters` gives. Statistics are the
``(batch, 2, targets)`` centers and deviations that lead back to the original units.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.stats
import tensorflow as tf

from toolkit.layers.distribution_parameters import Family

NAMES = {
    "normal": ("deviation",),
    "student_t": ("deviation", "degrees"),
    "negative_binomial": ("dispersion",),
}
TABLE = 513  # of quantiles of Student's t, even in 1 / degrees


def negative_log_likelihood(family: Family, true: Any, outputs: Any, statistics: Any) -> Any:
    """Of values in scaled units, ``(batch, steps, targets)``, each by itself.

    For counts of the negative binomial in original units, for the others in scaled ones.
    """
    mean = outputs[..., 0]
    if family == "negative_binomial":
        counts = tf.maximum(tf.round(in_units(true, statistics)), 0.0)
        return _count_loss(counts, positive_mean(mean, statistics), outputs[..., 1])
    deviation = outputs[..., 1]
    apart = (true - mean) / deviation
    if family == "normal":
        return tf.math.log(deviation) + 0.5 * tf.square(apart) + 0.5 * math.log(2 * math.pi)
    degrees = outputs[..., 2]
    half = (degrees + 1) / 2
    constant = tf.math.lgamma(degrees / 2) - tf.math.lgamma(half)
    constant += 0.5 * tf.math.log(math.pi * degrees) + tf.math.log(deviation)
    return constant + half * tf.math.log1p(tf.square(apart) / degrees)


def in_units(values: Any, statistics: Any) -> Any:
    """Scaled ``(batch, steps, targets)`` in original units."""
    return values * statistics[:, 1][:, None] + statistics[:, 0][:, None]


def positive_mean(mean: Any, statistics: Any) -> Any:
    """The mean of counts, in original units: softly kept above none."""
    scale = statistics[:, 1][:, None]
    return scale * tf.math.softplus(in_units(mean, statistics) / scale) + 1e-6


def _count_loss(counts: Any, mean: Any, dispersion: Any) -> Any:
    size = 1 / dispersion
    log_mean = tf.math.log(mean) - tf.math.log(mean + size)
    log_size = tf.math.log(size) - tf.math.log(mean + size)
    ways = tf.math.lgamma(size) + tf.math.lgamma(counts + 1) - tf.math.lgamma(counts + size)
    return ways - size * log_size - counts * log_mean


def quantiles(
    family: Family, outputs: Any, statistics: Any, levels: Sequence[float]
) -> tuple[Any, dict[str, Any]]:
    """The forecast and the parameters in original units.

    Returns:
        ``(batch, steps, targets, 1 + levels)``: the mean and the quantiles; and by name the
        ``(batch, steps, targets)`` parameters: ``deviation`` (of Student's t the scale),
        ``degrees`` of freedom, ``dispersion``.
    """
    if family == "negative_binomial":
        mean, dispersion = positive_mean(outputs[..., 0], statistics), outputs[..., 1]
        found = [_count_quantile(mean, dispersion, level) for level in levels]
        return tf.stack([mean, *found], axis=-1), {"dispersion": dispersion}
    mean = in_units(outputs[..., 0], statistics)
    deviation = outputs[..., 1] * statistics[:, 1][:, None]
    parameters = dict(zip(NAMES[family], (deviation, *tf.unstack(outputs[..., 2:], axis=-1)),
                          strict=True))  # fmt: skip
    standard: Callable[[float], Any] = scipy.stats.norm.ppf
    if family == "student_t":
        degrees = outputs[..., 2]
        standard = lambda level: _student_quantile(degrees, level)  # noqa: E731
    found = [mean + deviation * standard(level) for level in levels]
    return tf.stack([mean, *found], axis=-1), parameters


def _student_quantile(degrees: Any, level: float) -> Any:
    """By a line between the entries of a table, to about a thousandth."""
    inverse = np.linspace(0, 0.5, TABLE)
    exact = [scipy.stats.norm.ppf(level), *scipy.stats.t.ppf(level, 1 / inverse[1:])]
    table = tf.constant(np.array(exact, np.float32))
    place = (TABLE - 1) * 2 / tf.maximum(degrees, 2.0)
    below = tf.clip_by_value(tf.cast(place, tf.int32), 0, TABLE - 2)
    part = place - tf.cast(below, place.dtype)
    return tf.gather(table, below) * (1 - part) + tf.gather(table, below + 1) * part


def _count_quantile(mean: Any, dispersion: Any, level: float) -> Any:
    """The smallest count whose distribution function reaches the level, by halving."""
    size = 1 / dispersion
    share = size / (size + mean)
    low = -tf.ones_like(mean)
    high = tf.math.ceil(mean + 10 / math.sqrt(1 - level) * tf.sqrt(mean + dispersion * mean**2))

    def wide(low: Any, high: Any) -> Any:
        return tf.reduce_any(high - low > 1)

    def halve(low: Any, high: Any) -> tuple[Any, Any]:
        middle = tf.math.floor((low + high) / 2)
        reached = tf.math.betainc(size, middle + 1, share) >= level
        far = high - low > 1
        low = tf.where(far & ~reached, middle, low)
        return low, tf.where(far & reached, middle, high)

    return tf.while_loop(wide, halve, (low, high), maximum_iterations=64)[1]
