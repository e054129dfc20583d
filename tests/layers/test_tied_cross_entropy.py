"""The cross-entropy in parts equals the plain one, in value and gradient."""

import numpy as np
import pytest
import tensorflow as tf

from toolkit.errors import ArgumentError
from toolkit.layers import tied_cross_entropy

RNG = np.random.default_rng(1)
HIDDEN = RNG.standard_normal((2, 7, 4)).astype("float32")
TABLE = RNG.standard_normal((11, 4)).astype("float32")
IDS = RNG.integers(0, 11, (2, 7))
WEIGHTS = (RNG.random((2, 7)) > 0.3).astype("float32") / 9


def plain(hidden, table, smoothing):
    target = tf.one_hot(IDS, 11) * (1 - smoothing) + smoothing / 11
    logits = tf.matmul(hidden, table, transpose_b=True)
    return tf.reduce_sum(WEIGHTS * tf.nn.softmax_cross_entropy_with_logits(target, logits))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("parts", [1, 4])
def test_equals_the_plain_loss(smoothing: float, parts: int) -> None:
    hidden, table = tf.constant(HIDDEN), tf.constant(TABLE)
    results = []
    for function in (
        lambda: 3 * plain(hidden, table, smoothing),
        tf.function(lambda: 3 * tied_cross_entropy(hidden, table, IDS, WEIGHTS, smoothing, parts)),
    ):
        with tf.GradientTape() as tape:
            tape.watch([hidden, table])
            loss = function()
        results.append([loss, *tape.gradient(loss, [hidden, table])])
    for left, right in zip(*results, strict=True):
        np.testing.assert_allclose(left, right, atol=1e-6)


def test_messages() -> None:
    with pytest.raises(ArgumentError, match=r"Expected .* Received: label_smoothing=1"):
        tied_cross_entropy(HIDDEN, TABLE, IDS, WEIGHTS, label_smoothing=1)
