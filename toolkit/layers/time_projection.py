"""A linear map along time."""

from typing import Any

import keras
from keras import ops

from toolkit.layers.arguments import Shape, Tensor, check_positive


@keras.saving.register_keras_serializable(package="toolkit")
class TimeProjection(keras.layers.Layer):
    """From the steps looked back on to the steps ahead, the same map for every channel.

    `y[b, h, c] = sum_t x[b, t, c] kernel[t, h] + bias[h]`

    Shapes: `(batch, time, channels)` to `(batch, steps, channels)`; `time` is fixed when built.

    Masking: none; fill gaps before.

    Args:
        steps: steps of the output.
        kernel_initializer: of the kernel, `(time, steps)`.

    Raises:
        ArgumentError: `steps` that are not positive.

    Example:
        >>> import numpy as np
        >>> TimeProjection(24)(np.ones((2, 96, 7), "float32")).shape.as_list()
        [2, 24, 7]

    Reference: Zeng et al., "Are Transformers Effective for Time Series Forecasting?", arXiv
    2205.13504, section 3; closed form: Toner and Darlow, arXiv 2403.14587.
    """

    def __init__(self, steps: int, kernel_initializer: str = "glorot_uniform", **kwargs: Any):
        super().__init__(**kwargs)
        check_positive(steps=steps)
        self.steps = steps
        self.kernel_initializer = kernel_initializer

    def build(self, inputs_shape: Shape) -> None:
        """The kernel and the bias."""
        self.kernel = self.add_weight(
            name="kernel",
            shape=(inputs_shape[1], self.steps),
            initializer=self.kernel_initializer,
        )
        self.bias = self.add_weight(name="bias", shape=(self.steps,), initializer="zeros")

    def call(self, inputs: Tensor) -> Tensor:
        """The projected series."""
        return ops.einsum("btc,th->bhc", inputs, self.kernel) + self.bias[:, None]

    def compute_output_shape(self, inputs_shape: Shape) -> Shape:
        """`(batch, steps, channels)`."""
        return (inputs_shape[0], self.steps, inputs_shape[2])
