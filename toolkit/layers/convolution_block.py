"""Depthwise-separable convolution block."""

from typing import Any

import keras

from toolkit.layers.arguments import Shape, Tensor, check_positive, check_rate
from toolkit.layers.depthwise_convolution import DepthwiseConvolution
from toolkit.layers.layer_normalization import LayerNormalization


@keras.saving.register_keras_serializable(package="toolkit")
class ConvolutionBlock(keras.layers.Layer):
    """Normalisation, depthwise-separable convolution and a residual connection.

    `y = skip(x) + dropout(activation(pointwise(depthwise(norm(x)))))`; `skip` is a linear layer
    where the widths differ. A cheap encoder for text and speech classifiers: `kernel_size * dim +
    dim * filters` products a step, where a full convolution has `kernel_size * dim * filters`.

    Shapes: `(batch, time, dim)` to `(batch, time, filters)`.

    Masking: masked steps are zero before the depthwise convolution, so that padding is what the
    end of the sequence is; the mask goes through.

    Args:
        filters: features of the output.
        kernel_size: taps.
        dilation_rate: steps from one tap to the next.
        causal: see no later step.
        activation: name of a Keras activation.
        dropout: rate before the residual connection.
        seed: seed of the dropout.

    Raises:
        ArgumentError: a size that is not positive, a rate outside [0, 1).

    Example:
        >>> import numpy as np
        >>> ConvolutionBlock(8, kernel_size=5)(np.ones((2, 9, 4), "float32")).shape
        TensorShape([2, 9, 8])

    Reference: Chollet, "Xception", arXiv 1610.02357; in this order with a
    normalisation before it: Yu et al., "QANet", arXiv 1804.09541, section 2.2.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 5,
        dilation_rate: int = 1,
        causal: bool = False,
        activation: str = "relu",
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
        self.causal = causal
        self.activation = activation
        self.dropout = dropout
        self.seed = seed

    def build(self, sequence_shape: Shape) -> None:
        """The normalisation, the two convolutions and, where widths differ, the skip."""
        policy = self.dtype_policy
        self.normalize = LayerNormalization(name="normalize", dtype=policy)
        self.depthwise = DepthwiseConvolution(
            self.kernel_size, self.dilation_rate, self.causal, name="depthwise", dtype=policy
        )
        self.pointwise = keras.layers.Dense(
            self.filters, activation=self.activation, name="pointwise", dtype=policy
        )
        self.drop = keras.layers.Dropout(self.dropout, seed=self.seed, dtype=policy)
        parts = [self.normalize, self.depthwise, self.pointwise]
        self.skip = None
        if sequence_shape[-1] != self.filters:
            self.skip = keras.layers.Dense(self.filters, name="skip", dtype=policy)
            parts.append(self.skip)
        for part in parts:
            part.build(sequence_shape)

    def call(
        self, sequence: Tensor, mask: Tensor | None = None, training: bool | None = None
    ) -> Tensor:
        """The block's output; `mask` is True on real steps."""
        hidden = self.depthwise(self.normalize(sequence), mask=mask)
        hidden = self.drop(self.pointwise(hidden), training=training)
        return hidden + (sequence if self.skip is None else self.skip(sequence))

    def compute_output_shape(self, sequence_shape: Shape) -> Shape:
        """`(batch, time, filters)`."""
        return (*sequence_shape[:2], self.filters)
