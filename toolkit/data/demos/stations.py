"""Generated hourly loads of three stations, with known noise.

Each column is a level that drifts slowly, a day of its own shape, a weaker weekend, and noise:
what is left of an hour half of the time is there the next hour (an autoregression of 0.5), and
what comes new is normal. So the smallest mean squared error that any forecast can have one step
ahead, and at every step, is known: `best_errors`.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

WEEKS = {"train": 20, "validation": 3, "test": 3}
HOURS = 24 * 7 * sum(WEEKS.values())
COLUMNS = ("north", "south", "harbour")
LEVELS, DAYS, NOISE = (120.0, 60.0, 300.0), (30.0, 12.0, 90.0), (6.0, 3.0, 20.0)
STAYS = 0.5  # share of the noise that stays from one hour to the next


def generate(seed: int = 0) -> dict[str, pd.DataFrame]:
    """Makes 26 weeks of hours.

    Args:
        seed: Draws other noise around the same course.

    Returns:
        ``train`` (20 weeks), ``validation`` (3) and ``test`` (3), one after the other, with the
        columns ``date``, ``north``, ``south`` and ``harbour``.
    """
    random = np.random.default_rng(seed)
    hour = np.arange(HOURS)
    frame = pd.DataFrame({"date": pd.date_range("2024-01-01", periods=HOURS, freq="h")})
    for place, name in enumerate(COLUMNS):
        angle = 2 * np.pi * (hour % 24 - 3 * place) / 24
        day = np.sin(angle) + 0.5 * np.sin(2 * angle + place)
        weekend = np.where(hour // 24 % 7 >= 5, 0.6, 1.0)
        drift = 0.3 * DAYS[place] * np.sin(2 * np.pi * hour / (24 * 61) + place)
        left = _autoregression(random.normal(0, NOISE[place], HOURS))
        frame[name] = np.round(LEVELS[place] + drift + DAYS[place] * day * weekend + left, 2)
    ends = 24 * 7 * np.cumsum(list(WEEKS.values()))
    parts = zip(WEEKS, [0, *ends[:-1]], ends, strict=True)
    return {name: frame.iloc[a:b].reset_index(drop=True) for name, a, b in parts}


def best_errors(steps: int) -> NDArray[np.float64]:
    """The smallest mean squared error possible, ``(steps, columns)``, in the columns' units."""
    ahead = np.arange(1, steps + 1)[:, None]
    shocks = np.square(np.asarray(NOISE))
    return np.asarray(shocks * (1 - STAYS ** (2 * ahead)) / (1 - STAYS**2))


def _autoregression(shocks: NDArray[np.float64]) -> NDArray[np.float64]:
    values = np.empty_like(shocks)
    last = 0.0
    for place, shock in enumerate(shocks):
        last = STAYS * last + shock
        values[place] = last
    return values
