"""Long short-term memory (Hochreiter and Schmidhuber 1997; forget gate: Gers et al. 2000)."""

from typing import Any

import keras
from keras import ops

from toolkit.layers.arguments import Shape, Tensor
from toolkit.layers.recurrence import LoopWeights, RecurrentCell, States, parts
from toolkit.layers.recurrent import Recurrent


@keras.saving.register_keras_serializable(package="toolkit")
class LSTMCell(RecurrentCell):
    """One step of an LSTM, for decoders that choose each input by the last output.

        i = sigmoid(W_i x + U_i h + b_i)          input gate
        f = sigmoid(W_f x + U_f h + b_f)          forget gate
        g = tanh(W_g x + U_g h + b_g)             candidate
        o = sigmoid(W_o x + U_o h + b_o)          output gate
        c' = f * c + i * g
        h' = o * tanh(c')

    Weights `kernel`, `recurrent_kernel` and `bias` hold the gates side by side in the order i, f,
    g, o, as `keras.layers.LSTMCell` does, so that weights can be exchanged.

    Args:
        units: size of the hidden and of the cell state.
        forget_bias: initial bias of the forget gate; 1 keeps memory open at first (Jozefowicz et
            al. 2015).
        layer_normalization: normalise both products and the new cell state (Ba et al. 2016, eq.
            20-22), each with its own gain; the bias is shared.
        peepholes: let the gates see the cell state (Gers and Schmidhuber 2000).
        recurrent_dropout: rate of dropout on the previous hidden state; in a layer, the same units
            for all steps.
        seed: of the dropout.

    Call arguments:
        inputs: (batch, features).
        states: the pair (h, c), each (batch, units).
        training: whether dropout applies.

    Returns:
        The output h' (batch, units), and the pair (h', c').

    Raises:
        ArgumentError: for `units` below 1 or a rate outside [0, 1).

    Example:
        >>> import keras
        >>> from toolkit.layers import LSTMCell
        >>> cell = LSTMCell(4)
        >>> output, (h, c) = cell(keras.ops.ones((2, 3)), cell.get_initial_state(2))
        >>> output.shape
        TensorShape([2, 4])
    """

    num_states = 2
    num_gates = 4
    saved_units = (4,)
    cudnn_mode = "lstm"

    def __init__(
        self,
        units: int,
        forget_bias: float = 1.0,
        layer_normalization: bool = False,
        peepholes: bool = False,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, recurrent_dropout, seed, **kwargs)
        self.forget_bias = forget_bias
        self.layer_normalization = layer_normalization
        self.peepholes = peepholes

    def build_bias(self, width: int) -> None:
        """The bias, with the forget gate's part at `forget_bias`, and the variants' weights."""
        units = self.units

        def initial(shape: Shape, dtype: Any = None) -> Tensor:
            return ops.repeat(ops.array([0, self.forget_bias, 0, 0], dtype), units)

        self.bias = self.add_weight(name="bias", shape=(width,), initializer=initial)
        if self.layer_normalization:
            for name, size in (("input", width), ("recurrent", width), ("cell", units)):
                gain = self.add_weight(name=f"{name}_gain", shape=(size,), initializer="ones")
                setattr(self, f"{name}_gain", gain)
            self.cell_offset = self.add_weight(
                name="cell_offset", shape=(units,), initializer="zeros"
            )
        if self.peepholes:
            self.peephole = self.add_weight(
                name="peephole", shape=(3, units), initializer="glorot_uniform"
            )

    def project(self, inputs: Tensor) -> Tensor:
        """The inputs' part of the gates."""
        if not self.layer_normalization:
            return super().project(inputs)
        return normalize(ops.matmul(inputs, self.kernel)) * self.input_gain + self.bias

    def recur(self, hidden: Tensor) -> Tensor:
        """The previous hidden state's part of the gates."""
        product = super().recur(hidden)
        return normalize(product) * self.recurrent_gain if self.layer_normalization else product

    def step(self, projected: Tensor, recurred: Tensor, states: States) -> States:
        """The equations of the class docstring."""
        _, c = states
        i, f, g, o = parts(projected + recurred, 4)
        if self.peepholes:
            i, f = i + self.peephole[0] * c, f + self.peephole[1] * c
        c = ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(g)
        o = ops.sigmoid(o + self.peephole[2] * c if self.peepholes else o)
        inner = normalize(c) * self.cell_gain + self.cell_offset if self.layer_normalization else c
        return o * ops.tanh(inner), c

    def loop_weights(self) -> LoopWeights:
        """With the gates i, f and o halved: sigmoid(x) = (1 + tanh(x / 2)) / 2.

        So one tanh serves all four gates, and a factor of a half costs no accuracy.
        """
        scale = ops.repeat(ops.array([0.5, 0.5, 1.0, 0.5], self.compute_dtype), self.units)
        kernel, recurrent_kernel, bias = (
            ops.multiply(weight, scale)
            for weight in (self.kernel, self.recurrent_kernel, self.bias)
        )
        return LoopWeights(kernel, recurrent_kernel, bias)

    def activate(
        self, projected: Tensor, recurred: Tensor, states: States
    ) -> tuple[States, States]:
        """`step` without variants; (1 + i) / 2 is the input gate, and so on."""
        gates = ops.tanh(projected + recurred)
        i, f, g, o = parts(gates, 4)
        c = 0.5 * ((1 + f) * states[1] + (1 + i) * g)
        return (0.5 * (1 + o) * ops.tanh(c), c), (gates,)

    def deltas(
        self, saved: States, before: States, after: States, gradients: States
    ) -> tuple[Tensor, Tensor, States]:
        """Backward through `activate`."""
        from toolkit.layers.tensorflow_recurrence import tanh_gradient

        (gates,) = saved
        i, f, g, o = parts(gates, 4)
        inner = ops.tanh(after[1])
        half_h = 0.5 * gradients[0]
        half_c = 0.5 * (gradients[1] + tanh_gradient(inner, half_h * (1 + o)))
        by_gates = (half_c * g, half_c * before[1], half_c * (1 + i), half_h * inner)
        by_sum = tanh_gradient(gates, ops.concatenate(by_gates, axis=-1))
        return by_sum, by_sum, (None, half_c * (1 + f))

    def has_deltas(self) -> bool:
        """The variants are differentiated by the backend."""
        return super().has_deltas() and not (self.layer_normalization or self.peepholes)

    def cudnn_biases(self) -> tuple[Tensor, Tensor]:
        """CuDNN has a second bias, beside the recurrent product: zeros."""
        bias = ops.convert_to_tensor(self.bias)
        return ops.zeros_like(bias), bias


