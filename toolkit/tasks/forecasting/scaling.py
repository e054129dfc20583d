"""Level, scale and seasonal profile of each series: fitted on the training part, undone after."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from toolkit.data.series import Series

Floats = NDArray[np.float64]
SMALL = 1e-8  # deviation below which a series counts as constant


class Scaler(tf.Module):
    """``(value - center) / scale`` of each series and target; the last row is of unknown series.

    Args:
        ids: names of the series.
        center: ``(series + 1, targets)``.
        scale: ``(series + 1, targets)``.
        profile: ``(series + 1, season, targets)`` in scaled units; a season of 1 is none.
        covariates: ``(2, columns)`` center and scale of past, then known columns.
    """

    def __init__(
        self, ids: Sequence[str], center: Floats, scale: Floats, profile: Floats, covariates: Floats
    ) -> None:
        super().__init__()
        self.ids = list(ids)
        self.center, self.scale, self.profile = center, scale, profile
        self.covariates = covariates
        keys = tf.constant(self.ids, tf.string)
        self.table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(keys, tf.range(len(self.ids))), len(self.ids)
        )

    @property
    def season(self) -> int:
        """Steps of the profile."""
        return int(self.profile.shape[1])

    def numbers(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """Row of each series; the last for one that is unknown."""
        known = {name: number for number, name in enumerate(self.ids)}
        return np.array([known.get(name, len(known)) for name in ids], np.int64)

    def statistics(self, number: Any) -> Any:
        """``(batch, 2, targets)`` center and scale."""
        both = np.stack([self.center, self.scale], axis=1).astype(np.float32)
        return tf.gather(tf.constant(both), number)

    def scaled(self, target: Any, number: Any) -> Any:
        """Scale ``(batch, steps, targets)``."""
        center = tf.gather(tf.constant(self.center, target.dtype), number)[:, None]
        scale = tf.gather(tf.constant(self.scale, target.dtype), number)[:, None]
        return tf.cast((target - center) / scale, tf.float32)

    def seasonal(self, phase: Any, number: Any) -> Any:
        """The profile, ``(batch, steps, targets)``, at phases ``(batch, steps)``."""
        flat = self.profile.reshape(-1, self.profile.shape[2]).astype(np.float32)
        place = tf.cast(number, phase.dtype)[:, None] * self.season + phase
        return tf.gather(tf.constant(flat), place)

    def save(self, path: Path) -> None:
        """Write all of it."""
        np.savez_compressed(
            path, ids=np.array(self.ids, dtype=str), center=self.center, scale=self.scale,
            profile=self.profile, covariates=self.covariates,
        )  # fmt: skip

    @classmethod
    def load(cls, path: Path) -> Scaler:
        """Read what :meth:`save` wrote."""
        with np.load(path, allow_pickle=False) as held:
            ids = [str(name) for name in held["ids"]]
            names = ("center", "scale", "profile", "covariates")
            return cls(ids, *(held[name] for name in names))


def fit_scaler(series: Series, how: str, season: int, phases: NDArray[np.int64]) -> Scaler:
    """Fit on the training part.

    Args:
        series: of the training part.
        how: ``series``, ``global`` or ``none``.
        season: steps of the profile; 1 for none.
        phases: ``(rows,)`` place of each row within the season.
    """
    values = series.target
    center = np.stack([_mean(part) for part in _parts(series, values)])
    scale = np.stack([_deviation(part) for part in _parts(series, values)])
    whole = _mean(values), _deviation(values)
    if how == "global":
        center, scale = (np.broadcast_to(one, center.shape) for one in whole)
    if how == "none":
        center, scale = np.zeros_like(center), np.ones_like(scale)
        whole = center[0], scale[0]
    center = np.concatenate([center, whole[0][None]])
    scale = np.concatenate([scale, whole[1][None]])
    covariates = np.concatenate([series.past, series.known], axis=1)
    both = np.stack([_mean(covariates), _deviation(covariates)])
    profile = np.zeros((len(series) + 1, season, values.shape[1]))
    if season > 1:
        for number, rows in enumerate(_slices(series)):
            scaled = (values[rows] - center[number]) / scale[number]
            profile[number] = seasonal_profile(scaled, phases[rows], season)
    return Scaler(series.ids, center, scale, profile, both)


def seasonal_profile(values: Floats, phases: NDArray[np.int64], season: int) -> Floats:
    """The mean of what is left of each phase beside a moving average, ``(season, targets)``.

    Shrunk towards none by how surely it is known, so that a short series has little of one.
    """
    profile = np.zeros((season, values.shape[1]))
    if len(values) < 2 * season + 1:
        return profile
    apart = values - _moving_average(values, season)
    for target in range(values.shape[1]):
        there = ~np.isnan(apart[:, target])
        found, place = apart[there, target], phases[there]
        if not len(found):
            continue
        counts = np.bincount(place, minlength=season)
        means = np.bincount(place, found, season) / np.maximum(counts, 1)
        noise = np.mean((found - means[place]) ** 2) / max(counts.mean(), 1)
        signal = max(float(np.var(means)) - noise, 0.0)
        profile[:, target] = (means - means.mean()) * signal / max(signal + noise, 1e-12)
    return profile


def _moving_average(values: Floats, length: int) -> Floats:
    """Centred over one season (of an even length, its ends count half); NaN at the ends."""
    weights = np.ones(length) / length
    if length % 2 == 0:
        weights = np.convolve(weights, [0.5, 0.5])
    half = len(weights) // 2
    smooth = np.full_like(values, np.nan)
    for target in range(values.shape[1]):
        smooth[half:-half, target] = np.convolve(values[:, target], weights, "valid")
    return smooth


def _slices(series: Series) -> list[slice]:
    return [slice(a, b) for a, b in zip(series.splits[:-1], series.splits[1:], strict=True)]


def _parts(series: Series, values: Floats) -> list[Floats]:
    return [values[rows] for rows in _slices(series)]


def _mean(values: Floats) -> Floats:
    there = np.maximum((~np.isnan(values)).sum(0), 1)
    return np.asarray(np.nansum(values, axis=0) / there)


def _deviation(values: Floats) -> Floats:
    """Standard deviation, 1 where there is none."""
    there = np.maximum((~np.isnan(values)).sum(0), 1)
    found = np.sqrt(np.nansum((values - _mean(values)) ** 2, axis=0) / there)
    return np.where(found > SMALL, found, 1.0)
