"""Causal convolutions: values, what a step sees, weight normalisation."""

from typing import Any

import keras
import numpy as np
import pytest

from toolkit.errors import ArgumentError
from toolkit.layers import CausalConvolution, TemporalConvolutionBlock, TemporalConvolutionStack

SEQUENCE = np.random.default_rng(0).standard_normal((2, 40, 3)).astype("float32")


def causal(sequence: np.ndarray, kernel: np.ndarray, dilation: int) -> np.ndarray:
    """The sum of the definition, for one row."""
    taps, time = len(kernel), len(sequence)
    padded = np.pad(sequence, [((taps - 1) * dilation, 0), (0, 0)])
    return sum(padded[k * dilation : k * dilation + time] @ kernel[k] for k in range(taps))


@pytest.mark.parametrize("time", [1, 2, 7, 40])
@pytest.mark.parametrize(("taps", "dilation"), [(1, 1), (2, 1), (3, 4)])
def test_equals_numpy(time: int, taps: int, dilation: int) -> None:
    layer = CausalConvolution(5, taps, dilation)
    got = layer(SEQUENCE[:, :time])
    kernel = np.asarray(layer.kernel)
    expected = np.stack([causal(row, kernel, dilation) for row in SEQUENCE[:, :time]])
    np.testing.assert_allclose(got, expected, atol=1e-5)


def seen(layer: keras.layers.Layer) -> np.ndarray:
    """The input steps whose change reaches the output of the last step but five."""
    changed = np.repeat(SEQUENCE[:1], 40, axis=0)
    changed[np.arange(40), np.arange(40)] += 3.0
    outputs = np.asarray(layer(changed))[:, 34]
    return np.flatnonzero(np.abs(outputs - np.asarray(layer(SEQUENCE[:1]))[:, 34]).sum(axis=1))


@pytest.mark.parametrize(
    "layer",
    [
        CausalConvolution(8, 3, dilation_rate=4),
        TemporalConvolutionBlock(8, kernel_size=3, dilation_rate=3),
        TemporalConvolutionStack(8, num_layers=3, kernel_size=3),
    ],
    ids=lambda layer: layer.name,
)
def test_a_step_sees_its_receptive_field_and_no_later_step(layer: Any) -> None:
    steps = seen(layer)
    assert steps.max() == 34
    assert steps.min() == 35 - layer.receptive_field


def test_weight_normalization_changes_nothing_at_first_and_then_scales() -> None:
    normal, plain = (CausalConvolution(4, 3, weight_normalization=on) for on in (True, False))
    normal.build(SEQUENCE.shape)
    plain.build(SEQUENCE.shape)
    kernel, bias, gain = normal.get_weights()
    plain.set_weights([kernel, bias])
    np.testing.assert_allclose(gain, np.sqrt((kernel**2).sum((0, 1))), rtol=1e-5)
    np.testing.assert_allclose(normal(SEQUENCE), plain(SEQUENCE), atol=1e-5)
    normal.set_weights([5 * kernel, bias, 2 * gain])
    np.testing.assert_allclose(normal(SEQUENCE), 2 * plain(SEQUENCE), atol=1e-5)


def test_padding_before_the_sequence_is_its_beginning() -> None:
    layer = TemporalConvolutionStack(8, num_layers=2)
    padded = np.pad(SEQUENCE, [(0, 0), (5, 0), (0, 0)], constant_values=9)
    mask = np.broadcast_to(np.arange(45) >= 5, (2, 45))
    got = np.asarray(layer(padded, mask=mask))[:, 5:]
    np.testing.assert_allclose(got, layer(SEQUENCE), atol=1e-5)


@pytest.mark.parametrize(
    "arguments", [{"filters": 0}, {"kernel_size": 0}, {"dilation_rate": 1.5}, {"dropout": 1.0}]
)
def test_bad_arguments(arguments: dict[str, Any]) -> None:
    ((name, value),) = arguments.items()
    with pytest.raises(ArgumentError, match=f"{name}: Expected .* Received: {name}={value}"):
        TemporalConvolutionBlock(**{"filters": 4, **arguments})
