"""Attention by one head, against NumPy."""

import numpy as np
import pytest

from toolkit.errors import ArgumentError
from toolkit.layers import AdditiveAttention, DotAttention

RNG = np.random.default_rng(1)
QUERY, KEYS, VALUES = (RNG.standard_normal((2, t, 4)).astype("float32") for t in (3, 5, 5))
COUNTS = np.arange(5) < np.array([[5], [2]])


def weighted(scores):
    scores = np.where(COUNTS[:, None], scores, -np.inf)
    p = np.exp(scores - scores.max(-1, keepdims=True))
    p = p / p.sum(-1, keepdims=True)
    return p @ VALUES, p


def additive(layer):
    w, b = (v.numpy() for v in layer.query_dense.variables)
    hidden = np.tanh((QUERY @ w + b)[:, :, None] + (KEYS @ layer.key_dense.kernel.numpy())[:, None])
    return hidden @ layer.score.numpy()


def dot(layer):
    kernel = layer.kernel.numpy() if layer.score == "general" else np.eye(4)
    scale = 2 if layer.score == "scaled" else 1
    return QUERY @ (KEYS @ kernel).swapaxes(1, 2) / scale


ROWS = [(lambda: AdditiveAttention(6), additive)]
ROWS += [(lambda s=s: DotAttention(s), dot) for s in ("dot", "general", "scaled")]


@pytest.mark.parametrize(("make", "scores_of"), ROWS)
def test_equals_the_paper(make, scores_of) -> None:
    layer = make()
    options = {"padding_mask": COUNTS, "return_attention_scores": True}
    got = layer(QUERY, KEYS, VALUES, **options)
    single = layer(QUERY[:, 1], KEYS, VALUES, **options)
    for left, one, right in zip(got, single, weighted(scores_of(layer)), strict=True):
        np.testing.assert_allclose(left, right, atol=1e-5)
        np.testing.assert_allclose(one, right[:, 1], atol=1e-5)


@pytest.mark.parametrize("make", [lambda: AdditiveAttention(6), lambda: DotAttention()])
def test_no_key_left_gives_zeros(make) -> None:
    output = make()(QUERY, KEYS, padding_mask=np.zeros((2, 5), bool))
    np.testing.assert_array_equal(output, np.zeros((2, 3, 4)))


def test_messages() -> None:
    with pytest.raises(ArgumentError, match=r"dot, general, scaled. Received: score='cosine'"):
        DotAttention("cosine")
    with pytest.raises(ArgumentError, match=r"equally many features.*Received: query of shape"):
        DotAttention()(QUERY, KEYS[..., :3])
