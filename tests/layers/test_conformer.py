"""Conformer: its equations, causality and length."""

from typing import Any

import numpy as np
import pytest

from toolkit.errors import ArgumentError
from toolkit.layers import ConformerBlock, ConformerConvolution, RecurrentAttention

SEQUENCE = np.random.default_rng(0).standard_normal((2, 12, 8)).astype("float32")


def normal(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def test_convolution_module_equals_numpy() -> None:
    layer = ConformerConvolution(kernel_size=3)
    got = layer(SEQUENCE)
    (w1, taps, w2), time = [w for w in layer.get_weights() if w.ndim > 1], 12
    value, gate = np.split(normal(SEQUENCE) @ w1, 2, axis=-1)
    padded = np.pad(value * sigmoid(gate), [(0, 0), (1, 1), (0, 0)])
    filtered = normal(sum(padded[:, k : k + time] * taps[k, :, 0] for k in range(3)))
    np.testing.assert_allclose(got, filtered * sigmoid(filtered) @ w2, atol=1e-4)


def test_block_is_its_modules_in_the_papers_order() -> None:
    block = ConformerBlock(num_heads=2, kernel_size=3)
    got = block(SEQUENCE)
    x = SEQUENCE + 0.5 * np.asarray(block.first_half(normal(SEQUENCE)))
    x = x + np.asarray(block.attention(normal(x)))
    x = x + np.asarray(block.convolution(x))
    x = x + 0.5 * np.asarray(block.second_half(normal(x)))
    np.testing.assert_allclose(got, normal(x), atol=1e-4)


@pytest.mark.parametrize("kind", [ConformerBlock, RecurrentAttention])
@pytest.mark.parametrize("causal", [True, False])
def test_a_causal_block_sees_no_later_step(kind: Any, causal: bool) -> None:
    block = kind(num_heads=2, causal=causal)
    changed = SEQUENCE.copy()
    changed[:, 7:] = SEQUENCE[:, :5]
    before, after = np.asarray(block(SEQUENCE)), np.asarray(block(changed))
    assert np.allclose(before[:, :7], after[:, :7], atol=1e-5) == causal
    assert not np.allclose(before[:, 7:], after[:, 7:], atol=1e-2)


# Keras takes a softmax over one step for a mistake.
@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")
@pytest.mark.parametrize("kind", [ConformerBlock, RecurrentAttention])
def test_one_step_and_rows_of_padding_alone(kind: Any) -> None:
    block = kind(num_heads=2)
    assert block(SEQUENCE[:, :1]).shape == (2, 1, 8)
    assert np.isfinite(block(SEQUENCE, mask=np.zeros((2, 12), bool))).all()


def test_bad_arguments() -> None:
    with pytest.raises(ArgumentError, match="Received: kernel_size=0"):
        ConformerBlock(num_heads=2, kernel_size=0)
    with pytest.raises(ArgumentError, match="Received: positions='sine'"):
        ConformerBlock(num_heads=2, positions="sine")(SEQUENCE)
    with pytest.raises(ArgumentError, match="Expected one of lstm, gru"):
        RecurrentAttention(num_heads=2, cell="rnn")
    with pytest.raises(ArgumentError, match="Expected an even number of features"):
        RecurrentAttention(num_heads=1)(SEQUENCE[..., :7])
