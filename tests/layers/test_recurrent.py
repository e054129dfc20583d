"""Recurrent layers against NumPy, against Keras, and their own gradient against differences."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from toolkit import layers
from toolkit.errors import ArgumentError
from toolkit.layers import recurrence
from toolkit.layers.shared_rows import SharedRows, spread

KINDS = {"rnn": layers.SimpleRNN, "lstm": layers.LSTM, "gru": layers.GRU}
every_kind = pytest.mark.parametrize("kind", KINDS)
STEPS, FEATURES, UNITS = 6, 3, 4

# Row by row: whole, right padding, padding left and in the middle, nothing but padding.
MASK = np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0], [0, 1, 0, 0, 1, 1], [0] * 6], bool)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def rnn_step(x: np.ndarray, h: np.ndarray, weights: list[np.ndarray]) -> tuple[np.ndarray, ...]:
    w, u, b = weights
    return (np.tanh(x @ w + h @ u + b),)


def lstm_step(
    x: np.ndarray, h: np.ndarray, c: np.ndarray, weights: list[np.ndarray]
) -> tuple[np.ndarray, ...]:
    w, u, b = weights
    i, f, g, o = np.split(x @ w + h @ u + b, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru_step(x: np.ndarray, h: np.ndarray, weights: list[np.ndarray]) -> tuple[np.ndarray, ...]:
    w, u, (b, d) = weights
    (xz, xr, xg), (hz, hr, hg) = np.split(x @ w + b, 3, -1), np.split(h @ u + d, 3, -1)
    z, g = sigmoid(xz + hz), np.tanh(xg + sigmoid(xr + hr) * hg)
    return (z * h + (1 - z) * g,)


STEP: dict[str, Callable[..., tuple[np.ndarray, ...]]] = {
    "rnn": rnn_step,
    "lstm": lstm_step,
    "gru": gru_step,
}


def read(
    kind: str, weights: Any, x: np.ndarray, mask: np.ndarray, states: Any, backwards: bool
) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """The reference: one step after the other, a masked one carries the states."""
    outputs = np.zeros((*x.shape[:2], UNITS))
    steps = range(x.shape[1])
    for t in reversed(steps) if backwards else steps:
        new = STEP[kind](x[:, t], *states, weights)
        states = [np.where(mask[:, t, None], a, b) for a, b in zip(new, states, strict=True)]
        outputs[:, t] = states[0]
    return outputs, tuple(states)


def drawn(kind: str, **arguments: Any) -> tuple[Any, np.ndarray, list[np.ndarray]]:
    """A float64 layer with random weights, inputs and initial states."""
    rng = np.random.default_rng(5)
    layer = KINDS[kind](
        UNITS, return_sequences=True, return_state=True, dtype="float64", **arguments
    )
    layer.build((None, None, FEATURES))
    layer.set_weights([rng.standard_normal(w.shape) for w in layer.get_weights()])
    states = [rng.standard_normal((4, UNITS)) for _ in range(layer.cell.num_states)]
    return layer, rng.standard_normal((4, STEPS, FEATURES)), states


@every_kind
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_equals_the_equations(kind: str, backwards: bool, masked: bool) -> None:
    layer, x, states = drawn(kind, go_backwards=backwards)
    mask = MASK if masked else np.ones_like(MASK)
    expected, last = read(kind, layer.get_weights(), x, mask, states, backwards)
    outputs, *got = layer(x, initial_state=states, mask=mask if masked else None)
    np.testing.assert_allclose(outputs, expected, atol=1e-12)
    for state, reference in zip(got, last, strict=True):
        np.testing.assert_allclose(state, reference, atol=1e-12)


def loss_of(layer: Any, mask: np.ndarray | None) -> Callable[[Any, Any], Any]:
    """A loss in which every output and every last state counts differently."""

    def loss(x: Any, states: Any) -> Any:
        results = layer(x, initial_state=states, mask=mask)
        return sum(
            tf.reduce_sum(r * tf.cos(tf.reshape(tf.range(tf.size(r), dtype=r.dtype), r.shape)))
            for r in map(tf.convert_to_tensor, results)
        )

    return loss


def directional(
    f: Callable[[], Any], variable: tf.Variable, direction: np.ndarray, size: float = 1e-6
) -> float:
    """The central difference of f along a direction of a variable."""
    start = variable.numpy()
    values = []
    for sign in (1, -1):
        variable.assign(start + sign * size * direction)
        values.append(float(f()))
    variable.assign(start)
    return (values[0] - values[1]) / (2 * size)


@every_kind
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_gradient_equals_differences(kind: str, backwards: bool, masked: bool) -> None:
    layer, x, states = drawn(kind, go_backwards=backwards)
    inputs = [tf.Variable(x), *map(tf.Variable, states)]
    loss = loss_of(layer, MASK if masked else None)
    variables = [*(w.value for w in layer.trainable_variables), *inputs]

    @tf.function
    def value() -> Any:
        return loss(inputs[0], [tf.identity(state) for state in inputs[1:]])

    with tf.GradientTape() as tape:
        total = value()
    gradients = tape.gradient(total, variables)
    rng = np.random.default_rng(6)
    for variable, gradient in zip(variables, gradients, strict=True):
        direction = rng.standard_normal(variable.shape)
        expected = directional(value, variable, direction)
        assert float(np.sum(gradient * direction)) == pytest.approx(expected, rel=1e-6, abs=1e-7)


@every_kind
def test_eager_gradient_equals_graph(kind: str) -> None:
    layer, x, states = drawn(kind)
    loss = loss_of(layer, MASK)

    def gradients() -> Any:
        with tf.GradientTape() as tape:
            total = loss(tf.constant(x), [tf.constant(s) for s in states])
        return tape.gradient(total, [w.value for w in layer.trainable_variables])

    for eager, graph in zip(gradients(), tf.function(gradients)(), strict=True):
        np.testing.assert_allclose(eager, graph, atol=1e-12)


@every_kind
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("backwards", [False, True])
def test_scan_equals_the_fused_loop(kind: str, backwards: bool, training: bool) -> None:
    layer, x, states = drawn(kind)
    projected = layer.cell.project(np.transpose(x, (1, 0, 2)))
    keep = MASK.T[:, :, None]
    weights = [w.value for w in layer.trainable_variables]
    with tf.GradientTape() as tape:
        projected = layer.cell.project(tf.constant(np.transpose(x, (1, 0, 2))))
        hidden, last = recurrence.scan(layer.cell, projected, states, keep, backwards)
        loss = tf.reduce_sum(tf.sin(hidden)) + tf.reduce_sum(tf.sin(last[-1]))
    by_scan = tape.gradient(loss, weights)
    with tf.GradientTape() as tape:
        fused, fused_last = recurrence.run_loop(
            layer.cell, tf.constant(x), tuple(map(tf.constant, states)), MASK, backwards, training
        )
        loss = tf.reduce_sum(tf.sin(fused)) + tf.reduce_sum(tf.sin(fused_last[-1]))
    by_fused = tape.gradient(loss, weights)
    np.testing.assert_allclose(np.transpose(hidden, (1, 0, 2)), fused, atol=1e-12)
    for a, b in zip([*by_scan, *last], [*by_fused, *fused_last], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-11)


@every_kind
def test_one_step(kind: str) -> None:
    layer, x, states = drawn(kind)
    expected, _ = read(kind, layer.get_weights(), x[:, :1], MASK[:, :1] | True, states, False)
    outputs, *_ = layer(x[:, :1], initial_state=states)
    np.testing.assert_allclose(outputs, expected, atol=1e-12)


@every_kind
def test_two_halves_equal_the_whole(kind: str) -> None:
    layer, x, states = drawn(kind)
    outputs, *whole = layer(x, initial_state=states, mask=MASK)
    first, *middle = layer(x[:, :2], initial_state=states, mask=MASK[:, :2])
    second, *last = layer(x[:, 2:], initial_state=middle, mask=MASK[:, 2:])
    np.testing.assert_array_equal(outputs, np.concatenate([first, second], axis=1))
    for a, b in zip(whole, last, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("variants", [{}, {"layer_normalization": True, "peepholes": True}])
@every_kind
def test_the_cell_step_by_step_equals_the_layer(kind: str, variants: dict[str, bool]) -> None:
    layer, x, states = drawn(kind, **(variants if kind == "lstm" else {}))
    outputs, *last = layer(x, initial_state=states)
    for t in range(STEPS):
        output, states = layer.cell(x[:, t], tuple(states))
        np.testing.assert_allclose(output, outputs[:, t], atol=1e-12)
    for a, b in zip(states, last, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


KERAS = {"rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}


@every_kind
@pytest.mark.parametrize("backwards", [False, True])
def test_weights_of_keras_give_the_outputs_of_keras(kind: str, backwards: bool) -> None:
    rng = np.random.default_rng(8)
    ours, theirs = (
        k(UNITS, return_sequences=True, return_state=True, go_backwards=backwards)
        for k in (KINDS[kind], KERAS[kind])
    )
    for layer in (ours, theirs):
        layer.build((None, None, FEATURES))
    assert [w.name for w in ours.weights] == [w.name for w in theirs.weights]
    theirs.set_weights([rng.standard_normal(w.shape) for w in theirs.get_weights()])
    ours.set_weights(theirs.get_weights())
    x = rng.standard_normal((4, STEPS, FEATURES)).astype("float32")
    outputs, *states = ours(x, mask=MASK)
    expected, *expected_states = theirs(x, mask=MASK)
    order = slice(None, None, -1 if backwards else None)
    np.testing.assert_allclose(outputs, expected[:, order], atol=1e-6)
    for a, b in zip(states, expected_states, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_bidirectional_equals_keras() -> None:
    x = np.random.default_rng(8).standard_normal((4, STEPS, FEATURES)).astype("float32")
    ours = layers.Bidirectional(layers.LSTM(UNITS, return_sequences=True))
    theirs = keras.layers.Bidirectional(keras.layers.LSTM(UNITS, return_sequences=True))
    for layer in (ours, theirs):
        layer.build(x.shape)
    theirs.set_weights(ours.get_weights())
    inside = MASK[:, :, None]  # in the padding Keras has zeros here
    np.testing.assert_allclose(ours(x, mask=MASK) * inside, theirs(x, mask=MASK), atol=1e-6)


def test_bidirectional_merges() -> None:
    x = np.ones((2, STEPS, FEATURES), "float32")
    layer = layers.GRU(UNITS, return_state=True)
    pair = layers.Bidirectional(layer, merge="none")
    forward, backward, *states = pair(x)
    assert len(states) == 2
    added = layers.Bidirectional(layer, merge="sum")
    added.build(x.shape)
    added.set_weights(pair.get_weights())
    np.testing.assert_allclose(added(x)[0], forward + backward, atol=1e-6)


def test_peepholes_let_the_gates_see_the_cell() -> None:
    cell = layers.LSTMCell(UNITS, peepholes=True, dtype="float64")
    cell.build((None, FEATURES))
    rng = np.random.default_rng(9)
    cell.set_weights([rng.standard_normal(w.shape) for w in cell.get_weights()])
    w, u, b, (pi, pf, po) = cell.get_weights()
    x, h, c = (rng.standard_normal((2, n)) for n in (FEATURES, UNITS, UNITS))
    i, f, g, o = np.split(x @ w + h @ u + b, 4, axis=-1)
    new_c = sigmoid(f + pf * c) * c + sigmoid(i + pi * c) * np.tanh(g)
    output, states = cell(x, (h, c))
    np.testing.assert_allclose(states[1], new_c, atol=1e-12)
    np.testing.assert_allclose(output, sigmoid(o + po * new_c) * np.tanh(new_c), atol=1e-12)


def test_layer_normalization_ignores_the_scale_of_the_inputs() -> None:
    layer = layers.LSTM(UNITS, layer_normalization=True)
    x = 10 * np.random.default_rng(9).standard_normal((2, STEPS, FEATURES)).astype("float32")
    np.testing.assert_allclose(layer(x), layer(100 * x), atol=1e-3)


def test_forget_bias_starts_as_asked() -> None:
    layer = layers.LSTM(2, forget_bias=2.5)
    layer.build((None, None, 1))
    np.testing.assert_array_equal(layer.cell.bias, [0, 0, 2.5, 2.5, 0, 0, 0, 0])


def test_recurrent_dropout_drops_the_same_units_at_all_steps() -> None:
    layer = layers.SimpleRNN(50, "relu", recurrent_dropout=0.5, return_sequences=True, seed=1)
    x = np.ones((1, 9, 1), "float32")
    layer.build(x.shape)
    layer.set_weights([np.ones((1, 50)), np.eye(50), np.zeros(50)])
    outputs = np.array(layer(x, training=True))[0]
    # A dropped unit forgets at each step; a kept one doubles and adds one.
    assert set(outputs[-1]) == {1.0, 511.0}


def test_masks_travel_through_a_model() -> None:
    tokens = keras.Input((None,), dtype="int32")
    values = keras.layers.Embedding(9, 3, mask_zero=True)(tokens)
    stack = layers.RecurrentStack(2, UNITS, bidirectional=True, residual=True)
    sequence = layers.LSTM(UNITS, return_sequences=True)(values)
    model = keras.Model(tokens, stack(sequence))
    short = model(np.array([[1, 2, 3]]))
    np.testing.assert_allclose(model(np.array([[1, 2, 3, 0, 0]])), short, atol=1e-6)


def test_a_mask_is_kept_beside_an_initial_state() -> None:
    layer = layers.GRU(UNITS)
    values = keras.layers.Embedding(9, 3, mask_zero=True)(np.array([[1, 2, 0]]))
    start = np.ones((1, UNITS), "float32")
    expected = layer(values[:, :2], initial_state=start)
    np.testing.assert_allclose(layer(values, initial_state=start), expected, atol=1e-6)


def test_a_stack_hands_states_on() -> None:
    x = np.random.default_rng(9).standard_normal((2, STEPS, FEATURES)).astype("float32")
    stack = layers.RecurrentStack(3, UNITS, return_sequences=True, return_state=True)
    outputs, *whole = stack(x)
    _, *middle = stack(x[:, :4])
    second, *last = stack(x[:, 4:], initial_state=middle)
    np.testing.assert_allclose(outputs[:, 4:], second, atol=1e-6)
    for a, b in zip(whole, last, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: layers.LSTM(0), "Expected a positive integer. Received: units=0"),
        (lambda: layers.GRU(2, dropout=1.5), "below 1. Received: dropout=1.5"),
        (lambda: layers.SimpleRNN(2, "sine"), "Expected one of tanh, relu. Received: act"),
        (lambda: layers.LSTM(2)(np.ones((2, 3))), "Expected 3 axes. Received: inputs"),
        (
            lambda: layers.LSTM(2)(np.ones((2, 3, 1)), initial_state=[np.ones((2, 2))]),
            r"Expected 2 states \(batch, units\). Received: initial_state of 1 tensors",
        ),
        (lambda: layers.Bidirectional(layers.LSTM(2), "mean"), "Received: merge='mean'"),
        (lambda: layers.Bidirectional(keras.layers.Dense(2)), "Expected a SimpleRNN, LSTM or GRU"),
        (lambda: layers.RecurrentStack(2, 3, cell="lstmm"), "Received: cell='lstmm'"),
    ],
)
def test_bad_arguments(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        call()


@every_kind
@pytest.mark.parametrize("reverse", [False, True])
def test_shared_rows_give_what_steps_give(kind: str, reverse: bool) -> None:
    layer = KINDS[kind](UNITS, go_backwards=reverse, return_sequences=True)
    drawn = np.random.default_rng(1)
    rows = tf.constant(drawn.normal(size=(6, 3)).astype("float32"))
    places = tf.constant(drawn.integers(0, 6, (4, 9)).astype("int32"))
    mask = tf.constant(drawn.random((4, 9)) < 0.7)
    layer.build((None, None, 3))
    found = []
    for spread_out in (True, False):
        with tf.GradientTape() as tape:
            tape.watch(rows)
            shared = SharedRows(rows, places)
            hidden = layer(spread(shared) if spread_out else shared, mask=mask)
            loss = tf.reduce_sum(hidden**2)
        found.append([hidden, *tape.gradient(loss, [rows, *layer.trainable_weights])])
    for steps, once in zip(*found, strict=True):
        np.testing.assert_allclose(tf.convert_to_tensor(steps), once, atol=1e-5)


def test_tokens_under_xla() -> None:
    """Answers, and what training learns by; a gradient outside training cannot leave XLA."""
    layer = layers.TokenRecurrence(layers.TokenEmbedding(9, 3), layers.RecurrentStack(1, UNITS))
    ids = tf.constant([[1, 2, 1, 5, 2], [7, 7, 7, 0, 0]])
    mask = ids > 0
    layer(ids, mask=mask)

    def learn() -> list[Any]:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(ids, mask=mask, training=True) ** 2)
        gradients = tape.gradient(loss, [weight.value for weight in layer.trainable_weights])
        return [tf.convert_to_tensor(gradient) for gradient in gradients]

    def answer() -> Any:
        return layer(ids, mask=mask)

    for compute in (answer, learn):
        compiled = tf.function(compute, jit_compile=True, autograph=False)()
        for expected, got in zip(
            tf.nest.flatten(compute()), tf.nest.flatten(compiled), strict=True
        ):
            np.testing.assert_allclose(expected, got, atol=1e-5)
