"""Sinusoidal position encoding."""

import math

import keras
from keras import ops

from toolkit.layers.arguments import Shape, Tensor


@keras.saving.register_keras_serializable(package="toolkit")
class SinusoidalPositions(keras.layers.Layer):
    """Adds sines and cosines of the position, one wavelength per pair of features.

    P[position, 2i] = sin(position / wavelength ** (2i / dim)), P[position, 2i + 1] the cosine.
    Nothing is learned, so any length works.

    Shapes:
        input and output: (batch, length, dim). A mask passes through.

    Args:
        wavelength: the longest wavelength, in positions / (2 pi).

    Example:
        >>> import numpy as np
        >>> encoded = SinusoidalPositions()(np.zeros((1, 3, 4), "float32"))
        >>> np.round(encoded[0, 0], 3).tolist()
        [0.0, 1.0, 0.0, 1.0]

    Reference: Vaswani et al. (arXiv 1706.03762), section 3.5.
    """

    def __init__(self, wavelength: float = 10_000.0, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.wavelength = wavelength
        self.supports_masking = True

    def call(self, inputs: Tensor, offset: int | Tensor = 0) -> Tensor:
        """The inputs plus the encoding of their positions.

        Args:
            inputs: (batch, length, dim).
            offset: position of the first step; a number or a scalar tensor.
        """
        length, dim = ops.shape(inputs)[1], inputs.shape[-1]
        positions = ops.cast(ops.arange(length) + offset, "float32")
        features = ops.arange(dim)
        exponents = ops.cast(features // 2 * 2, "float32") / dim
        # A cosine is a sine a quarter turn ahead.
        phases = ops.cast(features % 2, "float32") * (math.pi / 2)
        angles = positions[:, None] * self.wavelength**-exponents + phases
        return inputs + ops.cast(ops.sin(angles), inputs.dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """As the input."""
        return input_shape