def normalize(values: Tensor) -> Tensor:
    """Zero mean and unit variance over the last axis."""
    mean, variance = ops.moments(values, axes=-1, keepdims=True)
    return (values - mean) * ops.rsqrt(variance + 1e-3)


@keras.saving.register_keras_serializable(package="toolkit")
class LSTM(Recurrent):
    """A layer of long short-term memory over a sequence; `LSTMCell` has the equations.

    Weights are those of `keras.layers.LSTM`, in the same order: `set_weights` takes them. On a GPU
    cuDNN does the work where it can (no variant, no recurrent dropout, right padding); that path
    could not be run where this was written, see `cudnn_recurrence`.

    Args:
        units: size of the hidden state.
        forget_bias: initial bias of the forget gate.
        layer_normalization: normalise inside the cell (Ba et al. 2016).
        peepholes: let the gates see the cell state (Gers and Schmidhuber 2000).
        dropout: rate of dropout on the inputs, the same features for all steps.
        recurrent_dropout: rate of dropout on the hidden state, the same units for all steps.
        return_sequences: return the output of every step instead of the last.
        return_state: return the last states too.
        go_backwards: read from the last step to the first. Outputs stay at the step they belong to
            (the output at step t has read t and all after it); `keras.layers.LSTM` returns them
            in the order they were computed.
        use_cudnn: whether cuDNN may do the work.
        seed: of the dropout.

    Call arguments:
        inputs: (batch, time, features).
        initial_state: the pair (h, c), each (batch, units); zeros by default.
        mask: boolean (batch, time), False at padding, which may stand anywhere. A masked step
            carries the state on, and its output is the one before it (in reading order).
        training: whether dropout applies.

    Returns:
        (batch, units), or (batch, time, units) with `return_sequences`; with `return_state` a tuple
        of that, h and c.

    Raises:
        ArgumentError: for `units` below 1, a rate outside [0, 1), or inputs of other than 3 axes.

    Example:
        >>> import keras
        >>> from toolkit.layers import LSTM
        >>> layer = LSTM(4, return_sequences=True, return_state=True)
        >>> outputs, h, c = layer(keras.ops.ones((2, 5, 3)))
        >>> outputs.shape, c.shape
        (TensorShape([2, 5, 4]), TensorShape([2, 4]))
    """

    def __init__(
        self,
        units: int,
        forget_bias: float = 1.0,
        layer_normalization: bool = False,
        peepholes: bool = False,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        use_cudnn: bool = True,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            dropout, return_sequences, return_state, go_backwards, use_cudnn, seed, **kwargs
        )
        self.units = units
        self.forget_bias = forget_bias
        self.layer_normalization = layer_normalization
        self.peepholes = peepholes
        self.recurrent_dropout = recurrent_dropout
        self.cell = LSTMCell(
            units,
            forget_bias,
            layer_normalization,
            peepholes,
            recurrent_dropout,
            seed,
            name="cell",
            dtype=self.dtype_policy,
        )
