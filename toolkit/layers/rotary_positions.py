"""Rotary position embedding."""

import keras
from keras import ops

from toolkit.errors import ArgumentError
from toolkit.layers.arguments import Shape, Tensor


@keras.saving.register_keras_serializable(package="toolkit")
class RotaryPositions(keras.layers.Layer):
    """Turns each pair of features by an angle that grows with the position.

    The product of a turned query and a turned key depends on their distance alone. Pair i turns by
    position x wavelength ** (-2i / dim); the halves of the features are paired (i, i + dim / 2).

    Shapes:
        input and output: (..., length, dim) with an even dim, such as
        (batch, heads, length, head_dim).

    Args:
        wavelength: base of the slowest angle, in positions / (2 pi).

    Raises:
        ArgumentError: the last axis is odd.

    Example:
        >>> import numpy as np
        >>> turned = RotaryPositions()(np.ones((2, 4, 10, 8), "float32"))
        >>> turned.shape.as_list()
        [2, 4, 10, 8]

    Reference: Su et al., "RoFormer" (arXiv 2104.09864), section 3.2.2.
    """

    def __init__(self, wavelength: float = 10_000.0, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.wavelength = wavelength
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        """Checks that the features come in pairs."""
        if input_shape[-1] is None or input_shape[-1] % 2:
            raise ArgumentError(
                f"Expected an even number of features. Received: input_shape={tuple(input_shape)}"
            )

    def call(self, inputs: Tensor, offset: int | Tensor = 0) -> Tensor:
        """The inputs, turned.

        Args:
            inputs: (..., length, dim).
            offset: position of the first step; a number or a scalar tensor.
        """
        length, half = ops.shape(inputs)[-2], inputs.shape[-1] // 2
        positions = ops.cast(ops.arange(length) + offset, "float32")
        frequencies = self.wavelength ** (-ops.arange(half, dtype="float32") / half)
        angles = positions[:, None] * frequencies  # (length, half)
        cos, sin = (ops.cast(f(angles), inputs.dtype) for f in (ops.cos, ops.sin))
        left, right = inputs[..., :half], inputs[..., half:]
        return ops.concatenate([left * cos - right * sin, right * cos + left * sin], axis=-1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """As the input."""
        return input_shape
