"""What every recurrent cell shares: one step, and the run over a whole sequence.

A cell's step is split where speed asks for it. `project` meets the inputs and is done for all
steps in one product; `recur` is the one product that has to wait for the previous step; `step` is
the cell's equations on the two. A cell that knows its own gradient (`activate` and `deltas`) runs
in the fused loop of `tensorflow_recurrence`; any other cell runs through `keras.ops.scan`.
"""

import inspect
from typing import Any, NamedTuple

import keras
from keras import ops

from toolkit.layers.arguments import Shape, Tensor, check_positive, check_rank, check_rate
from toolkit.layers.cudnn_recurrence import cudnn_available, run_cudnn
from toolkit.layers.shared_rows import Inputs, spread, time_first

States = tuple[Tensor, ...]


class LoopWeights(NamedTuple):
    """A cell's weights for the fused loop, each bias to be added to its product."""

    kernel: Tensor
    recurrent_kernel: Tensor
    bias: Tensor
    recurrent_bias: Tensor | None = None


class RecurrentCell(keras.layers.Layer):
    """Base of the cells: weights, one step, and the parts that a whole run is made of.

    Args:
        units: size of the hidden state.
        recurrent_dropout: rate at which units of the previous hidden state are dropped, one draw
            for all steps (Gal and Ghahramani 2016).
        seed: of the dropout.
    """

    num_states = 1
    num_gates = 1
    saved_units: tuple[int, ...] = (1,)  # widths of what `activate` saves for `deltas`, in units
    one_delta = True  # the deltas by `projected` and by `recurred` are the same
    cudnn_mode: str | None = None  # name of the same equations in cuDNN

    def __init__(
        self, units: int, recurrent_dropout: float = 0.0, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        check_positive(units=units)
        check_rate(recurrent_dropout=recurrent_dropout)
        self.units = units
        self.recurrent_dropout = recurrent_dropout
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed) if recurrent_dropout else None

    def build(self, inputs_shape: Shape, states_shape: Any = None) -> None:
        """Creates the weights, in the order and layout of the Keras cell of the same name."""
        check_rank(2, inputs=inputs_shape)
        width = self.num_gates * self.units
        self.kernel = self.add_weight(
            name="kernel", shape=(inputs_shape[-1], width), initializer="glorot_uniform"
        )
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel", shape=(self.units, width), initializer="orthogonal"
        )
        self.build_bias(width)

    def build_bias(self, width: int) -> None:
        """Creates the bias and what else the cell's variants need."""
        self.bias = self.add_weight(name="bias", shape=(width,), initializer="zeros")

    def project(self, inputs: Tensor) -> Tensor:
        """The inputs' part of the gates, for one step or for all: (..., num_gates * units)."""
        return ops.add(ops.matmul(inputs, self.kernel), self.bias)

    def recur(self, hidden: Tensor) -> Tensor:
        """The previous hidden state's part of the gates."""
        return ops.matmul(hidden, self.recurrent_kernel)

    def step(self, projected: Tensor, recurred: Tensor, states: States) -> States:
        """The cell's equations: the new states, the hidden one first."""
        return self.activate(projected, recurred, states)[0]

    def loop_weights(self) -> LoopWeights:
        """The weights as `activate` wants them."""
        return LoopWeights(self.kernel, self.recurrent_kernel, self.bias)

    def activate(
        self, projected: Tensor, recurred: Tensor, states: States
    ) -> tuple[States, States]:
        """`step` in the fused loop, and what `deltas` needs to know of it."""
        raise NotImplementedError

    def deltas(
        self, saved: States, before: States, after: States, gradients: States
    ) -> tuple[Tensor, Tensor, States]:
        """The gradient of `activate` by `projected`, by `recurred` and by `states`.

        The last leaves out what flows through `recurred`; None stands for zeros.
        """
        raise NotImplementedError

    def cudnn_biases(self) -> tuple[Tensor, Tensor]:
        """The biases beside the input and beside the recurrent product, as cuDNN has them."""
        raise NotImplementedError

    def has_deltas(self) -> bool:
        """Whether `deltas` covers this cell's variant."""
        return not self.recurrent_dropout

    def call(self, inputs: Tensor, states: States, training: bool = False) -> tuple[Tensor, States]:
        """One step: (batch, features) and the states to (batch, units) and the new states."""
        hidden = drop(states[0], self.noise(states[0], training))
        states = self.step(self.project(inputs), self.recur(hidden), tuple(states))
        return states[0], states

    def noise(self, hidden: Tensor, training: bool) -> Tensor | None:
        """Zeros and 1 / (1 - rate) to multiply the hidden state with."""
        if not training or self.seed_generator is None:
            return None
        ones = ops.ones_like(hidden)
        return keras.random.dropout(ones, self.recurrent_dropout, seed=self.seed_generator)

    def compute_output_shape(self, inputs_shape: Shape, states_shape: Any = None) -> Any:
        """The output's shape and the states' shapes."""
        shape = (inputs_shape[0], self.units)
        return shape, (shape,) * self.num_states

    def get_config(self) -> dict[str, Any]:
        """The arguments of `__init__`."""
        return {**super().get_config(), **own_arguments(self)}

    def get_initial_state(self, batch_size: Any) -> States:
        """Zeros: one (batch, units) tensor for each state."""
        return tuple(
            ops.zeros((batch_size, self.units), dtype=self.compute_dtype)
            for _ in range(self.num_states)
        )


