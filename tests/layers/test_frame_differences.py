"""Differences of video frames."""

import numpy as np

from toolkit.layers import FrameDifferences

VIDEO = np.random.default_rng(0).integers(0, 256, (2, 5, 3, 4, 1), dtype="uint8")
WIDE = VIDEO.astype("float32")


def test_differences_of_bytes_do_not_wrap() -> None:
    got = np.asarray(FrameDifferences()(VIDEO))
    np.testing.assert_array_equal(got[:, 1:], np.diff(WIDE, axis=1))
    assert not got[:, 0].any()


def test_frames_are_kept_before_their_differences() -> None:
    got = np.asarray(FrameDifferences(keep_frames=True)(VIDEO))
    np.testing.assert_array_equal(got[..., :1], WIDE)
    np.testing.assert_array_equal(got[..., 1:], FrameDifferences()(VIDEO))


def test_no_difference_to_or_from_a_masked_frame() -> None:
    mask = np.array([[False, True, True, False, True], [True] * 5])
    got = np.asarray(FrameDifferences()(VIDEO, mask=mask))
    np.testing.assert_array_equal(
        np.any(got[0], axis=(1, 2, 3)), [False, False, True, False, False]
    )


def test_one_frame() -> None:
    assert not np.any(FrameDifferences()(VIDEO[:, :1]))
