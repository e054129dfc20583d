"""Bands that SpecAugment hides."""

from typing import Any

import numpy as np
import pytest

from toolkit.errors import ArgumentError
from toolkit.layers import SpecAugment

ONES = np.ones((200, 30, 12), "float32")


def runs(hidden: np.ndarray) -> int:
    """The number of separate bands in a row of booleans."""
    return int(np.sum(np.diff(np.pad(hidden.astype(int), 1)) == 1))


def test_bands_are_as_many_and_as_wide_as_said() -> None:
    layer = SpecAugment(1, 4, 1, 9, time_ratio=1.0, seed=3)
    hidden = np.asarray(layer(ONES, training=True)) == 0
    bins, steps = hidden.all(axis=1), hidden.all(axis=2)
    assert {int(row.sum()) for row in bins} == {0, 1, 2, 3, 4}
    assert {int(row.sum()) for row in steps} == set(range(10))
    assert all(runs(row) <= 1 for row in (*bins, *steps))
    np.testing.assert_array_equal(hidden, bins[:, None, :] | steps[:, :, None])
    assert bins.any(axis=0).all()
    assert steps.any(axis=0).all()


def test_time_bands_keep_to_the_ratio_of_real_frames() -> None:
    mask = np.arange(30) < np.where(np.arange(200) % 2, 10, 30)[:, None]
    layer = SpecAugment(0, 0, 1, 100, time_ratio=0.3, seed=3)
    hidden = (np.asarray(layer(ONES, mask=mask, training=True)) == 0).all(axis=2)
    assert not hidden[~mask].any()
    assert hidden[1::2].sum(axis=1).max() == 3
    assert hidden[::2].sum(axis=1).max() == 9


def test_rows_and_calls_differ_and_the_seed_repeats() -> None:
    first, again = (SpecAugment(frequency_width=6, seed=5) for _ in range(2))
    values = np.asarray(first(ONES, training=True))
    np.testing.assert_array_equal(values, again(ONES, training=True))
    assert not np.array_equal(values, first(ONES, training=True))
    assert not np.array_equal(values[0], values[1])


def test_unchanged_outside_training() -> None:
    np.testing.assert_array_equal(SpecAugment()(ONES), ONES)


def test_hidden_values_become_the_mask_value() -> None:
    layer = SpecAugment(mask_value=-7.0, seed=1)
    assert set(np.unique(layer(ONES, training=True))) == {-7.0, 1.0}


@pytest.mark.parametrize(
    "arguments", [{"num_time_masks": -1}, {"frequency_width": -2}, {"time_ratio": 1.5}]
)
def test_bad_arguments(arguments: dict[str, Any]) -> None:
    ((name, value),) = arguments.items()
    with pytest.raises(ArgumentError, match=f"{name}: Expected .* Received: {name}={value}"):
        SpecAugment(**arguments)
