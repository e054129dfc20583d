"""Origins from which little data is forecast again, to see how wrong its forecasts are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from toolkit.data.series import Series
from toolkit.tasks.forecasting import ridge

if TYPE_CHECKING:
    from toolkit.tasks.forecasting.task import Forecasting

ENOUGH = 10_000  # numbers in the training part; fewer are little data
ORIGINS = 4  # in the later half of each series' training part


@dataclass(frozen=True)
class Origin:
    """Series up to an origin, and the same with steps after it."""

    before: Series
    after: Series

    def moments(self, task: Forecasting, season: int) -> tuple[ridge.Moments, ridge.Moments]:
        """Of both, scaled by what was known at the origin, with a profile of so many steps."""
        task.scaler = task.fit_scaler(self.before, season)
        return ridge.moments(task.cut(self.before)), ridge.moments(task.cut(self.after))


def origins(task: Forecasting, series: Series) -> list[Origin]:
    """Origins in the training part, the earliest first; none where data is not little."""
    ahead = task.prediction_length
    if series.target.size >= ENOUGH:
        return []
    begins, sizes = series.splits[:-1], series.ends - series.splits[:-1]
    width = np.maximum(ahead, sizes // (2 * ORIGINS))
    found = []
    for number in range(ORIGINS, 0, -1):
        start = begins + np.maximum(sizes - number * width, 1)
        end = np.minimum(start + width, series.ends)
        if (start - begins > ahead).any():
            found.append(Origin(series.until(start), replace(series, own=start, ends=end)))
    return found


def widening(task: Forecasting, every: Sequence[Origin], season: int) -> float:
    """How much larger the errors of a linear forecast are on new steps than on its own.

    Measured after each origin and before it. What is over falls as there is more to learn from, so
    that of an origin which lets half of the steps be seen, half of it counts.

    Args:
        task: its context, and its ridge's strength and baseline, are settled.
        every: the origins, that with the whole training part before it last.
        season: steps of the profile.

    Returns:
        The ratio of the root mean squared errors, not below 1.
    """
    toward = ridge.toward(task.toward, *task.lengths, task.season)
    steps = len(every[-1].before.target)
    fitted = over = 0.0
    for origin in every:
        learnt, held = origin.moments(task, season)
        weights = learnt.solve(task.strength, toward)
        error = learnt.error(weights)
        fitted += held.count * error
        over += held.count * (held.error(weights) - error) * len(origin.before.target) / steps
    return float(np.sqrt(1 + max(over, 0.0) / max(fitted, 1e-12)))
