"""Gated residual network of the Temporal Fusion Transformer."""

from typing import Any

import keras
from keras import ops

from toolkit.layers.arguments import (
    Shape,
    Tensor,
    check_positive,
    check_positive_or_none,
    check_rate,
)
from toolkit.layers.dropout import Dropout
from toolkit.layers.layer_normalization import at_least_float32


@keras.saving.register_keras_serializable(package="toolkit")
class GatedResidualNetwork(keras.layers.Layer):
    """As much non-linear processing as the data asks for: a gate may close it off altogether.

    ```
    eta2 = elu(W2 a + W3 c + b2)
    eta1 = W1 eta2 + b1
    GRN  = LayerNorm(a + GLU(eta1))            GLU(x) = sigmoid(W4 x + b4) * (W5 x + b5)
    ```

    `a` goes through a linear layer where its width is not the output's.

    Shapes: `(..., dim)` to `(..., output_dim)`; the context has the leading axes of the inputs, or
    only the batch, for a static context. With `num_variables` the inputs are
    `(..., num_variables, dim)` and each variable has weights of its own.

    Masking: each step stands alone; the mask goes through.

    Args:
        units: width inside.
        output_dim: width of the output; None is `units`.
        num_variables: size of the axis before the last, if each of its entries is to have its
            own weights.
        dropout: rate before the gate.
        epsilon: added to the variance in the normalisation.
        seed: seed of the dropout.

    Raises:
        ArgumentError: a size that is not positive, a rate outside [0, 1).

    Example:
        >>> import numpy as np
        >>> layer = GatedResidualNetwork(8)
        >>> steps, static = np.ones((2, 9, 4), "float32"), np.ones((2, 3), "float32")
        >>> layer(steps, static).shape
        TensorShape([2, 9, 8])

    Reference: Lim et al., "Temporal Fusion Transformers", arXiv 1912.09363, section 4.1,
    equations 2 to 5.
    """

    def __init__(
        self,
        units: int,
        output_dim: int | None = None,
        num_variables: int | None = None,
        dropout: float = 0.0,
        epsilon: float = 1e-6,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_positive(units=units)
        check_positive_or_none(output_dim=output_dim, num_variables=num_variables)
        check_rate(dropout=dropout)
        self.supports_masking = True
        self.units = units
        self.output_dim = output_dim
        self.num_variables = num_variables
        self.dropout = dropout
        self.epsilon = epsilon
        self.seed = seed
        self.width = output_dim or units

    def build(self, inputs_shape: Shape, context_shape: Shape | None = None) -> None:
        """The products of the equations, and the scale and shift of the normalisation."""
        dim = inputs_shape[-1]
        self.expand = self._dense("expand", self.units, dim)
        self.contract = self._dense("contract", self.width, self.units)
        self.gate = self._dense("gate", 2 * self.width, self.width)
        self.skip = self.add_context = None
        if dim != self.width:
            self.skip = self._dense("skip", self.width, dim)
        if context_shape is not None:
            self.add_context = keras.layers.Dense(
                self.units, use_bias=False, name="context", dtype=self.dtype_policy
            )
            self.add_context.build(context_shape)
        self.drop = Dropout(self.dropout, seed=self.seed, dtype=self.dtype_policy)
        shape = (self.num_variables, 1, self.width) if self.num_variables else (self.width,)
        self.scale = self.add_weight(name="scale", shape=shape, initializer="ones")
        self.shift = self.add_weight(name="shift", shape=shape, initializer="zeros")

    def call(
        self, inputs: Tensor, context: Tensor | None = None, training: bool | None = None
    ) -> Tensor:
        """The processed inputs, in the light of the context."""
        added = None
        if self.add_context is not None and context is not None:
            added = over_axes(self.add_context(context), len(inputs.shape))
        if self.num_variables is None:
            return self._processed(inputs, added, training)
        *leading, number, _ = ops.shape(inputs)
        if added is not None:
            added = by_variable(ops.broadcast_to(added, (*leading, number, self.units)))
        processed = self._processed(by_variable(inputs), added, training)
        processed = ops.reshape(processed, (number, *leading, self.width))
        return ops.moveaxis(processed, 0, -2)

    def _processed(self, inputs: Tensor, added: Tensor | None, training: bool | None) -> Tensor:
        hidden = self.expand(inputs)
        hidden = ops.elu(hidden if added is None else hidden + added)
        hidden = self.drop(self.contract(hidden), training=training)
        gate, value = ops.split(self.gate(hidden), 2, axis=-1)
        residual = inputs if self.skip is None else self.skip(inputs)
        return self._normalize(residual + ops.sigmoid(gate) * value)

    def compute_output_shape(
        self, inputs_shape: Shape, context_shape: Shape | None = None
    ) -> Shape:
        """`(..., output_dim)`."""
        return (*inputs_shape[:-1], self.width)

    def _normalize(self, x: Tensor) -> Tensor:
        # Not the layer of that name: each variable has a scale and shift of its own.
        wide = at_least_float32(x)
        centred = wide - ops.mean(wide, axis=-1, keepdims=True)
        variance = ops.mean(ops.square(centred), axis=-1, keepdims=True)
        normal = ops.cast(centred * ops.rsqrt(variance + self.epsilon), x.dtype)
        return normal * self.scale + self.shift

    def _dense(self, name: str, units: int, dim: int | None) -> keras.layers.Layer:
        if self.num_variables is None:
            layer = keras.layers.Dense(units, name=name, dtype=self.dtype_policy)
            layer.build((None, dim))
            return layer
        layer = keras.layers.EinsumDense(
            "vnd,vdu->vnu",
            output_shape=(None, units),
            bias_axes="vu",
            name=name,
            dtype=self.dtype_policy,
        )
        layer.build((self.num_variables, None, dim))
        return layer


def by_variable(values: Tensor) -> Tensor:
    """`(..., variables, dim)` as `(variables, rows, dim)`: the order that products need."""
    return ops.reshape(ops.moveaxis(values, -2, 0), (values.shape[-2], -1, values.shape[-1]))


def over_axes(context: Tensor, rank: int) -> Tensor:
    """A context of fewer axes, such as `(batch, units)`, spread over the axes it has not."""
    batch, units = ops.shape(context)[0], context.shape[-1]
    missing = rank - len(context.shape)
    return ops.reshape(context, (batch, *[1] * missing, *ops.shape(context)[1:-1], units))
