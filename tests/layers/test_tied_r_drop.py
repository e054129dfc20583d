"""R-Drop in parts equals the plain formula, in value and gradient."""

import numpy as np
import pytest
import tensorflow as tf

from toolkit.errors import ArgumentError
from toolkit.layers import tied_r_drop

RNG = np.random.default_rng(1)
HIDDEN = RNG.standard_normal((2, 2, 7, 4)).astype("float32")
TABLE = RNG.standard_normal((11, 4)).astype("float32")
IDS = RNG.integers(0, 11, (2, 7))
WEIGHTS = (RNG.random((2, 7)) > 0.3).astype("float32") / 9


def plain(hidden, table, rate, smoothing):
    target = tf.one_hot(IDS, 11) * (1 - smoothing) + smoothing / 11
    logs = tf.nn.log_softmax(tf.matmul(hidden, table, transpose_b=True))
    loss = -tf.reduce_mean(tf.reduce_sum(target * logs, axis=-1), axis=0)
    first, second = logs[0], logs[1]
    one_way = tf.reduce_sum(tf.exp(first) * (first - second), axis=-1)
    other_way = tf.reduce_sum(tf.exp(second) * (second - first), axis=-1)
    return tf.reduce_sum(WEIGHTS * (loss + rate / 2 * (one_way + other_way) / 2))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("parts", [1, 4])
def test_equals_the_formula(smoothing: float, parts: int) -> None:
    hidden, table = tf.constant(HIDDEN), tf.constant(TABLE)
    results = []
    for function in (
        lambda: 3 * plain(hidden, table, 5.0, smoothing),
        tf.function(lambda: 3 * tied_r_drop(hidden, table, IDS, WEIGHTS, 5.0, smoothing, parts)),
    ):
        with tf.GradientTape() as tape:
            tape.watch([hidden, table])
            loss = function()
        results.append([loss, *tape.gradient(loss, [hidden, table])])
    for left, right in zip(*results, strict=True):
        np.testing.assert_allclose(left, right, atol=2e-6)


def test_messages() -> None:
    with pytest.raises(ArgumentError, match=r"hidden: Expected two answers.* Received: \(3, 4\)"):
        tied_r_drop(np.zeros((3, 4), "float32"), TABLE, IDS, WEIGHTS, 5.0)
    with pytest.raises(ArgumentError, match=r"rate: Expected .* Received: rate=-1"):
        tied_r_drop(HIDDEN, TABLE, IDS, WEIGHTS, -1)
