"""Depthwise convolutions, the block made of them, and convolutions of text."""

from typing import Any

import numpy as np
import pytest

from toolkit.errors import ArgumentError
from toolkit.layers import ConvolutionBlock, DepthwiseConvolution, TextConvolution

SEQUENCE = np.random.default_rng(0).standard_normal((2, 9, 3)).astype("float32")


def depthwise(sequence: np.ndarray, taps: np.ndarray, dilation: int, causal: bool) -> np.ndarray:
    """The sum of the definition, for one row and taps `(kernel_size, dim)`."""
    around = (len(taps) - 1) * dilation
    left = around if causal else around // 2
    padded = np.pad(sequence, [(left, around - left), (0, 0)])
    time = len(sequence)
    return sum(padded[k * dilation : k * dilation + time] * tap for k, tap in enumerate(taps))


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize(("size", "dilation"), [(1, 1), (4, 1), (5, 1), (3, 2)])
@pytest.mark.parametrize("time", [1, 2, 9])
def test_depthwise_equals_numpy(time: int, size: int, dilation: int, causal: bool) -> None:
    layer = DepthwiseConvolution(size, dilation, causal)
    got = layer(SEQUENCE[:, :time])
    taps = np.asarray(layer.kernel)[..., 0]
    expected = np.stack([depthwise(row, taps, dilation, causal) for row in SEQUENCE[:, :time]])
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_block_is_the_input_plus_what_it_adds() -> None:
    block = ConvolutionBlock(3)
    block.build(SEQUENCE.shape)
    block.pointwise.set_weights([np.zeros((3, 3)), np.zeros(3)])
    np.testing.assert_array_equal(block(SEQUENCE), SEQUENCE)


def test_text_convolution_equals_numpy() -> None:
    layer = TextConvolution(4, kernel_sizes=(2, 3), activation="linear")
    got = np.asarray(layer(SEQUENCE))
    for number, size in enumerate((2, 3)):
        kernel = np.asarray(layer.kernels[number]).reshape(-1, 4)
        windows = np.stack([SEQUENCE[:, i : i + size].reshape(2, -1) for i in range(10 - size)])
        expected = (windows @ kernel).max(axis=0)
        np.testing.assert_allclose(got[:, 4 * number : 4 * number + 4], expected, atol=1e-5)


@pytest.mark.parametrize("length", [1, 2, 3, 4, 9])
def test_text_of_any_length_is_the_same_with_padding(length: int) -> None:
    layer = TextConvolution(4, kernel_sizes=(2, 4), activation="linear")
    mask = np.broadcast_to(np.arange(9) < length, (2, 9))
    alone = layer(SEQUENCE[:, :length])
    np.testing.assert_allclose(layer(SEQUENCE, mask=mask), alone, atol=1e-6)


def test_text_without_a_word_gives_zeros() -> None:
    layer = TextConvolution(4, activation="linear")
    assert not np.any(layer(SEQUENCE, mask=np.zeros((2, 9), bool)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kernel_sizes": ()}, "Expected at least one. Received: kernel_sizes="),
        ({"kernel_sizes": (3, 0)}, "Expected a positive integer. Received: kernel_sizes=0"),
        ({"filters": -1}, "Received: filters=-1"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        TextConvolution(**arguments)
