"""Recurrent layers on top of each other."""

from collections.abc import Callable
from typing import Any

import keras

from toolkit.layers.arguments import (
    Shape,
    Tensor,
    check_choice,
    check_positive,
    check_rate,
    derived_seed,
)
from toolkit.layers.bidirectional import Bidirectional
from toolkit.layers.gru import GRU
from toolkit.layers.lstm import LSTM
from toolkit.layers.recurrent import Recurrent
from toolkit.layers.simple_rnn import SimpleRNN

CELLS: dict[str, Callable[..., Recurrent]] = {"lstm": LSTM, "gru": GRU, "rnn": SimpleRNN}


@keras.saving.register_keras_serializable(package="toolkit")
class RecurrentStack(keras.layers.Layer):
    """Recurrent layers of one kind and size, each reading the outputs of the one below.

    Args:
        num_layers: how many layers.
        units: size of each layer's hidden state, in each direction.
        cell: "lstm", "gru" or "rnn".
        bidirectional: read in both directions; outputs are concatenated, 2 * units wide.
        residual: from the second layer on, add a layer's inputs to its outputs (Wu et al. 2016,
            sec. 3.1).
        dropout: rate of dropout on the inputs of every layer but the first, each element on its own
            (Zaremba et al. 2014).
        recurrent_dropout: rate of dropout on the hidden states, the same units for all steps.
        return_sequences: return the output of every step instead of the last.
        return_state: return the last states too.
        seed: of the dropout.

    Call arguments:
        inputs: (batch, time, features).
        initial_state: the states of all layers, lowest first (in a bidirectional one forward
            first), flat or nested; zeros by default.
        mask: boolean (batch, time), False at padding, which may stand anywhere. A masked step
            carries the state on, and its output is the one before it (in reading order).
        training: whether dropout applies.

    Returns:
        (batch, width), or (batch, time, width) with `return_sequences`; with `return_state` a tuple
        of that and of all states, each (batch, units), in the order of `initial_state`. Without
        `return_sequences` the top layer adds no residual: its inputs belong to many steps.

    Raises:
        ArgumentError: for sizes below 1, another cell or a rate outside [0, 1).

    Example:
        >>> import keras
        >>> from toolkit.layers import RecurrentStack
        >>> stack = RecurrentStack(2, 4, cell="gru", bidirectional=True, return_sequences=True)
        >>> stack(keras.ops.ones((2, 5, 3))).shape
        TensorShape([2, 5, 8])
    """

    def __init__(
        self,
        num_layers: int,
        units: int,
        cell: str = "lstm",
        bidirectional: bool = False,
        residual: bool = False,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_positive(num_layers=num_layers, units=units)
        check_choice(tuple(CELLS), cell=cell)
        check_rate(dropout=dropout, recurrent_dropout=recurrent_dropout)
        self.num_layers = num_layers
        self.units = units
        self.cell = cell
        self.bidirectional = bidirectional
        self.residual = residual
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.seed = seed
        self.supports_masking = True
        self.recurrent_layers = [self.make_layer(number) for number in range(num_layers)]
        self.supports_jit = self.recurrent_layers[0].supports_jit
        self.dropout_layer = keras.layers.Dropout(dropout, seed=seed, dtype=self.dtype_policy)

    def make_layer(self, number: int) -> keras.layers.Layer:
        """One layer of the stack."""
        top = number == self.num_layers - 1
        layer = CELLS[self.cell](
            units=self.units,
            recurrent_dropout=self.recurrent_dropout,
            return_sequences=self.return_sequences or not top,
            return_state=True,
            seed=derived_seed(self.seed, number),
            name=f"layer_{number}",
            dtype=self.dtype_policy,
        )
        if not self.bidirectional:
            return layer
        return Bidirectional(layer, name=f"layer_{number}", dtype=self.dtype_policy)

    @property
    def width(self) -> int:
        """Size of the outputs."""
        return self.units * (2 if self.bidirectional else 1)

    def build(self, inputs_shape: Shape, initial_state_shape: Any = None) -> None:
        """Builds the layers."""
        for layer in self.recurrent_layers:
            layer.build(inputs_shape)
            inputs_shape = (*inputs_shape[:2], self.width)

    def call(
        self,
        inputs: Tensor,
        initial_state: Any = None,
        mask: Tensor | None = None,
        training: bool = False,
    ) -> Any:
        """Reads the sequence layer by layer."""
        if mask is None:
            mask = getattr(inputs, "_keras_mask", None)
        values, all_states = self.read(inputs, initial_state, mask, training)
        return (values, *all_states) if self.return_state else values

    def read(
        self,
        inputs: Tensor,
        initial_state: Any = None,
        mask: Tensor | None = None,
        training: bool = False,
    ) -> tuple[Tensor, list[Tensor]]:
        """What `call` does, and the states that it would go on from, whatever `return_state` is."""
        values, all_states = inputs, []
        for number, layer in enumerate(self.recurrent_layers):
            below = self.dropout_layer(values, training=training) if number else values
            first = self.states_of(initial_state, number)
            values, *states = layer(below, initial_state=first, mask=mask, training=training)
            if self.residual and number and layer_returns_sequences(values):
                values = values + below
            all_states += states
        return values, all_states

    def states_of(self, initial_state: Any, number: int) -> Any:
        """One layer's share of the initial states."""
        if initial_state is None:
            return None
        states = keras.tree.flatten(initial_state)
        share = len(states) // self.num_layers
        return states[number * share : (number + 1) * share]

    def compute_mask(self, inputs: Tensor, previous_mask: Tensor | None) -> Any:
        """The inputs' mask on outputs that have steps; none on states."""
        mask = previous_mask if self.return_sequences else None
        return (mask, *[None] * self.num_states) if self.return_state else mask

    @property
    def num_states(self) -> int:
        """How many states all layers have together."""
        directions = 2 if self.bidirectional else 1
        return self.num_layers * directions * (2 if self.cell == "lstm" else 1)

    def compute_output_shape(self, inputs_shape: Shape, initial_state_shape: Any = None) -> Any:
        """The shape of what `call` returns."""
        steps = inputs_shape[:2] if self.return_sequences else inputs_shape[:1]
        output = (*steps, self.width)
        if not self.return_state:
            return output
        return (output, *[(inputs_shape[0], self.units)] * self.num_states)


def layer_returns_sequences(values: Tensor) -> bool:
    """Whether the values still have steps."""
    return len(values.shape) == 3
