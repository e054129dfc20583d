"""The convolution module of the Conformer."""

from typing import Any

import keras
from keras import ops

from toolkit.layers.arguments import Shape, Tensor, check_positive, check_rate
from toolkit.layers.depthwise_convolution import DepthwiseConvolution
from toolkit.layers.layer_normalization import LayerNormalization


@keras.saving.register_keras_serializable(package="toolkit")
class ConformerConvolution(keras.layers.Layer):
    """Gated pointwise, depthwise and pointwise convolution: the local half of a Conformer.

    ```
    a, b = split(norm(x) W1 + b1)
    u    = a * sigmoid(b)                             # gated linear unit
    y    = dropout(swish(norm(depthwise(u))) W2 + b2)
    ```

    The inner normalisation is a layer normalisation where the paper has batch normalisation:
    batch statistics would see the padding, tie the examples of a batch together, differ between
    replicas and need moving averages for streaming; one step's own statistics do none of this.

    Shapes: `(batch, time, dim)` in and out; the residual connection is the caller's.

    Masking: masked steps are zero before the depthwise convolution, so that padding is what the
    end of the sequence is; the mask goes through.

    Args:
        kernel_size: taps of the depthwise convolution.
        causal: see no later step, for streaming.
        dropout: rate on the output.
        seed: seed of the dropout.

    Raises:
        ArgumentError: a `kernel_size` that is not positive, a rate outside [0, 1).

    Example:
        >>> import numpy as np
        >>> ConformerConvolution(kernel_size=7)(np.ones((2, 9, 4), "float32")).shape
        TensorShape([2, 9, 4])

    Reference: Gulati et al., "Conformer", arXiv 2005.08100, section 2.2, figure 2.
    """

    def __init__(
        self,
        kernel_size: int = 31,
        causal: bool = False,
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_positive(kernel_size=kernel_size)
        check_rate(dropout=dropout)
        self.supports_masking = True
        self.kernel_size = kernel_size
        self.causal = causal
        self.dropout = dropout
        self.seed = seed

    def build(self, sequence_shape: Shape) -> None:
        """The two pointwise products, the depthwise filters and both normalisations."""
        dim, policy = sequence_shape[-1], self.dtype_policy
        self.normalize = LayerNormalization(name="normalize", dtype=policy)
        self.expand = keras.layers.Dense(2 * (dim or 0), name="expand", dtype=policy)
        self.depthwise = DepthwiseConvolution(
            self.kernel_size, causal=self.causal, name="depthwise", dtype=policy
        )
        self.normalize_filtered = LayerNormalization(name="normalize_filtered", dtype=policy)
        self.contract = keras.layers.Dense(dim, name="contract", dtype=policy)
        self.drop = keras.layers.Dropout(self.dropout, seed=self.seed, dtype=policy)
        for layer in (
            self.normalize,
            self.expand,
            self.depthwise,
            self.normalize_filtered,
            self.contract,
        ):
            layer.build(sequence_shape)

    def call(
        self, sequence: Tensor, mask: Tensor | None = None, training: bool | None = None
    ) -> Tensor:
        """The module's output, to be added to `sequence`; `mask` is True on real steps."""
        value, gate = ops.split(self.expand(self.normalize(sequence)), 2, axis=-1)
        hidden = self.depthwise(value * ops.sigmoid(gate), mask=mask)
        hidden = ops.silu(self.normalize_filtered(hidden))
        return self.drop(self.contract(hidden), training=training)

    def compute_output_shape(self, sequence_shape: Shape) -> Shape:
        """The shape of the input."""
        return sequence_shape
