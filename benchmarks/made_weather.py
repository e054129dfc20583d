"""Make a table like a weather station's, most of whose columns are no linear process.

21 columns at ten-minute steps: light is cut off at night, humidity saturates, rain comes in bursts,
wind turns around.

    python -m benchmarks.made_weather FILE.csv
"""

import sys

import numpy as np
import pandas as pd
from numpy.typing import NDArray

ROWS, DAY, YEAR = 52_696, 144, 52_560
Floats = NDArray[np.float64]


def main(path: str) -> None:
    """Write the table."""
    made = pd.DataFrame(station(np.random.default_rng(0))).round(3)
    made.insert(0, "date", pd.date_range("2020-01-01 00:10", periods=ROWS, freq="10min"))
    made.to_csv(path, index=False)


def wander(random: np.random.Generator, memory: float) -> Floats:
    """An autoregressive process of first order, of deviation 1."""
    steps = random.standard_normal(ROWS)
    values = np.zeros(ROWS)
    for row in range(1, ROWS):
        values[row] = memory * values[row - 1] + steps[row]
    return np.asarray(values / np.std(values))


def station(random: np.random.Generator) -> dict[str, Floats]:
    """The columns."""
    rows = np.arange(ROWS)
    day, year = 2 * np.pi * rows / DAY, 2 * np.pi * rows / YEAR
    pressure = 1000 + 8 * wander(random, 0.9995)
    cloud = 1 / (1 + np.exp(-1.5 * wander(random, 0.995) + 0.5 * (pressure - 1000) / 8))
    height = np.maximum(0, np.sin(day - 1.6) * (1 - 0.4 * np.cos(year)) - 0.3 * np.cos(year) - 0.1)
    light = 900 * height * (1 - 0.8 * cloud) * np.clip(1 + 0.15 * wander(random, 0.7), 0, 2)
    base = 9 - 10 * np.cos(year - 0.3) + 4 * wander(random, 0.9993)
    warmth, kept = np.zeros(ROWS), 0.0
    for row in range(ROWS):
        kept += -0.02 * kept + 0.0009 * light[row] - 0.03 * (1 - cloud[row]) * 0.5
        warmth[row] = kept
    warmth = base + warmth
    dew = warmth - 2 - 8 * (1 - cloud) * np.clip(warmth / 20 + 0.5, 0.1, 2)
    dew = dew + wander(random, 0.99) * 0.7
    humidity = np.clip(
        100 * np.exp(17.6 * dew / (243 + dew) - 17.6 * warmth / (243 + warmth)), 5, 100
    )
    wind = np.abs(2 + 1.5 * wander(random, 0.97) + 0.8 * wander(random, 0.999))
    gusts = wind * 1.6 + np.abs(wander(random, 0.6)) * 0.5
    direction = np.mod(180 + 90 * wander(random, 0.999) + 40 * wander(random, 0.9), 360)
    chance = wander(random, 0.98) + 0.8 * wander(random, 0.999) + 1.2 * (cloud - 0.5)
    raining = chance > 1.6
    rain = np.where(raining, random.exponential(0.3, ROWS), 0)
    par = light * 2 + 5 * random.standard_normal(ROWS) * (light > 0)
    most = 6.1 * np.exp(17.6 * warmth / (243 + warmth))
    vapour = most * humidity / 100
    return {
        "p": pressure,
        "T": warmth,
        "Tpot": warmth + 273.15 + (1000 - pressure) * 0.08,
        "Tdew": dew,
        "rh": humidity,
        "VPmax": most,
        "VPact": vapour,
        "VPdef": most - vapour,
        "sh": vapour * 0.62,
        "H2OC": vapour,
        "rho": 1290 - 4.5 * warmth + (pressure - 1000) * 1.2,
        "wv": wind,
        "maxwv": gusts,
        "wd": direction,
        "rain": rain,
        "raining": raining * 600.0,
        "SWDR": light,
        "PAR": par,
        "maxPAR": par * 1.1 + np.abs(wander(random, 0.5)) * 20 * (light > 0),
        "Tlog": warmth + 0.3 * wander(random, 0.9) + 0.002 * light,
        "CO2": 420 + 8 * wander(random, 0.998),
    }


if __name__ == "__main__":
    main(sys.argv[1])
