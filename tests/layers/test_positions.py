"""Positions against NumPy, and with an offset."""

import numpy as np
import pytest

from toolkit.errors import ArgumentError
from toolkit.layers import (
    ALiBi,
    LearnedPositions,
    RelativePositionBias,
    RotaryPositions,
    SinusoidalPositions,
)

X = np.random.default_rng(1).standard_normal((2, 7, 6)).astype("float32")


def test_sinusoidal() -> None:
    position, pair = np.mgrid[:7, :3]
    angle = position / 10_000 ** (2 * pair / 6)
    expected = np.stack([np.sin(angle), np.cos(angle)], -1).reshape(7, 6)
    np.testing.assert_allclose(SinusoidalPositions()(X), X + expected, atol=1e-6)


@pytest.mark.parametrize(
    "make", [SinusoidalPositions, lambda: LearnedPositions(9), RotaryPositions]
)
def test_offset_is_the_later_part(make) -> None:
    layer = make()
    whole = layer(X)
    np.testing.assert_allclose(layer(X[:, 3:5], offset=3), whole[:, 3:5], atol=1e-6)


def test_rotary_turns_pairs_and_knows_only_distance() -> None:
    layer = RotaryPositions()
    angle = np.arange(7)[:, None] * 10_000 ** (-np.arange(3) / 3)
    turned = (X[..., :3] + 1j * X[..., 3:]) * np.exp(1j * angle)
    expected = np.concatenate([turned.real, turned.imag], -1)
    np.testing.assert_allclose(layer(X), expected, atol=1e-5)
    near = np.einsum("btd,bsd->bts", layer(X), layer(X))
    far = np.einsum("btd,bsd->bts", layer(X, offset=40), layer(X, offset=40))
    np.testing.assert_allclose(near, far, atol=1e-4)


def test_relative_buckets() -> None:
    layer = RelativePositionBias(1, num_buckets=8, max_distance=16)
    layer.build((None,), (None,))
    layer.table.assign(np.arange(8.0)[:, None])
    bias = layer(np.array([20]), np.array([0, 12, 17, 18, 19, 20, 21, 22, 40]))
    # Past: 1, 2-5, 6 and more; ahead the same from 4 on.
    assert bias[0, 0].numpy().tolist() == [3, 3, 2, 2, 1, 0, 5, 6, 7]
    one_way = RelativePositionBias(1, num_buckets=8, max_distance=16, bidirectional=False)
    one_way.build((None,), (None,))
    one_way.table.assign(np.arange(8.0)[:, None])
    bias = one_way(np.array([20]), np.array([0, 16, 17, 20, 25]))
    assert bias[0, 0].numpy().tolist() == [7, 4, 3, 0, 0]


def test_alibi_slopes() -> None:
    slopes = -np.array(ALiBi(6)(np.array([1]), np.array([0])))[:, 0, 0]
    np.testing.assert_allclose(slopes, [2**-2, 2**-4, 2**-6, 2**-8, 2**-1, 2**-3])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: LearnedPositions(3)(X), "Expected at most max_length=3 steps. Received: length=7"),
        (lambda: RotaryPositions()(X[..., :5]), "even number of features"),
        (lambda: RelativePositionBias(1, num_buckets=2), "num_buckets=2"),
    ],
)
def test_messages(make, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        make()
