"""Patches of series."""

from typing import Any

import numpy as np
import pytest

from toolkit.errors import ArgumentError
from toolkit.layers import Patches


def test_patches_of_a_count() -> None:
    series = np.arange(7, dtype="float32").reshape(1, 7, 1)
    patches = Patches(patch_length=3, patch_step=2)(series)
    np.testing.assert_array_equal(patches, [[[0, 1, 2], [2, 3, 4], [4, 5, 6]]])


def test_end_padding_repeats_the_last_step() -> None:
    series = np.arange(6, dtype="float32").reshape(1, 6, 1)
    patches = Patches(patch_length=3, patch_step=2, end_padding=2)(series)
    np.testing.assert_array_equal(patches, [[[0, 1, 2], [2, 3, 4], [4, 5, 5]]])


def test_the_papers_number_of_patches() -> None:
    patches = Patches(patch_length=16, patch_step=8, end_padding=8)
    assert patches(np.zeros((1, 336, 1), "float32")).shape == (1, 42, 16)


def test_channels_stay_together_within_a_step() -> None:
    series = np.arange(8, dtype="float32").reshape(1, 4, 2)
    np.testing.assert_array_equal(Patches(2)(series), [[[0, 1, 2, 3], [4, 5, 6, 7]]])


def test_a_short_series_is_filled_up_with_its_last_step() -> None:
    series = np.array([[[1.0], [2.0]]], "float32")
    np.testing.assert_array_equal(Patches(4)(series), [[[1, 2, 2, 2]]])


def test_copies_follow_the_last_real_step() -> None:
    series = np.array([[[1.0], [2.0], [3.0], [9.0], [9.0], [9.0]]], "float32")
    mask = np.arange(6)[None] < 3
    layer = Patches(patch_length=2, end_padding=1)
    real = np.asarray(layer.compute_mask(series, mask))
    np.testing.assert_array_equal(real, [[True, True, False]])
    np.testing.assert_array_equal(layer(series, mask=mask)[0][real[0]], [[1, 2], [3, 3]])


def test_padding_on_the_left_and_rows_of_padding_alone() -> None:
    series, layer = np.ones((2, 6, 1), "float32"), Patches(2, end_padding=2)
    mask = np.array([[False, False, False, True, True, True], [False] * 6])
    real = layer.compute_mask(series, mask)
    np.testing.assert_array_equal(real, [[False, True, True, True], [False] * 4])
    np.testing.assert_array_equal(layer(series, mask=mask)[0, 1], [0, 1])


@pytest.mark.parametrize(
    "arguments", [{"patch_length": 0}, {"patch_step": -1}, {"end_padding": -1}]
)
def test_bad_arguments(arguments: dict[str, Any]) -> None:
    ((name, value),) = arguments.items()
    with pytest.raises(ArgumentError, match=f"{name}: Expected .* Received: {name}={value}"):
        Patches(**{"patch_length": 4, **arguments})
