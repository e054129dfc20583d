"""Pooling over real steps."""

from typing import Any

import numpy as np
import pytest

from toolkit.errors import ArgumentError
from toolkit.layers import AttentionPooling, MaskedPooling

SEQUENCE = np.random.default_rng(0).standard_normal((3, 6, 4)).astype("float32") - 3
MASK = np.array([[True] * 6, [False, True, True, False, True, False], [False] * 6])

REFERENCES: dict[str, Any] = {
    "mean": lambda steps: steps.mean(axis=0),
    "max": lambda steps: steps.max(axis=0),
    "mean_max": lambda steps: np.concatenate([steps.mean(axis=0), steps.max(axis=0)]),
    "first": lambda steps: steps[0],
    "last": lambda steps: steps[-1],
}


@pytest.mark.parametrize("kind", REFERENCES)
def test_pools_the_real_steps(kind: Any) -> None:
    got = np.asarray(MaskedPooling(kind)(SEQUENCE, mask=MASK))
    for row in (0, 1):
        np.testing.assert_allclose(got[row], REFERENCES[kind](SEQUENCE[row][MASK[row]]), rtol=1e-5)
    assert not got[2].any()


@pytest.mark.parametrize("kind", REFERENCES)
def test_nothing_in_the_padding_matters(kind: Any) -> None:
    spoiled = np.where(MASK[..., None], SEQUENCE, np.nan)
    np.testing.assert_array_equal(
        MaskedPooling(kind)(spoiled, mask=MASK), MaskedPooling(kind)(SEQUENCE, mask=MASK)
    )


def test_attention_weights_are_the_papers() -> None:
    layer = AttentionPooling(5)
    got, weights = layer(SEQUENCE, mask=MASK, return_attention_scores=True)
    query, kernel, bias = (np.asarray(v) for v in (layer.query, *layer.projection.weights))
    steps = SEQUENCE[1][MASK[1]]
    scores = np.exp(np.tanh(steps @ kernel + bias) @ query)[:, 0]
    np.testing.assert_allclose(weights[1][MASK[1]], scores / scores.sum(), rtol=1e-5)
    np.testing.assert_allclose(got[1], scores / scores.sum() @ steps, rtol=1e-5)
    assert not np.any(np.asarray(weights)[~MASK])
    assert not np.any(got[2])


@pytest.mark.parametrize("kind", ["mean", "max", "first", "last"])
def test_one_step(kind: Any) -> None:
    np.testing.assert_array_equal(MaskedPooling(kind)(SEQUENCE[:, :1]), SEQUENCE[:, 0])


# Keras takes a softmax over one step for a mistake.
@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")
def test_attention_to_one_step() -> None:
    np.testing.assert_array_equal(AttentionPooling()(SEQUENCE[:, :1]), SEQUENCE[:, 0])


def test_an_unknown_kind() -> None:
    with pytest.raises(ArgumentError, match=r"Expected one of mean, max.* Received: kind='sum'"):
        MaskedPooling("sum")  # type: ignore[arg-type]


def test_bad_units() -> None:
    with pytest.raises(ArgumentError, match="Received: units=0"):
        AttentionPooling(units=0)
