"""Pooling by attention with a learned query."""

from typing import Any

import keras
from keras import ops

from toolkit.layers.arguments import Shape, Tensor, check_positive_or_none
from toolkit.layers.masking import zero_masked
from toolkit.layers.scaled_attention import masked_softmax


@keras.saving.register_keras_serializable(package="toolkit")
class AttentionPooling(keras.layers.Layer):
    """One vector for a sequence: a mean weighted by how each step answers a learned query.

    ```
    u_t = tanh(W h_t + b)
    a_t = softmax_t(q . u_t)
    s   = sum_t a_t h_t
    ```

    Shapes: `(batch, time, dim)` to `(batch, dim)`; on request also the weights `(batch, time)`,
    which sum to 1 over the real steps.

    Masking: masked steps have the weight 0; a row without a real step gives zeros and only zero
    weights. The mask ends here. The softmax is taken in float32.

    Args:
        units: width of the hidden `u_t`; None is `dim`.

    Raises:
        ArgumentError: `units` that are not positive.

    Example:
        >>> import numpy as np
        >>> sequence = np.ones((2, 7, 4), "float32")
        >>> pooled, weights = AttentionPooling(8)(sequence, return_attention_scores=True)
        >>> pooled.shape, weights.shape
        (TensorShape([2, 4]), TensorShape([2, 7]))

    Reference: Yang et al., "Hierarchical Attention Networks for Document Classification",
    NAACL 2016, section 2.2, equations 5 to 7.
    """

    def __init__(self, units: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_positive_or_none(units=units)
        self.supports_masking = True
        self.units = units

    def build(self, sequence_shape: Shape) -> None:
        """The projection `W`, `b` and the query `q`."""
        units = self.units or sequence_shape[-1]
        self.projection = keras.layers.Dense(
            units, activation="tanh", name="projection", dtype=self.dtype_policy
        )
        self.projection.build(sequence_shape)
        self.query = self.add_weight(name="query", shape=(units, 1), initializer="glorot_uniform")

    def call(
        self,
        sequence: Tensor,
        mask: Tensor | None = None,
        return_attention_scores: bool = False,
    ) -> Tensor:
        """The pooled sequence, and the weights if asked; `mask` is True on real steps."""
        sequence = zero_masked(sequence, mask)
        scores = ops.matmul(self.projection(sequence), self.query)[..., 0]
        weights = masked_softmax(ops.cast(scores, "float32"), mask)
        weights = ops.cast(weights, sequence.dtype)
        pooled = ops.matmul(weights[:, None, :], sequence)[:, 0]
        return (pooled, weights) if return_attention_scores else pooled

    def compute_mask(self, sequence: Tensor, mask: Tensor | None = None) -> None:
        """No time is left to mask."""
        return

    def compute_output_shape(self, sequence_shape: Shape) -> Shape:
        """`(batch, dim)`."""
        return sequence_shape[0], sequence_shape[2]

    def compute_output_spec(
        self,
        sequence: Tensor,
        mask: Tensor | None = None,
        return_attention_scores: bool = False,
    ) -> Any:
        """`(batch, dim)`, and `(batch, time)` of the weights."""
        batch, time, dim = sequence.shape
        pooled = keras.KerasTensor((batch, dim), self.compute_dtype)
        if not return_attention_scores:
            return pooled
        return pooled, keras.KerasTensor((batch, time), self.compute_dtype)
