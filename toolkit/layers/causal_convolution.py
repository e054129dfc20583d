"""Dilated causal convolution over time."""

from typing import Any

import keras
from keras import ops

from toolkit.layers.arguments import Shape, Tensor, check_positive
from toolkit.layers.masking import zero_masked


@keras.saving.register_keras_serializable(package="toolkit")
class CausalConvolution(keras.layers.Layer):
    """Convolution that sees the own step and earlier ones, `dilation_rate` apart.

    `y_t = b + sum_k x_(t - (kernel_size - 1 - k) * dilation_rate) W_k`, zeros before the start.
    With weight normalisation `W = gain * V / ||V||`, one gain and norm per filter.

    Shapes: `(batch, time, dim)` to `(batch, time, filters)`.

    Masking: masked steps count as zero, so padding before the sequence is what its beginning is;
    the mask goes through.

    Args:
        filters: features of the output.
        kernel_size: taps.
        dilation_rate: steps from one tap to the next.
        weight_normalization: learn length and direction of the filters apart.

    Raises:
        ArgumentError: a size that is not positive.

    Example:
        >>> import numpy as np
        >>> CausalConvolution(8, kernel_size=3, dilation_rate=2)(np.ones((2, 9, 4))).shape
        TensorShape([2, 9, 8])

    Reference: Bai et al., "An Empirical Evaluation of Generic Convolutional and Recurrent Networks
    for Sequence Modeling", arXiv 1803.01271, section 3.2; Salimans and Kingma, "Weight
    Normalization", arXiv 1602.07868, equation 2.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        dilation_rate: int = 1,
        weight_normalization: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_positive(filters=filters, kernel_size=kernel_size, dilation_rate=dilation_rate)
        self.supports_masking = True
        self.filters = filters
        self.kernel_size = kernel_size
        self.dilation_rate = dilation_rate
        self.weight_normalization = weight_normalization

    def build(self, sequence_shape: Shape) -> None:
        """The taps `(kernel_size, dim, filters)`, the bias and the gain."""
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.kernel_size, sequence_shape[-1], self.filters),
            initializer="glorot_uniform",
        )
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")
        if self.weight_normalization:
            # As long as the filters are, so that normalising changes nothing at the start.
            self.gain = self.add_weight(
                name="gain",
                shape=(self.filters,),
                initializer=lambda shape, dtype: ops.cast(length(self.kernel), dtype),
            )

    def call(self, sequence: Tensor, mask: Tensor | None = None) -> Tensor:
        """The filtered sequence; `mask` is True on real steps."""
        before = (self.kernel_size - 1) * self.dilation_rate
        padded = ops.pad(zero_masked(sequence, mask), [[0, 0], [before, 0], [0, 0]])
        filtered = ops.conv(
            padded, self._weights(), padding="valid", dilation_rate=self.dilation_rate
        )
        return filtered + self.bias

    def compute_output_shape(self, sequence_shape: Shape) -> Shape:
        """`(batch, time, filters)`."""
        return (*sequence_shape[:2], self.filters)

    @property
    def receptive_field(self) -> int:
        """Input steps that one output step sees, itself included."""
        return 1 + (self.kernel_size - 1) * self.dilation_rate

    def _weights(self) -> Tensor:
        if not self.weight_normalization:
            return self.kernel
        return self.kernel * (self.gain / length(self.kernel))


def length(kernel: Tensor) -> Tensor:
    """Euclidean norm of each filter, `(filters,)`."""
    squares = ops.square(ops.cast(kernel, "float32"))
    return ops.cast(ops.sqrt(ops.sum(squares, axis=(0, 1)) + 1e-12), kernel.dtype)
