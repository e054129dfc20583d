"""Variable selection of the Temporal Fusion Transformer."""

import math
from typing import Any

import keras
from keras import ops

from toolkit.layers.arguments import Shape, Tensor, check_positive, check_rate, derived_seed
from toolkit.layers.gated_residual_network import GatedResidualNetwork
from toolkit.layers.scaled_attention import masked_softmax


@keras.saving.register_keras_serializable(package="toolkit")
class VariableSelection(keras.layers.Layer):
    """A weighted sum of variables; the weights say which of them matter at each step.

    ```
    v    = softmax(GRN_v([xi_1, ..., xi_m], c))        # one weight per variable
    xi_j = GRN_j(xi_j)                                 # each variable's own weights
    out  = sum_j v_j xi_j
    ```

    Shapes: `(batch, time, variables, dim)` to `(batch, time, units)`, or without time for static
    variables; the static context is `(batch, context_dim)`. On request also the weights
    `(batch, time, variables)`, which sum to 1.

    Masking: each step stands alone; the mask goes through.

    Args:
        units: width of the output and inside the gated residual networks.
        dropout: rate inside the gated residual networks.
        seed: seed of the dropout.

    Raises:
        ArgumentError: `units` that are not positive, a rate outside [0, 1).

    Example:
        >>> import numpy as np
        >>> variables, static = np.ones((2, 9, 5, 4), "float32"), np.ones((2, 3), "float32")
        >>> chosen, weights = VariableSelection(8)(
        ...     variables, static, return_selection_weights=True
        ... )
        >>> chosen.shape, weights.shape
        (TensorShape([2, 9, 8]), TensorShape([2, 9, 5]))

    Reference: Lim et al., "Temporal Fusion Transformers", arXiv 1912.09363, section 4.2,
    equations 6 to 8.
    """

    def __init__(
        self, units: int, dropout: float = 0.0, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        check_positive(units=units)
        check_rate(dropout=dropout)
        self.supports_masking = True
        self.units = units
        self.dropout = dropout
        self.seed = seed

    def build(self, variables_shape: Shape, context_shape: Shape | None = None) -> None:
        """One network for the weights, one that holds every variable's own."""
        *leading, number, dim = variables_shape
        self.select = self._network("select", 0, output_dim=number)
        flat_shape = (*leading, math.prod((number or 0, dim or 0)))
        self.select.build(flat_shape, context_shape)
        self.process = self._network("process", 1, num_variables=number)
        self.process.build(variables_shape)

    def call(
        self,
        variables: Tensor,
        context: Tensor | None = None,
        training: bool | None = None,
        return_selection_weights: bool = False,
    ) -> Any:
        """The selected sum, and the selection weights if asked."""
        *leading, number, dim = ops.shape(variables)
        flat = ops.reshape(variables, (*leading, number * dim))
        scores = self.select(flat, context, training=training)
        weights = masked_softmax(ops.cast(scores, "float32"), None)
        weights = ops.cast(weights, self.compute_dtype)
        processed = self.process(variables, training=training)
        chosen = ops.matmul(weights[..., None, :], processed)[..., 0, :]
        return (chosen, weights) if return_selection_weights else chosen

    def compute_output_shape(
        self, variables_shape: Shape, context_shape: Shape | None = None
    ) -> Shape:
        """The leading axes and `units`."""
        return (*variables_shape[:-2], self.units)

    def compute_output_spec(
        self,
        variables: Tensor,
        context: Tensor | None = None,
        training: bool | None = None,
        return_selection_weights: bool = False,
    ) -> Any:
        """The selected sum's shape, and the weights'."""
        shape = self.compute_output_shape(variables.shape)
        chosen = keras.KerasTensor(shape, self.compute_dtype)
        if not return_selection_weights:
            return chosen
        return chosen, keras.KerasTensor(variables.shape[:-1], self.compute_dtype)

    def _network(self, name: str, number: int, **sizes: Any) -> GatedResidualNetwork:
        return GatedResidualNetwork(
            self.units,
            **sizes,
            dropout=self.dropout,
            seed=derived_seed(self.seed, number),
            name=name,
            dtype=self.dtype_policy,
        )
