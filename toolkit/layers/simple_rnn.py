"""The simple recurrent network (Elman 1990)."""

from typing import Any

import keras
from keras import ops

from toolkit.layers.arguments import Tensor, check_choice
from toolkit.layers.recurrence import RecurrentCell, States
from toolkit.layers.recurrent import Recurrent


@keras.saving.register_keras_serializable(package="toolkit")
class SimpleRNNCell(RecurrentCell):
    """One step of a simple recurrent network: h' = activation(W x + U h + b).

    Weights `kernel`, `recurrent_kernel` and `bias` are those of `keras.layers.SimpleRNNCell`.

    Args:
        units: size of the hidden state.
        activation: "tanh" or "relu".
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
        ArgumentError: for `units` below 1, another activation or a rate outside [0, 1).

    Example:
        >>> import keras
        >>> from toolkit.layers import SimpleRNNCell
        >>> cell = SimpleRNNCell(4)
        >>> output, (h,) = cell(keras.ops.ones((2, 3)), cell.get_initial_state(2))
        >>> output.shape
        TensorShape([2, 4])
    """

    def __init__(
        self,
        units: int,
        activation: str = "tanh",
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, recurrent_dropout, seed, **kwargs)
        check_choice(("tanh", "relu"), activation=activation)
        self.activation = activation

    def activate(
        self, projected: Tensor, recurred: Tensor, states: States
    ) -> tuple[States, States]:
        """The equation of the class docstring."""
        activation = ops.tanh if self.activation == "tanh" else ops.relu
        h = activation(projected + recurred)
        return (h,), (h,)

    def deltas(
        self, saved: States, before: States, after: States, gradients: States
    ) -> tuple[Tensor, Tensor, States]:
        """Backward through one step, from the new state."""
        (h,) = saved
        slope = 1 - h * h if self.activation == "tanh" else ops.cast(h > 0, h.dtype)
        by_sum = gradients[0] * slope
        return by_sum, by_sum, (None,)


@keras.saving.register_keras_serializable(package="toolkit")
class SimpleRNN(Recurrent):
    """A layer of a simple recurrent network over a sequence; `SimpleRNNCell` has the equation.

    Weights are those of `keras.layers.SimpleRNN`, in the same order: `set_weights` takes them.

    Args:
        units: size of the hidden state.
        activation: "tanh" or "relu".
        dropout: rate of dropout on the inputs, the same features for all steps.
        recurrent_dropout: rate of dropout on the hidden state, the same units for all steps.
        return_sequences: return the output of every step instead of the last.
        return_state: return the last state too.
        go_backwards: read from the last step to the first. Outputs stay at the step they belong to
            (the output at step t has read t and all after it); `keras.layers.SimpleRNN` returns
            them in the order they were computed.
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
        ArgumentError: for `units` below 1, another activation, a rate outside [0, 1), or inputs of
            other than 3 axes.

    Example:
        >>> import keras
        >>> from toolkit.layers import SimpleRNN
        >>> SimpleRNN(4, return_sequences=True)(keras.ops.ones((2, 5, 3))).shape
        TensorShape([2, 5, 4])
    """

    def __init__(
        self,
        units: int,
        activation: str = "tanh",
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            dropout, return_sequences, return_state, go_backwards, False, seed, **kwargs
        )
        self.units = units
        self.activation = activation
        self.recurrent_dropout = recurrent_dropout
        self.cell = SimpleRNNCell(
            units, activation, recurrent_dropout, seed, name="cell", dtype=self.dtype_policy
        )
