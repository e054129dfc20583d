"""Convolutions of several widths and the maximum over time."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from toolkit.errors import ArgumentError
from toolkit.layers.arguments import Shape, Tensor, check_positive
from toolkit.layers.framing import frame_count, frame_mask
from toolkit.layers.masking import zero_masked


@keras.saving.register_keras_serializable(package="toolkit")
class TextConvolution(keras.layers.Layer):
    """One vector for a text: how strongly each n-gram filter fires anywhere in it.

    ```
    c_i = activation(w . x_(i .. i + width - 1) + b)        for each width
    y   = [max_i c_i]                                       for each filter of each width
    ```

    Shapes: `(batch, time, dim)` to `(batch, len(kernel_sizes) * filters)`.

    Masking: only windows that lie within the real steps count; a text shorter than a filter has
    one window, filled up with zeros; a text without a real step gives zeros. The mask ends here.

    Args:
        filters: filters of each width.
        kernel_sizes: widths, in steps.
        activation: name of a Keras activation.

    Raises:
        ArgumentError: a size that is not positive, no `kernel_sizes`.

    Example:
        >>> import numpy as np
        >>> TextConvolution(10)(np.ones((2, 9, 4), "float32")).shape
        TensorShape([2, 30])

    Reference: Kim, "Convolutional Neural Networks for Sentence Classification", arXiv 1408.5882,
    section 2.
    """

    def __init__(
        self,
        filters: int = 100,
        kernel_sizes: Sequence[int] = (3, 4, 5),
        activation: str = "relu",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_positive(filters=filters)
        if not kernel_sizes:
            raise ArgumentError("kernel_sizes: Expected at least one. Received: kernel_sizes=()")
        for size in kernel_sizes:
            check_positive(kernel_sizes=size)
        self.supports_masking = True
        self.filters = filters
        self.kernel_sizes = list(kernel_sizes)
        self.activation = activation
        self.function = keras.activations.get(activation)

    def build(self, sequence_shape: Shape) -> None:
        """Filters `(width, dim, filters)` and a bias for each width."""
        self.kernels = [
            self.add_weight(
                name=f"kernel_{number}",
                shape=(size, sequence_shape[-1], self.filters),
                initializer="glorot_uniform",
            )
            for number, size in enumerate(self.kernel_sizes)
        ]
        self.biases = [
            self.add_weight(name=f"bias_{number}", shape=(self.filters,), initializer="zeros")
            for number in range(len(self.kernel_sizes))
        ]

    def call(self, sequence: Tensor, mask: Tensor | None = None) -> Tensor:
        """The filters' maxima; `mask` is True on real steps."""
        sequence = zero_masked(sequence, mask)
        filters = zip(self.kernels, self.biases, strict=True)
        maxima = [self._maximum(sequence, mask, *pair) for pair in filters]
        return ops.concatenate(maxima, axis=-1)

    def compute_mask(self, sequence: Tensor, mask: Tensor | None = None) -> None:
        """No time is left to mask."""
        return

    def compute_output_shape(self, sequence_shape: Shape) -> Shape:
        """`(batch, len(kernel_sizes) * filters)`."""
        return sequence_shape[0], len(self.kernel_sizes) * self.filters

    def _maximum(
        self, sequence: Tensor, mask: Tensor | None, kernel: Tensor, bias: Tensor
    ) -> Tensor:
        """The largest activation of each filter over the real windows, `(batch, filters)`."""
        width = kernel.shape[0]
        padded = ops.pad(sequence, [[0, 0], [0, width - 1], [0, 0]])
        count = frame_count(ops.shape(sequence)[1], width, 1)
        fired = self.function(ops.conv(padded, kernel, padding="valid")[:, :count] + bias)
        if mask is None:
            return ops.max(fired, axis=1)
        real = frame_mask(mask, width, 1)
        lowest = ops.cast(float("-inf"), fired.dtype)
        highest = ops.max(ops.where(real[..., None], fired, lowest), axis=1)
        return ops.where(ops.any(real, axis=1)[:, None], highest, ops.zeros((), fired.dtype))
