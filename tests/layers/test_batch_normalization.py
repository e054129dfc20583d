"""The fused kernels do what Keras's own layer does."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from toolkit import layers

SHAPES = [
    *[(6, 4), (6, 5, 4), (6, 3, 5, 4), (2, 3, 4, 5, 4)],
    *[(6, 20), (6, 5, 20), (6, 3, 5, 20), (2, 3, 4, 5, 20)],  # few channels go another way
]
OPTIONS: dict[str, Any] = {"momentum": 0.8, "epsilon": 1e-2}


def pair(shape: tuple[int, ...], **options: Any) -> list[keras.Layer]:
    """Ours and Keras's, with the same weights, none of them as they begin."""
    made = [
        kind(**OPTIONS, **options)
        for kind in (layers.BatchNormalization, keras.layers.BatchNormalization)
    ]
    for layer in made:
        layer.build(shape)
        random = np.random.default_rng(1)
        layer.set_weights([random.uniform(0.5, 2, w.shape) for w in layer.weights])
    return made


def inputs_of(shape: tuple[int, ...]) -> tf.Tensor:
    return tf.constant(np.random.default_rng(0).normal(3, 2, shape), tf.float32)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("options", [{}, {"center": False, "scale": False}])
def test_outputs_gradients_and_statistics(shape: tuple[int, ...], options: Any) -> None:
    inputs, found = inputs_of(shape), []
    for layer in pair(shape, **options):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs, training=True)
            loss = tf.reduce_sum(outputs**3)
        weights = [weight.value for weight in layer.trainable_weights]
        gradients = tape.gradient(loss, [inputs, *weights])
        found.append([outputs, *gradients, *layer.weights, layer(inputs, training=False)])
    for ours, reference in zip(*found, strict=True):
        np.testing.assert_allclose(ours, reference, rtol=2e-4, atol=2e-4)


def test_unknown_sizes_in_a_graph_and_under_xla() -> None:
    shape = (2, 3, 4, 5, 4)
    ours, reference = pair(shape)
    expected = reference(inputs_of(shape), training=False)
    for xla in (False, True):
        spec = tf.TensorSpec((None, None, None, None, 4))
        call = tf.function(lambda x: ours(x), input_signature=[spec], jit_compile=xla)
        np.testing.assert_allclose(call(inputs_of(shape)), expected, rtol=1e-5, atol=1e-5)


def test_frozen_layers_do_not_follow() -> None:
    ours, reference = pair((6, 3, 5, 4))
    ours.trainable = reference.trainable = False
    inputs, before = inputs_of((6, 3, 5, 4)), ours.get_weights()
    np.testing.assert_allclose(
        ours(inputs, training=True), reference(inputs, training=True), rtol=1e-5, atol=1e-5
    )
    for old, new in zip(before, ours.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_mask_leaves_steps_out() -> None:
    ours, reference = pair((6, 5, 4))
    inputs, mask = inputs_of((6, 5, 4)), np.arange(5)[None] < np.arange(1, 7)[:, None]
    found = [layer(inputs, training=True, mask=mask) for layer in (ours, reference)]
    np.testing.assert_allclose(*found, rtol=1e-5, atol=1e-5)
