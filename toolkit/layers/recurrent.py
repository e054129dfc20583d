"""The layer around a cell: masks, states in and out, direction, dropout on the inputs."""

from typing import Any

import keras
from keras import ops

from toolkit.errors import ArgumentError
from toolkit.layers.arguments import Shape, Tensor, check_rank, check_rate
from toolkit.layers.cudnn_recurrence import cudnn_available
from toolkit.layers.recurrence import RecurrentCell, States, own_arguments, run
from toolkit.layers.shared_rows import Inputs, SharedRows, spread


class Recurrent(keras.layers.Layer):
    """Base of `SimpleRNN`, `LSTM` and `GRU`, which document the arguments; they set `cell`."""

    cell: RecurrentCell

    def __init__(
        self,
        dropout: float,
        return_sequences: bool,
        return_state: bool,
        go_backwards: bool,
        use_cudnn: bool,
        seed: int | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_rate(dropout=dropout)
        self.dropout = dropout
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.use_cudnn = use_cudnn
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed) if dropout else None
        self.supports_masking = True
        self.supports_jit = not (use_cudnn and cudnn_available())  # XLA has no cuDNN recurrence

    def build(self, inputs_shape: Shape, initial_state_shape: Any = None) -> None:
        """Builds the cell."""
        check_rank(3, inputs=inputs_shape)
        self.cell.build((inputs_shape[0], inputs_shape[2]))

    def call(
        self,
        inputs: Inputs,
        initial_state: Any = None,
        mask: Tensor | None = None,
        training: bool = False,
    ) -> Any:
        """Reads the sequence."""
        if training:
            inputs = spread(inputs)
        states = self.first_states(inputs, initial_state)
        if mask is None and initial_state is not None:
            # Keras hands on an implicit mask only to a call with one tensor.
            mask = getattr(inputs, "_keras_mask", None)
        if isinstance(mask, SharedRows):  # Keras's, a None for each of the inputs' parts
            mask = None
        if mask is not None:
            mask = ops.cast(mask, "bool")
        inputs = self.drop_inputs(inputs, training)
        hidden, states = run(
            self.cell, inputs, states, mask, self.go_backwards, training, self.use_cudnn
        )
        output = hidden if self.return_sequences else states[0]
        return (output, *states) if self.return_state else output

    def first_states(self, inputs: Inputs, initial_state: Any) -> States:
        """The states before the first step read."""
        if initial_state is None:
            steps = inputs.places if isinstance(inputs, SharedRows) else inputs
            return self.get_initial_state(ops.shape(steps)[0])
        states = tuple(keras.tree.flatten(initial_state))
        if len(states) != self.cell.num_states:
            raise ArgumentError(
                f"Expected {self.cell.num_states} states (batch, units). "
                f"Received: initial_state of {len(states)} tensors"
            )
        return tuple(ops.cast(state, self.compute_dtype) for state in states)

    def get_initial_state(self, batch_size: Any) -> States:
        """Zeros: one (batch, units) tensor for each state."""
        return self.cell.get_initial_state(batch_size)

    def drop_inputs(self, inputs: Tensor, training: bool) -> Tensor:
        """Drops the same features of all steps (Gal and Ghahramani 2016)."""
        if not training or self.seed_generator is None:
            return inputs
        batch, _, features = ops.shape(inputs)
        return keras.random.dropout(
            inputs, self.dropout, noise_shape=(batch, 1, features), seed=self.seed_generator
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments of `__init__`."""
        return {**super().get_config(), **own_arguments(self)}

    def compute_mask(self, inputs: Tensor, previous_mask: Tensor | None) -> Any:
        """The inputs' mask on outputs that have steps; none on states."""
        mask = previous_mask if self.return_sequences else None
        return (mask, *[None] * self.cell.num_states) if self.return_state else mask

    def compute_output_shape(self, inputs_shape: Shape, initial_state_shape: Any = None) -> Any:
        """The shape of what `call` returns."""
        state = (inputs_shape[0], self.cell.units)
        output = (*inputs_shape[:2], self.cell.units) if self.return_sequences else state
        return (output, *[state] * self.cell.num_states) if self.return_state else output
