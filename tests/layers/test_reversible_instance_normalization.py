"""RevIN forwards, backwards and with values missing."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from toolkit.errors import ArgumentError
from toolkit.layers import ReversibleInstanceNormalization

RNG = np.random.default_rng(0)
SERIES = (50 + 7 * RNG.standard_normal((3, 20, 2))).astype("float32")


def test_normalised_by_mean_and_deviation() -> None:
    got = ReversibleInstanceNormalization()(SERIES)
    mean, deviation = SERIES.mean(1, keepdims=True), SERIES.std(1, keepdims=True)
    np.testing.assert_allclose(got, (SERIES - mean) / deviation, atol=1e-4)


@pytest.mark.parametrize("center", ["mean", "last"])
def test_inverse_gives_the_series_back(center: str) -> None:
    layer = ReversibleInstanceNormalization(center=center)
    layer.build(SERIES.shape)
    layer.set_weights([np.array([2.0, -0.5]), np.array([1.0, 3.0])])
    normalised, statistics = layer(SERIES, return_statistics=True)
    np.testing.assert_allclose(layer(normalised, statistics=statistics), SERIES, rtol=1e-5)


def test_last_value_becomes_zero() -> None:
    got = np.asarray(ReversibleInstanceNormalization(center="last")(SERIES))
    np.testing.assert_array_equal(got[:, -1], np.zeros((3, 2)))


def test_quantiles_of_a_forecast() -> None:
    layer = ReversibleInstanceNormalization()
    _, statistics = layer(SERIES, return_statistics=True)
    forecast = RNG.standard_normal((3, 6, 2, 5)).astype("float32")
    got = np.asarray(layer(forecast, statistics=statistics))
    alone = layer(forecast[..., 2], statistics=statistics)
    np.testing.assert_allclose(got[..., 2], alone, rtol=1e-6)


@pytest.mark.parametrize("center", ["mean", "last"])
def test_missing_values_are_as_if_they_were_not_there(center: str) -> None:
    layer = ReversibleInstanceNormalization(center=center)
    holes = SERIES.copy()
    holes[0, [3, 8, 19], 1] = np.nan
    normalised, statistics = layer(holes, return_statistics=True)
    kept = np.delete(SERIES[:1, :, 1:], [3, 8, 19], axis=1)
    alone = ReversibleInstanceNormalization(center=center, affine=False)
    expected, expected_statistics = alone(kept, return_statistics=True)
    got = np.asarray(normalised)[:1, :, 1:]
    np.testing.assert_allclose(np.delete(got, [3, 8, 19], axis=1), expected, atol=1e-5)
    np.testing.assert_allclose(statistics[:1, :, 1:], expected_statistics, rtol=1e-5)
    assert not got[0, [3, 8, 19]].any()


def test_a_channel_without_values_and_a_constant_one() -> None:
    series = np.stack([np.full((1, 5), np.nan), np.full((1, 5), 4.0)], axis=-1).astype("float32")
    normalised, statistics = ReversibleInstanceNormalization()(series, return_statistics=True)
    assert not np.any(normalised)
    np.testing.assert_allclose(statistics, [[[0, 4], [1, 1e-5**0.5]]], rtol=1e-5)


def test_gradients_are_finite_beside_missing_values() -> None:
    layer, holes = ReversibleInstanceNormalization(), SERIES.copy()
    holes[:, 4] = np.nan
    layer.build(holes.shape)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(layer(holes)))
    for gradient in tape.gradient(loss, [v.value for v in layer.trainable_variables]):
        assert np.isfinite(gradient).all()


def test_a_forecast_keeps_its_digits_under_a_half_precision_policy() -> None:
    layer = ReversibleInstanceNormalization(dtype="mixed_bfloat16")
    series = SERIES + 10000
    normalised, statistics = layer(series, return_statistics=True)
    assert keras.backend.standardize_dtype(normalised.dtype) == "bfloat16"
    np.testing.assert_allclose(layer(normalised, statistics=statistics), series, atol=0.2)


def test_a_model_of_both_directions_made_again() -> None:
    layer, inputs = ReversibleInstanceNormalization(), keras.Input((20, 2))
    normalised, statistics = layer(inputs, return_statistics=True)
    model = keras.Model(inputs, layer(normalised[:, -6:], statistics=statistics))
    np.testing.assert_allclose(model(SERIES), SERIES[:, -6:], rtol=1e-5)
    restored = keras.Model.from_config(model.get_config())
    restored.set_weights(model.get_weights())
    np.testing.assert_array_equal(restored(SERIES), model(SERIES))


def test_bad_center() -> None:
    with pytest.raises(ArgumentError, match="Expected one of mean, last"):
        ReversibleInstanceNormalization(center="first")  # type: ignore[arg-type]
