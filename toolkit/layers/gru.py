"""Gated recurrent unit (Cho et al. 2014), with the reset gate behind the product as in cuDNN."""

from typing import Any

import keras
from keras import ops

from toolkit.layers.arguments import Tensor
from toolkit.layers.recurrence import LoopWeights, RecurrentCell, States, parts
from toolkit.layers.recurrent import Recurrent


@keras.saving.register_keras_serializable(package="toolkit")
class GRUCell(RecurrentCell):
    """One step of a GRU, for decoders that choose each input by the last output.

        z = sigmoid(W_z x + b_z + U_z h + d_z)        update gate
        r = sigmoid(W_r x + b_r + U_r h + d_r)        reset gate
        g = tanh(W_g x + b_g + r * (U_g h + d_g))     candidate
        h' = z * h + (1 - z) * g

    The reset gate acts on the product U_g h, not on h, so that one product serves all three gates
    (the form of cuDNN and of Keras's `reset_after`). Weights `kernel`, `recurrent_kernel` and
    `bias` (2, 3 * units) hold the gates side by side in the order z, r, g, as
    `keras.layers.GRUCell` does, so that weights can be exchanged.

    Args:
        units: size of the hidden state.
        recurrent_dropout: rate of dropout on the previous hidden state; in a layer, the same units
            for all steps.
        seed: of the dropout.

    Call arguments:
        inputs: (batch, features).
        states: a tuple of h (batch, units).
        training: whether dropout applies.

    Returns:
        The output h' (batch, units), and the tuple (h',).

    Raises:
        ArgumentError: for `units` below 1 or a rate outside [0, 1).

    Example:
        >>> import keras
        >>> from toolkit.layers import GRUCell
        >>> cell = GRUCell(4)
        >>> output, (h,) = cell(keras.ops.ones((2, 3)), cell.get_initial_state(2))
        >>> output.shape
        TensorShape([2, 4])
    """

    num_gates = 3
    saved_units = (1, 1, 1, 1)
    one_delta = False
    cudnn_mode = "gru"

    def build_bias(self, width: int) -> None:
        """One bias beside each of the two products."""
        self.bias = self.add_weight(name="bias", shape=(2, width), initializer="zeros")

    def project(self, inputs: Tensor) -> Tensor:
        """The inputs' part of the gates."""
        return ops.matmul(inputs, self.kernel) + self.bias[0]

    def recur(self, hidden: Tensor) -> Tensor:
        """The previous hidden state's part of the gates, with the bias d."""
        return ops.matmul(hidden, self.recurrent_kernel) + self.bias[1]

    def loop_weights(self) -> LoopWeights:
        """The weights as they are."""
        return LoopWeights(self.kernel, self.recurrent_kernel, self.bias[0], self.bias[1])

    def activate(
        self, projected: Tensor, recurred: Tensor, states: States
    ) -> tuple[States, States]:
        """The equations of the class docstring."""
        xz, xr, xg = parts(projected, 3)
        hz, hr, hg = parts(recurred, 3)
        z, r = ops.sigmoid(xz + hz), ops.sigmoid(xr + hr)
        g = ops.tanh(xg + r * hg)
        h = z * states[0] + (1 - z) * g
        return (h,), (z, r, g, hg)

    def deltas(
        self, saved: States, before: States, after: States, gradients: States
    ) -> tuple[Tensor, Tensor, States]:
        """Backward through one step, from the saved gates."""
        from toolkit.layers.tensorflow_recurrence import sigmoid_gradient, tanh_gradient

        z, r, g, hg = saved
        (by_h,) = gradients
        by_g = tanh_gradient(g, by_h * (1 - z))
        by_z = sigmoid_gradient(z, by_h * (before[0] - g))
        by_r = sigmoid_gradient(r, by_g * hg)
        by_projected = ops.concatenate([by_z, by_r, by_g], axis=-1)
        by_recurred = ops.concatenate([by_z, by_r, by_g * r], axis=-1)
        return by_projected, by_recurred, (by_h * z,)

    def cudnn_biases(self) -> tuple[Tensor, Tensor]:
        """The same two as in Keras."""
        return self.bias[0], self.bias[1]


@keras.saving.register_keras_serializable(package="toolkit")
class GRU(Recurrent):
    """A layer of gated recurrent units over a sequence; `GRUCell` has the equations.

    Weights are those of `keras.layers.GRU`, in the same order: `set_weights` takes them. On a GPU
    cuDNN does the work where it can (no recurrent dropout, right padding); that path could not be
    run where this was written, see `cudnn_recurrence`.

    Args:
        units: size of the hidden state.
        dropout: rate of dropout on the inputs, the same features for all steps.
        recurrent_dropout: rate of dropout on the hidden state, the same units for all steps.
        return_sequences: return the output of every step instead of the last.
        return_state: return the last state too.
        go_backwards: read from the last step to the first. Outputs stay at the step they belong to
            (the output at step t has read t and all after it); `keras.layers.GRU` returns them in
            the order they were computed.
        use_cudnn: whether cuDNN may do the work.
        seed: of the dropout.

    Call arguments:
        inputs: (batch, time, features).
        initial_state: h (batch, units), or a tuple of it; zeros by default.
        mask: boolean (batch, time), False at padding, which may stand anywhere. A masked step
            carries the state on, and its output is the one before it (in reading order).
        training: whether dropout applies.

    Returns:
        (batch, units), or (batch, time, units) with `return_sequences`; with `return_state` a tuple
        of that and h.

    Raises:
        ArgumentError: for `units` below 1, a rate outside [0, 1), or inputs of other than 3 axes.

    Example:
        >>> import keras
        >>> from toolkit.layers import GRU
        >>> GRU(4)(keras.ops.ones((2, 5, 3)), mask=keras.ops.ones((2, 5), "bool")).shape
        TensorShape([2, 4])
    """

    def __init__(
        self,
        units: int,
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
        self.recurrent_dropout = recurrent_dropout
        self.cell = GRUCell(units, recurrent_dropout, seed, name="cell", dtype=self.dtype_policy)
