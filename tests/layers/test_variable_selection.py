"""Gated residual networks and variable selection against NumPy."""

import numpy as np
import pytest

from toolkit.errors import ArgumentError
from toolkit.layers import GatedResidualNetwork, VariableSelection

RNG = np.random.default_rng(0)
STEPS = RNG.standard_normal((2, 7, 5)).astype("float32")
STATIC = RNG.standard_normal((2, 3)).astype("float32")
EACH = RNG.standard_normal((2, 7, 4, 3)).astype("float32")
VARIABLES = RNG.standard_normal((2, 7, 4, 5)).astype("float32")


def grn(layer: GatedResidualNetwork, a: np.ndarray, context: np.ndarray | float) -> np.ndarray:
    """Equations 2 to 5 with the layer's kernels (its biases are zero at first)."""
    w2, w1, w45, skip = (
        np.asarray(part.kernel) for part in (layer.expand, layer.contract, layer.gate, layer.skip)
    )
    hidden = a @ w2 + context
    hidden = np.where(hidden > 0, hidden, np.expm1(hidden)) @ w1
    gate, value = np.split(hidden @ w45, 2, axis=-1)
    x = a @ skip + value / (1 + np.exp(-gate))
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)


def test_gated_residual_network_equals_numpy() -> None:
    layer = GatedResidualNetwork(6)
    got = layer(STEPS, STATIC)
    context = (STATIC @ np.asarray(layer.add_context.kernel))[:, None]
    np.testing.assert_allclose(got, grn(layer, STEPS, context), atol=1e-4)


def test_without_context() -> None:
    layer = GatedResidualNetwork(6, output_dim=3)
    np.testing.assert_allclose(layer(STEPS), grn(layer, STEPS, 0.0), atol=1e-4)


@pytest.mark.parametrize("context", [None, STATIC, EACH], ids=["none", "static", "each"])
def test_each_variable_has_a_network_of_its_own(context: np.ndarray | None) -> None:
    together = GatedResidualNetwork(6, num_variables=4)
    got = np.asarray(together(VARIABLES, context))
    for number in range(4):
        own = context[:, :, number] if context is EACH else context
        alone = GatedResidualNetwork(6)
        alone.build(STEPS.shape, None if own is None else own.shape)
        for weight, among in zip(alone.weights, together.weights, strict=True):
            kept = among if "context" in weight.path else among[number]  # the context's are shared
            weight.assign(np.reshape(kept, weight.shape))
        expected = alone(VARIABLES[:, :, number], own)
        np.testing.assert_allclose(expected, got[:, :, number], atol=1e-5)


def test_selection_is_the_weighted_sum_of_processed_variables() -> None:
    layer = VariableSelection(6)
    got, weights = layer(VARIABLES, STATIC, return_selection_weights=True)
    scores = np.asarray(layer.select(VARIABLES.reshape(2, 7, 20), STATIC))
    expected = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    np.testing.assert_allclose(weights, expected, atol=1e-5)
    processed = np.asarray(layer.process(VARIABLES))
    np.testing.assert_allclose(got, np.einsum("btv,btvu->btu", weights, processed), atol=1e-5)


# Keras takes a softmax over one variable for a mistake.
@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")
def test_one_variable_is_always_selected() -> None:
    _, weights = VariableSelection(6)(VARIABLES[:, :, :1], return_selection_weights=True)
    np.testing.assert_array_equal(weights, np.ones((2, 7, 1)))


def test_static_variables_have_no_time() -> None:
    got, weights = VariableSelection(6)(VARIABLES[:, 0], return_selection_weights=True)
    assert got.shape == (2, 6)
    np.testing.assert_allclose(np.sum(weights, axis=-1), 1, rtol=1e-5)


def test_bad_arguments() -> None:
    with pytest.raises(ArgumentError, match="Received: units=0"):
        VariableSelection(0)
    with pytest.raises(ArgumentError, match="Received: num_variables=0"):
        GatedResidualNetwork(4, num_variables=0)
    with pytest.raises(ArgumentError, match=r"Received: dropout=-0\.1"):
        GatedResidualNetwork(4, dropout=-0.1)
