"""A linear map along time."""

from typing import Any

import keras
from keras import ops

from toolkit.layers.arguments import Shape, Tensor, check_positive


@keras.saving.register_keras_serializable(package="toolkit")
class TimeProjection(keras.layers.Layer):
    """From the steps looked back on to the steps ahead, by one map or one for each channel.

    `y[b, h, c] = sum_t x[b, t, c] kernel[t, h] + bias[h]`; where maps are individual, with
    `kernel[c, t, h]` and `bias[c, h]`.

    Shapes: `(batch, time, channels)` to `(batch, steps, channels)`; `time` is fixed when built.

    Masking: none; fill gaps before.

    Args:
        steps: steps of the output.
        kernel_initializer: of the kernel, `(time, steps)`, or `(channels, time, steps)`.
        individual: a map for each channel; the number of channels is fixed when built.

    Raises:
        ArgumentError: `steps` that are not positive.

    Example:
        >>> import numpy as np
        >>> TimeProjection(24)(np.ones((2, 96, 7), "float32")).shape.as_list()
        [2, 24, 7]

    Reference: Zeng et al., "Are Transformers Effective for Time Series Forecasting?", arXiv
    2205.13504, section 3, individual maps included; closed form: Toner and Darlow, arXiv
    2403.14587.
    """

    def __init__(
        self,
        steps: int,
        kernel_initializer: str = "glorot_uniform",
        individual: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        check_positive(steps=steps)
        self.steps = steps
        self.kernel_initializer = kernel_initializer
        self.individual = individual

    def build(self, inputs_shape: Shape) -> None:
        """The kernel and the bias."""
        time, channels = inputs_shape[1:]
        each = (channels,) if self.individual else ()
        self.kernel = self.add_weight(
            name="kernel", shape=(*each, time, self.steps), initializer=self._drawn
        )
        self.bias = self.add_weight(name="bias", shape=(*each, self.steps), initializer="zeros")

    def _drawn(self, shape: Shape, dtype: Any = None) -> Tensor:
        """Each map as if it were alone: an initializer would take channels for inputs."""
        initializer = keras.initializers.get(self.kernel_initializer)
        if not self.individual:
            return initializer(shape, dtype)
        return ops.stack([initializer(shape[1:], dtype) for _ in range(shape[0] or 0)])

    def call(self, inputs: Tensor) -> Tensor:
        """The projected series."""
        if self.individual:
            return ops.einsum("btc,cth->bhc", inputs, self.kernel) + ops.transpose(self.bias)
        return ops.einsum("btc,th->bhc", inputs, self.kernel) + self.bias[:, None]

    def compute_output_shape(self, inputs_shape: Shape) -> Shape:
        """`(batch, steps, channels)`."""
        return (inputs_shape[0], self.steps, inputs_shape[2])
