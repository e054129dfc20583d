"""Root mean square normalisation."""

import keras
from keras import ops

from toolkit.layers.arguments import Shape, Tensor
from toolkit.layers.layer_normalization import at_least_float32


@keras.saving.register_keras_serializable(package="toolkit")
class RMSNormalization(keras.layers.Layer):
    """Each step's features divided by their root mean square, then a learned scale.

    y = x / sqrt(mean(x ** 2) + epsilon) x gamma over the last axis, computed in float32 or better.

    Shapes:
        input and output: (..., dim). A mask passes through; no step sees another.

    Args:
        epsilon: added to the mean square.

    Example:
        >>> import numpy as np
        >>> RMSNormalization()(np.array([[3.0, 3.0]], "float32")).numpy().round(3).tolist()
        [[1.0, 1.0]]

    Reference: Zhang and Sennrich, "Root Mean Square Layer Normalization" (arXiv 1910.07467).
    """

    def __init__(self, epsilon: float = 1e-6, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        """gamma, (dim,)."""
        self.gamma = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="gamma")

    def call(self, inputs: Tensor) -> Tensor:
        """The normalised inputs."""
        x = at_least_float32(inputs)
        square = ops.mean(ops.square(x), axis=-1, keepdims=True)
        normal = ops.cast(x * ops.rsqrt(square + self.epsilon), inputs.dtype)
        return normal * ops.cast(self.gamma, inputs.dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """As the input."""
        return input_shape
