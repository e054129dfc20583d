"""Statistics of motion against NumPy, with and without a mask."""

import numpy as np
import pytest

from toolkit.errors import ArgumentError
from toolkit.layers import MotionStatistics
from toolkit.layers.motion_statistics import areas

VIDEO = np.random.default_rng(0).integers(0, 256, (2, 9, 6, 8, 3), dtype="uint8")
LAGS, THRESHOLDS, GRID = (1, 4), (20.0, 60.0), 2


def expected(video: np.ndarray) -> np.ndarray:
    """Of one video without a mask."""
    grey = video.astype("float64").mean(-1)
    found = []
    for lag in LAGS:
        change = np.abs(grey[lag:] - grey[:-lag])
        energy = change.mean((1, 2))
        cells = change.reshape(len(change), GRID, 3, GRID, 4).mean((2, 4))
        found += [energy.mean(), energy.std(), energy.max(), cells.max((1, 2)).mean()]
        found += [cells.mean(0).max(), cells.mean(0).std(), cells.std(0).max()]
        found += [100 * (change > threshold).mean() for threshold in THRESHOLDS]
    return np.log1p([*found, grey.std(), grey.mean()])


def statistics(video: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    return np.asarray(MotionStatistics(LAGS, THRESHOLDS, GRID)(video, mask=mask))


def test_against_numpy() -> None:
    np.testing.assert_allclose(statistics(VIDEO), [expected(one) for one in VIDEO], rtol=1e-4)


def test_masked_frames_enter_nothing() -> None:
    mask = np.arange(9)[None] < np.array([[6], [9]])
    got = statistics(VIDEO, mask)
    np.testing.assert_allclose(got[0], expected(VIDEO[0, :6]), rtol=1e-4)
    np.testing.assert_allclose(got[1], expected(VIDEO[1]), rtol=1e-4)


def test_a_lag_longer_than_the_video_gives_zeros() -> None:
    got = statistics(VIDEO[:, :3])
    each = (got.shape[1] - 2) // 2
    assert got[:, :each].all()
    assert not got[:, each:-2].any()


def test_cells_share_the_pixels_at_their_borders() -> None:
    np.testing.assert_allclose(areas(5, 2), [[0.4, 0.4, 0.2, 0, 0], [0, 0, 0.2, 0.4, 0.4]])
    np.testing.assert_allclose(areas(3, 8).sum(1), 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "place"),
    [({"lags": ()}, "lags"), ({"lags": (0,)}, "lags"), ({"grid": 0}, "grid")],
)
def test_bad_arguments(arguments: dict, place: str) -> None:
    with pytest.raises(ArgumentError, match=f"{place}.*Received"):
        MotionStatistics(**arguments)


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ArgumentError, match="video: Expected 5 axes"):
        MotionStatistics()(VIDEO[0])
