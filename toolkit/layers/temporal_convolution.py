"""Temporal convolutional network: a residual block and a stack of them."""

from typing import Any

import keras
from keras import ops

from toolkit.layers.arguments import Shape, Tensor, check_positive, check_rate, derived_seed
from toolkit.layers.causal_convolution import CausalConvolution


@keras.saving.register_keras_serializable(package="toolkit")
class TemporalConvolutionBlock(keras.layers.Layer):
    """Two dilated causal convolutions and a residual connection.

    ```
    h = dropout(relu(conv1(x)))
    h = dropout(relu(conv2(h)))
    y = relu(h + x)                  # x through a 1 x 1 convolution where the widths differ
    ```

    Dropout is spatial: a feature is dropped at all steps of a row at once.

    Shapes: `(batch, time, dim)` to `(batch, time, filters)`; step t sees no later step.

    Masking: masked steps count as zero in both convolutions; the mask goes through.

    Args:
        filters: features of the output.
        kernel_size: taps of both convolutions.
        dilation_rate: steps from one tap to the next.
        weight_normalization: as the paper has it; see `CausalConvolution`.
        dropout: rate after each activation.
        seed: seed of the dropout.

    Raises:
        ArgumentError: a size that is not positive, a rate outside [0, 1).

    Example:
        >>> import numpy as np
        >>> block = TemporalConvolutionBlock(8, kernel_size=3, dilation_rate=4)
        >>> block(np.ones((2, 20, 4), "float32")).shape, block.receptive_field
        (TensorShape([2, 20, 8]), 17)

    Reference: Bai et al., "An Empirical Evaluation of Generic Convolutional and Recurrent Networks
    for Sequence Modeling", arXiv 1803.01271, section 3.3, figure 1b.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 3,
        dilation_rate: int = 1,
        weight_normalization: bool = False,
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_positive(filters=filters, kernel_size=kernel_size, dilation_rate=dilation_rate)
        check_rate(dropout=dropout)
        self.supports_masking = True
        self.filters = filters
        self.kernel_size = kernel_size
        self.dilation_rate = dilation_rate
        self.weight_normalization = weight_normalization
        self.dropout = dropout
        self.seed = seed

    def build(self, sequence_shape: Shape) -> None:
        """Both convolutions, and the 1 x 1 convolution where widths differ."""
        hidden_shape = (*sequence_shape[:-1], self.filters)
        self.first = self._convolution("first", sequence_shape)
        self.second = self._convolution("second", hidden_shape)
        self.widen = None
        if sequence_shape[-1] != self.filters:
            self.widen = keras.layers.Dense(self.filters, name="widen", dtype=self.dtype_policy)
            self.widen.build(sequence_shape)
        self.drops = [
            keras.layers.SpatialDropout1D(
                self.dropout, seed=derived_seed(self.seed, number), dtype=self.dtype_policy
            )
            for number in range(2)
        ]

    def call(
        self, sequence: Tensor, mask: Tensor | None = None, training: bool | None = None
    ) -> Tensor:
        """The block's output; `mask` is True on real steps."""
        hidden = sequence
        for convolution, drop in zip((self.first, self.second), self.drops, strict=True):
            hidden = drop(ops.relu(convolution(hidden, mask=mask)), training=training)
        skipped = sequence if self.widen is None else self.widen(sequence)
        return ops.relu(hidden + skipped)

    def compute_output_shape(self, sequence_shape: Shape) -> Shape:
        """`(batch, time, filters)`."""
        return (*sequence_shape[:2], self.filters)

    @property
    def receptive_field(self) -> int:
        """Input steps that one output step sees, itself included."""
        return 1 + 2 * (self.kernel_size - 1) * self.dilation_rate

    def _convolution(self, name: str, shape: Shape) -> CausalConvolution:
        layer = CausalConvolution(
            self.filters,
            self.kernel_size,
            self.dilation_rate,
            self.weight_normalization,
            name=name,
            dtype=self.dtype_policy,
        )
        layer.build(shape)
        return layer


@keras.saving.register_keras_serializable(package="toolkit")
class TemporalConvolutionStack(keras.layers.Layer):
    """Blocks whose dilation doubles from one to the next: 1, 2, 4, ...

    Shapes: `(batch, time, dim)` to `(batch, time, filters)`; step t sees no later step.

    Masking: as in `TemporalConvolutionBlock`; the mask goes through.

    Args:
        filters: features of every block.
        num_layers: blocks.
        kernel_size: taps of every convolution.
        weight_normalization: normalise the filters of every convolution.
        dropout: rate after each activation.
        seed: seed of the dropout.

    Raises:
        ArgumentError: a size that is not positive, a rate outside [0, 1).

    Example:
        >>> import numpy as np
        >>> stack = TemporalConvolutionStack(8, num_layers=3)
        >>> stack(np.ones((2, 20, 4), "float32")).shape, stack.receptive_field
        (TensorShape([2, 20, 8]), 29)

    Reference: Bai et al., arXiv 1803.01271, section 3.
    """

    def __init__(
        self,
        filters: int,
        num_layers: int,
        kernel_size: int = 3,
        weight_normalization: bool = False,
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_positive(filters=filters, num_layers=num_layers, kernel_size=kernel_size)
        check_rate(dropout=dropout)
        self.supports_masking = True
        self.filters = filters
        self.num_layers = num_layers
        self.kernel_size = kernel_size
        self.weight_normalization = weight_normalization
        self.dropout = dropout
        self.seed = seed

    def build(self, sequence_shape: Shape) -> None:
        """The blocks, each on the one before."""
        shape = sequence_shape
        self.blocks = []
        for number in range(self.num_layers):
            block = TemporalConvolutionBlock(
                self.filters,
                self.kernel_size,
                2**number,
                self.weight_normalization,
                self.dropout,
                derived_seed(self.seed, number),
                name=f"block_{number}",
                dtype=self.dtype_policy,
            )
            block.build(shape)
            shape = block.compute_output_shape(shape)
            self.blocks.append(block)

    def call(
        self, sequence: Tensor, mask: Tensor | None = None, training: bool | None = None
    ) -> Tensor:
        """The last block's output; `mask` is True on real steps."""
        for block in self.blocks:
            sequence = block(sequence, mask=mask, training=training)
        return sequence

    def compute_output_shape(self, sequence_shape: Shape) -> Shape:
        """`(batch, time, filters)`."""
        return (*sequence_shape[:2], self.filters)

    @property
    def receptive_field(self) -> int:
        """Input steps that one output step sees, itself included."""
        dilations = (1 << self.num_layers) - 1  # 1 + 2 + 4 + ...
        return 1 + 2 * (self.kernel_size - 1) * dilations
