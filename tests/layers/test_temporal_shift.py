"""Channels moved along time."""

import numpy as np
import pytest

from toolkit.errors import ArgumentError
from toolkit.layers import TemporalShift


def test_shift_against_numpy() -> None:
    x = np.random.default_rng(0).standard_normal((2, 5, 3, 8)).astype("float32")
    got = np.asarray(TemporalShift(0.25)(x))
    want = x.copy()
    want[:, :-1, :, :2], want[:, -1, :, :2] = x[:, 1:, :, :2], 0
    want[:, 1:, :, 2:4], want[:, 0, :, 2:4] = x[:, :-1, :, 2:4], 0
    np.testing.assert_array_equal(got, want)


def test_a_share_of_more_than_half_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"share: Expected 0 to 0\.5"):
        TemporalShift(0.6)
