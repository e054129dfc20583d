"""Blocked attention equals exact attention, forward and backward."""

import numpy as np
import pytest
import tensorflow as tf

from toolkit.layers import BlockedAttention, MultiHeadAttention
from toolkit.layers.tensorflow_blocked_attention import blocked_attention

RNG = np.random.default_rng(1)
X = RNG.standard_normal((2, 21, 8)).astype("float32")
PADDED = np.arange(21) < np.array([[21], [15]])


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("length", [4, 32])
def test_equals_multi_head_attention(causal: bool, padded: bool, length: int) -> None:
    exact = MultiHeadAttention(4, num_key_value_heads=2)
    blocked = BlockedAttention(4, num_key_value_heads=2, block_length=length)
    options = {"use_causal_mask": causal, "padding_mask": PADDED if padded else None}
    exact.build(X.shape)
    blocked.build(X.shape)
    blocked.set_weights(exact.get_weights())
    results = [output_and_gradients(layer, options) for layer in (exact, blocked)]
    for left, right in zip(*results, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-6, atol=1e-5)


def output_and_gradients(layer, options):
    x = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, **options)
        loss = tf.reduce_sum(y * tf.cos(tf.range(8.0)))
    return [y, *tape.gradient(loss, [x, *(v.value for v in layer.trainable_variables)])]


@pytest.mark.parametrize("causal", [False, True])
def test_gradient_against_finite_differences(causal: bool) -> None:
    inputs = [tf.constant(RNG.standard_normal((1, 2, 5, 3))) for _ in range(3)]
    mask = tf.constant([[True, True, False, True, True]])
    if causal:  # the first query then sees nothing
        mask = tf.constant([[False, True, True, True, True]])

    def loss(*qkv):
        y = blocked_attention(*qkv, mask, causal, 2, 2)
        return tf.reduce_sum(y * tf.reshape(tf.cos(tf.range(30.0, dtype=y.dtype)), y.shape))

    theory, numeric = tf.test.compute_gradient(tf.function(loss), inputs, delta=1e-5)
    for left, right in zip(theory, numeric, strict=True):
        np.testing.assert_allclose(left, right, atol=1e-8)


def test_a_query_that_sees_nothing_gives_zeros() -> None:
    q = tf.ones((1, 1, 4, 2))
    mask = tf.constant([[False, False, True, True]])
    y = blocked_attention(q, q, q, mask, True, 2, 2)
    np.testing.assert_array_equal(y[0, 0], [[0, 0], [0, 0], [1, 1], [1, 1]])


def test_returned_map_is_that_of_exact_attention() -> None:
    layer = BlockedAttention(2, block_length=8)
    y, scores = layer(X, return_attention_scores=True)
    np.testing.assert_allclose(y, layer(X), atol=1e-5)
    np.testing.assert_allclose(tf.reduce_sum(scores, -1), np.ones((2, 2, 21)), atol=1e-5)
