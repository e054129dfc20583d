"""Frames and their mask."""

import numpy as np
import pytest

from toolkit.layers.framing import frame_count, frame_mask, frames, real_length


def cut(series: np.ndarray, length: int, step: int) -> np.ndarray:
    """The rule in plain NumPy, for one row `(time, channels)`."""
    count = max(1, 1 + (len(series) - length) // step)
    series = np.pad(series, [(0, length), (0, 0)])
    return np.stack([series[i * step : i * step + length].ravel() for i in range(count)])


@pytest.mark.parametrize("time", [1, 4, 5, 6, 7, 8, 23, 64])
@pytest.mark.parametrize(("length", "step"), [(5, 3), (4, 2), (3, 5), (1, 1), (16, 8), (20, 7)])
@pytest.mark.parametrize("channels", [1, 3])
def test_frames_are_slices_of_the_series(time: int, length: int, step: int, channels: int) -> None:
    series = np.random.default_rng(0).standard_normal((2, time, channels)).astype("float32")
    expected = np.stack([cut(row, length, step) for row in series])
    np.testing.assert_array_equal(frames(series, length, step), expected)
    assert frame_count(time, length, step) == expected.shape[1]


def test_as_many_real_frames_as_without_padding() -> None:
    lengths = np.arange(24)
    mask = frame_mask(np.arange(23) < lengths[:, None], 5, 3)
    expected = [frame_count(int(n), 5, 3) if n else 0 for n in lengths]
    np.testing.assert_array_equal(np.sum(mask, axis=1), expected)
    np.testing.assert_array_equal(np.argmin(mask, axis=1)[:-2], expected[:-2])


def test_a_frame_of_masked_steps_alone_is_masked() -> None:
    left_padded = np.array([[False] * 6 + [True] * 6])
    np.testing.assert_array_equal(frame_mask(left_padded, 4, 4), [[False, True, True]])


def test_unknown_time_stays_unknown() -> None:
    assert frame_count(None, 5, 3) is None


def test_real_length_counts_to_the_last_real_step() -> None:
    mask = np.array([[True, False, True, False], [False] * 4])
    np.testing.assert_array_equal(real_length(mask), [3, 0])
