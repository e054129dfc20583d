"""Dropout drops the share it names and keeps the mean."""

import keras
import numpy as np
import pytest

from toolkit import layers


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5, 0.9])
def test_share_and_mean(rate: float) -> None:
    dropped = np.array(layers.Dropout(rate, seed=1)(np.ones((100, 31, 33)), training=True))
    assert np.mean(dropped == 0) == pytest.approx(rate, abs=0.005)
    assert dropped.mean() == pytest.approx(1, abs=0.02)
    assert len(np.unique(dropped)) == 2


def test_elements_are_dropped_apart() -> None:
    """Also the four that share a drawn word."""
    kept = np.array(layers.Dropout(0.5, seed=1)(np.ones((20_000, 8)), training=True)) > 0
    correlation = np.corrcoef(kept.T) - np.eye(8)
    assert np.abs(correlation).max() < 0.04


def test_a_small_rate_drops_some_and_a_large_one_keeps_some() -> None:
    for rate in (0.001, 0.999):
        dropped = np.array(layers.Dropout(rate, seed=1)(np.ones(100_000), training=True))
        assert 0 < np.mean(dropped == 0) < 1
        assert dropped.mean() == pytest.approx(1, abs=0.2)


def test_each_call_draws_anew_and_a_seed_repeats_them() -> None:
    inputs = np.ones((4, 64), "float32")
    first, again = (layers.Dropout(0.5, seed=3) for _ in range(2))
    draws = [np.array(first(inputs, training=True)) for _ in range(2)]
    assert (draws[0] != draws[1]).any()
    np.testing.assert_array_equal(draws[0], again(inputs, training=True))


def test_without_training_or_rate_nothing_changes() -> None:
    inputs = np.arange(6, dtype="float32")
    np.testing.assert_array_equal(layers.Dropout(0.5)(inputs), inputs)
    np.testing.assert_array_equal(layers.Dropout(0.0)(inputs, training=True), inputs)


def test_unknown_lengths() -> None:
    inputs = keras.Input((None, 3))
    model = keras.Model(inputs, layers.Dropout(0.5, seed=1)(inputs))
    for steps in (1, 5):
        assert model(np.ones((2, steps, 3)), training=True).shape == (2, steps, 3)
