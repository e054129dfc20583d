"""Layer normalisation."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from toolkit.layers.arguments import Shape, Tensor


@keras.saving.register_keras_serializable(package="toolkit")
class LayerNormalization(keras.layers.Layer):
    """Each step's features to mean 0 and variance 1, then a learned scale and shift.

    y = (x - mean) / sqrt(variance + epsilon) x gamma + beta, mean and variance over the last axis,
    computed in float32 or better.

    Shapes:
        input and output: (..., dim). A mask passes through; no step sees another.

    Args:
        epsilon: added to the variance.

    Example:
        >>> import numpy as np
        >>> y = LayerNormalization()(np.array([[1.0, 2.0, 3.0]], "float32"))
        >>> np.round(y, 2).tolist()
        [[-1.2200000286102295, 0.0, 1.2200000286102295]]

    Reference: Ba et al., "Layer Normalization" (arXiv 1607.06450), section 3.
    """

    def __init__(self, epsilon: float = 1e-6, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        """Gamma and beta, (dim,) each."""
        shape = (input_shape[-1],)
        self.gamma = self.add_weight(shape=shape, initializer="ones", name="gamma")
        self.beta = self.add_weight(shape=shape, initializer="zeros", name="beta")

    def call(self, inputs: Tensor) -> Tensor:
        """The normalised inputs."""
        scaled = ops.custom_gradient(_normalised(self.epsilon))
        # Copies: of a variable itself, TensorFlow would ask the gradient once more.
        arguments = (inputs, ops.copy(self.gamma), ops.copy(self.beta))
        return ops.cast(scaled(*(at_least_float32(x) for x in arguments)), inputs.dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """As the input."""
        return input_shape


def _normalised(epsilon: float) -> Callable[..., Any]:
    """The equation and its gradient, which passes over the features half as often as autodiff's.

    With n the normalised x and g = gamma dy, dx = (g - mean(g) - n mean(g n)) / deviation.
    """

    def forward(x: Tensor, gamma: Tensor, beta: Tensor) -> tuple[Tensor, Callable[..., Any]]:
        centred = x - ops.mean(x, axis=-1, keepdims=True)
        variance = ops.mean(ops.square(centred), axis=-1, keepdims=True)
        scale = ops.rsqrt(variance + epsilon)
        normal = centred * scale

        def gradient(*upstream: Tensor, **_: Any) -> tuple[Tensor, Tensor, Tensor]:
            dy = upstream[-1]
            g, product = dy * gamma, dy * normal
            dim = x.shape[-1]
            mean_product = ops.matmul(product, gamma[:, None]) / dim  # mean(g n)
            dx = (g - ops.mean(g, axis=-1, keepdims=True) - normal * mean_product) * scale
            by_gamma, by_beta = (ops.sum(ops.reshape(z, (-1, dim)), axis=0) for z in (product, dy))
            return dx, by_gamma, by_beta

        return normal * gamma + beta, gradient

    return forward


def at_least_float32(x: Tensor) -> Tensor:
    """Halves as float32, so that squares neither overflow nor lose their small parts."""
    half = keras.backend.standardize_dtype(x.dtype) in ("float16", "bfloat16")
    return ops.cast(x, "float32") if half else x