def own_arguments(layer: keras.layers.Layer) -> dict[str, Any]:
    """The arguments of a layer's `__init__`, each kept under its own name.

    Keras records them by itself, but not where `dtype` is a policy, as in the layer of a layer.
    """
    names = set(inspect.signature(type(layer).__init__).parameters) - {"self", "kwargs"}
    return {name: getattr(layer, name) for name in sorted(names)}


def drop(hidden: Tensor, noise: Tensor | None) -> Tensor:
    """The hidden state under dropout noise, where there is any."""
    return hidden if noise is None else ops.multiply(hidden, noise)


def run(
    cell: RecurrentCell,
    inputs: Inputs,
    states: States,
    mask: Tensor | None,
    reverse: bool,
    training: bool,
    use_cudnn: bool,
) -> tuple[Tensor, States]:
    """The cell over a sequence.

    Args:
        cell: a built cell.
        inputs: (batch, time, features), or the rows that they are.
        states: before the first step.
        mask: (batch, time); a step that is False carries the states on.
        reverse: read from the last step to the first; outputs stay at the step they belong to.
        training: whether dropout applies.
        use_cudnn: whether cuDNN may do the work.

    Returns:
        The hidden states (batch, time, units) and the states after the last step read.
    """
    if use_cudnn and cell.cudnn_mode and cell.has_deltas() and cudnn_available():
        return run_cudnn(cell, spread(inputs), states, mask, reverse, training)
    return run_loop(cell, inputs, states, mask, reverse, training)


def run_loop(
    cell: RecurrentCell,
    inputs: Inputs,
    states: States,
    mask: Tensor | None,
    reverse: bool,
    training: bool = False,
) -> tuple[Tensor, States]:
    """`run` without cuDNN."""
    keep = None if mask is None else ops.transpose(mask)
    if cell.has_deltas() and keras.backend.backend() == "tensorflow":
        from toolkit.layers.tensorflow_recurrence import fused_loop

        hidden, states = fused_loop(cell, time_first(inputs), states, keep, reverse, training)
    else:
        noise = cell.noise(states[0], training)
        keep = None if keep is None else ops.expand_dims(keep, -1)
        projected = cell.project(time_first(spread(inputs)))
        hidden, states = scan(cell, projected, states, keep, reverse, noise)
    return ops.transpose(hidden, (1, 0, 2)), states


def scan(
    cell: RecurrentCell,
    projected: Tensor,
    states: States,
    keep: Tensor | None,
    reverse: bool,
    noise: Tensor | None = None,
) -> tuple[Tensor, States]:
    """The loop for any cell and backend, differentiated by the backend; time first."""

    def step(states: States, row: tuple[Tensor, ...]) -> States:
        after = cell.step(row[0], cell.recur(drop(states[0], noise)), states)
        return after if keep is None else choose(row[1], after, states)

    rows = (projected,) if keep is None else (projected, keep)
    if keras.backend.backend() == "tensorflow":
        # `ops.scan` gives TensorFlow no upper bound, without which XLA has no gradient of a loop.
        from toolkit.layers.tensorflow_recurrence import plain_loop

        return plain_loop(step, rows, tuple(states), reverse)

    def scanned(states: States, row: tuple[Tensor, ...]) -> tuple[States, Tensor]:
        after = step(states, row)
        return after, after[0]

    states, hidden = ops.scan(scanned, tuple(states), rows, reverse=reverse)
    return hidden, states


def parts(values: Tensor, count: int) -> list[Tensor]:
    """Equal parts of the last axis.

    `ops.split` into four or more wakes TensorFlow's other threads, which costs more than it saves.
    """
    width = values.shape[-1] // count
    return [values[:, number * width : (number + 1) * width] for number in range(count)]


def choose(keep: Tensor, new: States, old: States) -> States:
    """The new states where the step counts, the old ones where it is masked."""
    return tuple(ops.where(keep, a, b) for a, b in zip(new, old, strict=True))
