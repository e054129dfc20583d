import numpy as np
import pytest

from toolkit.metrics.forecasting import ForecastScorer, naive_errors

LEVELS = (0.1, 0.5, 0.9)


def scored(true: np.ndarray, point: np.ndarray, quantiles: np.ndarray) -> ForecastScorer:
    scorer = ForecastScorer(LEVELS, true.shape[1], 2)
    rows = len(true)
    scorer.add(true, point, quantiles, np.full(rows, 2.0), np.full(rows, 4.0),
               np.full(rows, 8.0), np.arange(rows) % 2)  # fmt: skip
    return scorer


def test_scores_against_the_formulas() -> None:
    random = np.random.default_rng(0)
    true = random.normal(10, 3, (40, 5))
    point = true + random.normal(0, 1, true.shape)
    quantiles = point[..., None] + np.array([-1.0, 0.2, 1.5])
    true[3, 2] = np.nan
    there = ~np.isnan(true)
    error = (true - point)[there]
    scores = scored(true, point, quantiles).scores()
    apart = (true[..., None] - quantiles)[there]
    pinball = np.maximum(np.multiply(LEVELS, apart), np.subtract(LEVELS, 1) * apart)
    inside = (true >= quantiles[..., 0]) & (true <= quantiles[..., 2])
    size = np.abs(true[there]) + np.abs(point[there])
    want = {
        "mse": np.mean(error**2) / 4,
        "mae": np.mean(np.abs(error)) / 2,
        "mae_in_units": np.mean(np.abs(error)),
        "rmse_in_units": np.sqrt(np.mean(error**2)),
        "mae_of_median": np.mean(np.abs(apart[:, 1])) / 2,
        "mase": np.mean(np.abs(error)) / 4,
        "rmsse": np.sqrt(np.mean(error**2) / 8),
        "smape": np.mean(200 * np.abs(error) / size),
        "wql": 2 * pinball.sum(0).mean() / np.abs(true[there]).sum(),
        "crps": 2 * pinball.mean(),
        "coverage_80": inside[there].mean(),
        "width_80": 2.5 / 2,
    }
    assert scores == pytest.approx(want)


def test_steps_and_groups_make_up_the_whole() -> None:
    random = np.random.default_rng(1)
    true, point = random.normal(size=(2, 12, 3))
    scorer = scored(true, point, point[..., None] + np.array([-1.0, 0, 1]))
    whole = scorer.scores()["mse"]
    assert np.mean([one["mse"] for one in scorer.by_step()]) == pytest.approx(whole)
    assert np.mean([one["mse"] for one in scorer.by_group()]) == pytest.approx(whole)
    assert "wql" not in scorer.scores(quantiles=False)


def test_naive_errors() -> None:
    values = np.array([[1.0], [2.0], [4.0], [np.nan], [3.0]])
    seasonal, squares = naive_errors(values, 2)
    assert seasonal.tolist() == [2]  # |4 - 1| and |3 - 4|
    assert squares.tolist() == [2.5]
