"""cuDNN's recurrences: the packing of weights and the traced graph anywhere, values on a GPU."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from toolkit import layers
from toolkit.layers import cudnn_recurrence, recurrence

FEATURES, UNITS = 3, 2


def built(kind: str) -> Any:
    rng = np.random.default_rng(4)
    cell = {"lstm": layers.LSTMCell, "gru": layers.GRUCell}[kind](UNITS)
    cell.build((None, FEATURES))
    cell.set_weights([rng.standard_normal(w.shape) for w in cell.get_weights()])
    return cell


def test_pack_lstm() -> None:
    kernel, recurrent_kernel, bias = built("lstm").get_weights()
    parts = [
        k[:, g * UNITS : (g + 1) * UNITS].T for k in (kernel, recurrent_kernel) for g in range(4)
    ]
    expected = np.concatenate([*(p.ravel() for p in parts), np.zeros(4 * UNITS), bias])
    np.testing.assert_array_equal(cudnn_recurrence.pack(built("lstm")), expected)


def test_pack_gru_puts_the_reset_gate_first() -> None:
    kernel, recurrent_kernel, bias = built("gru").get_weights()

    def gates(weights: np.ndarray) -> list[np.ndarray]:
        z, r, g = np.split(weights, 3, axis=-1)
        return [part.T.ravel() for part in (r, z, g)]

    expected = np.concatenate(
        [*gates(kernel), *gates(recurrent_kernel), *gates(bias[0]), *gates(bias[1])]
    )
    np.testing.assert_array_equal(cudnn_recurrence.pack(built("gru")), expected)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
@pytest.mark.parametrize("reverse", [False, True])
def test_the_graph_can_be_traced_without_a_gpu(kind: str, reverse: bool) -> None:
    cell = built(kind)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, FEATURES], tf.float32),
            tf.TensorSpec([None, None], tf.bool),
        ]
    )
    def traced(inputs: Any, mask: Any) -> Any:
        states = cell.get_initial_state(tf.shape(inputs)[0])
        return cudnn_recurrence.run_cudnn(cell, inputs, states, mask, reverse)

    hidden, states = traced.get_concrete_function().structured_outputs
    assert hidden.shape.as_list() == [None, None, UNITS]
    assert [state.shape.as_list() for state in states] == [[None, UNITS]] * cell.num_states


def test_without_a_gpu_the_plain_loop_runs() -> None:
    assert cudnn_recurrence.cudnn_available() == bool(tf.config.list_logical_devices("GPU"))


@pytest.mark.gpu
@pytest.mark.parametrize("kind", ["lstm", "gru"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("mask", [None, [[1, 1, 1, 1], [1, 1, 0, 0]], [[0, 1, 1, 0], [0, 0, 0, 0]]])
def test_cudnn_equals_the_plain_loop(kind: str, reverse: bool, mask: Any) -> None:
    cell = built(kind)
    rng = np.random.default_rng(4)
    inputs = tf.constant(rng.standard_normal((2, 4, FEATURES)), tf.float32)
    states = tuple(
        tf.constant(rng.standard_normal((2, UNITS)), tf.float32) for _ in range(cell.num_states)
    )
    given = None if mask is None else tf.constant(mask, tf.bool)
    results = []
    for run in (cudnn_recurrence.run_cudnn, recurrence.run_loop):
        with tf.GradientTape() as tape:
            hidden, last = run(cell, inputs, states, given, reverse)
            loss = tf.reduce_sum(tf.sin(hidden)) + tf.reduce_sum(tf.sin(last[-1]))
        weights = [variable.value for variable in cell.trainable_variables]
        results.append([hidden, *last, *tape.gradient(loss, weights)])
    for ours, reference in zip(*results, strict=True):
        np.testing.assert_allclose(ours, reference, atol=1e-4)
