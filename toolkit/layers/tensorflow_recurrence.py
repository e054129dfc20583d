"""The recurrent loop in TensorFlow, with a gradient of its own.

Differentiated by the framework, each step of the loop runs backward through its own small products.
Here the loop backward computes the gates' deltas only; the weights' gradients are then one large
product over all steps. Outside training the loop keeps the hidden states alone, and where a
gradient is asked for all the same, it runs once more. Measured against `keras.layers.LSTM` in
`benchmarks/RESULTS.md`; this is the one file of the recurrent layers that is not pure Keras.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import tensorflow as tf

from toolkit.layers.arguments import Tensor
from toolkit.layers.shared_rows import Inputs, SharedRows

if TYPE_CHECKING:
    from toolkit.layers.recurrence import RecurrentCell, States


class Run(NamedTuple):
    """What a run forward and backward needs beside the tensors it is differentiated by."""

    cell: RecurrentCell
    keep: Tensor | None  # (time, batch), False where the states are carried on
    places: Tensor | None  # (time, batch): the row of `projected` that a step is; None, its own
    reverse: bool
    training: bool  # keep at once what a gradient needs

    @property
    def after(self) -> int:
        """A history holds the states after step t at t + after, before it at t + 1 - after."""
        return 0 if self.reverse else 1

    def time(self, count: Tensor, length: Any) -> Tensor:
        """The step that is read as number `count`."""
        return length - 1 - count if self.reverse else count

    def length(self, projected: Tensor) -> Any:
        """The number of steps."""
        return length_of(projected if self.places is None else self.places)

    def step(self, projected: Tensor, t: Tensor) -> Tensor:
        """What step t reads, (batch, width)."""
        return projected[t] if self.places is None else tf.gather(projected, self.places[t])


def fused_loop(
    cell: RecurrentCell,
    inputs: Inputs,
    states: States,
    keep: Tensor | None,
    reverse: bool,
    training: bool,
) -> tuple[Tensor, States]:
    """Runs a cell that knows its `deltas`; time first.

    Args:
        cell: gives its weights, `activate` and `deltas`.
        inputs: (time, batch, features), or rows and the places (time, batch) where they are read.
        states: before the first step, each (batch, units).
        keep: (time, batch) False where the states are carried on, or None.
        reverse: read from the last step to the first.
        training: whether a gradient is to be expected; without, it costs a second run.

    Returns:
        The hidden states (time, batch, units) and the states after the last step read.
    """
    # Only tensors may enter: a variable that a custom gradient captures fails in eager mode.
    kernel, *weights = (tf.convert_to_tensor(w) for w in cell.loop_weights() if w is not None)
    if isinstance(inputs, SharedRows):
        projected, places = tf.matmul(inputs.rows, kernel), inputs.places
    else:
        projected, places = project(inputs, kernel), None
    run = Run(cell, keep, places, reverse, training)
    hidden, *last = differentiable(run)(projected, *weights, *states)
    return hidden, tuple(last)


def distinct(ids: Tensor) -> tuple[Tensor, Tensor]:
    """Each id once (count,), and for each of `ids` its number among them, in their shape."""
    once, places = tf.unique(tf.reshape(ids, (-1,)))
    return once, tf.reshape(places, tf.shape(ids))


def plain_loop(
    step: Callable[[States, tuple[Tensor, ...]], States],
    rows: tuple[Tensor, ...],
    states: States,
    reverse: bool,
) -> tuple[Tensor, States]:
    """Runs any step, differentiated by TensorFlow.

    Args:
        step: from the states and one step of each of `rows` to the new states.
        rows: each (time, batch, ...).
        states: before the first step.
        reverse: read from the last step to the first.

    Returns:
        The hidden states (time, batch, units) and the states after the last step read.
    """
    length = length_of(rows[0])
    arrays = [empty(length, row[0]).unstack(row) for row in rows]

    def body(count: Tensor, states: States, hidden: Any) -> Any:
        t = length - 1 - count if reverse else count
        states = step(states, tuple(array.read(t) for array in arrays))
        return count + 1, states, hidden.write(t, states[0])

    _, states, hidden = repeat(length, body, (0, states, empty(length, states[0])))
    return hidden.stack(), states


def project(inputs: Tensor, kernel: Tensor) -> Tensor:
    """One matrix product for all steps."""
    shape = tf.shape(inputs)
    rows = tf.matmul(tf.reshape(inputs, (-1, inputs.shape[-1])), kernel)
    projected = tf.reshape(rows, (shape[0], shape[1], kernel.shape[-1]))
    return tf.ensure_shape(projected, (*inputs.shape[:2], kernel.shape[-1]))


def differentiable(run: Run) -> Any:
    """The run as a function of the projected inputs, the other weights and the first states."""

    @tf.custom_gradient
    def loop(projected: Tensor, *given: Tensor) -> Any:
        split = len(given) - run.cell.num_states
        weights, states = given[:split], given[split:]
        length = run.length(projected)
        kept = forward(run, projected, weights, states) if run.training else None
        if kept is None:
            hidden, last = answer(run, projected, weights, states)
        else:
            hidden = kept[0][0][run.after :][:length]
            last = tuple(history[0 if run.reverse else -1] for history in kept[0])

        def gradient(by_hidden: Tensor, *by_last: Tensor) -> list[Tensor]:
            histories, saved = kept or forward(run, projected, weights, states)
            by_projected, by_recurred, by_first = backward(
                run, weights[0], saved, histories, by_hidden, by_last
            )
            before = histories[0][1 - run.after :][:length]
            by_weights = weight_gradients(before, by_projected, by_recurred)
            if run.places is not None:
                rows = tf.shape(projected)[0]
                by_projected = tf.math.unsorted_segment_sum(by_projected, run.places, rows)
            return [by_projected, *by_weights[:split], *by_first]

        return (hidden, *last), gradient

    return loop


def answer(
    run: Run, projected: Tensor, weights: tuple[Tensor, ...], states: States
) -> tuple[Tensor, States]:
    """The hidden states (time, batch, units) and the last states, nothing else kept."""
    length = run.length(projected)

    def body(count: Tensor, states: States, hidden: Any) -> Any:
        t = run.time(count, length)
        new, _ = advance(run, t, projected, weights, states)
        return count + 1, new, hidden.write(t, new[0])

    _, last, hidden = repeat(length, body, (0, tuple(states), empty(length, states[0])))
    return hidden.stack(), last


def forward(
    run: Run, projected: Tensor, weights: tuple[Tensor, ...], states: States
) -> tuple[list[Tensor], list[Tensor]]:
    """All states, the first ones among them (time + 1, batch, units), and what steps saved."""
    length = run.length(projected)
    histories = [
        empty(length + 1, state).write(length * (1 - run.after), state) for state in states
    ]
    units = states[0].shape[-1]
    saved = [empty(length, states[0], many * units) for many in run.cell.saved_units]

    def body(count: Tensor, states: States, histories: Any, saved: Any) -> Any:
        t = run.time(count, length)
        new, save = advance(run, t, projected, weights, states)
        histories = written(histories, t + run.after, new)
        return count + 1, new, histories, written(saved, t, save)

    _, _, histories, saved = repeat(length, body, (0, tuple(states), histories, saved))
    return [history.stack() for history in histories], [array.stack() for array in saved]


def advance(
    run: Run, t: Tensor, projected: Tensor, weights: tuple[Tensor, ...], states: States
) -> tuple[States, States]:
    """Step t: the states after it and what `deltas` needs to know of it."""
    kernel, bias, *recurrent_bias = weights
    recurred = tf.matmul(states[0], kernel)
    if recurrent_bias:
        recurred = tf.nn.bias_add(recurred, *recurrent_bias)
    # The bias joins the inputs, step by step in the cache: beside the product TensorFlow's
    # optimiser fuses it, and the fused product was half as slow again.
    new, save = run.cell.activate(run.step(projected, t) + bias, recurred, states)
    return (new if run.keep is None else choose(run.keep[t], new, states)), save


def backward(
    run: Run,
    kernel: Tensor,
    saved: list[Tensor],
    histories: list[Tensor],
    by_hidden: Tensor,
    by_last: States,
) -> tuple[Tensor, Tensor, States]:
    """Gradients by each step's projected inputs and recurrent product, and by the first states."""
    length, cell, keep = length_of(by_hidden), run.cell, run.keep
    transposed = tf.transpose(kernel)
    kinds = 1 if cell.one_delta else 2
    deltas = [empty(length, by_hidden[0], kernel.shape[-1]) for _ in range(kinds)]

    def body(count: Tensor, by_states: States, deltas: Any) -> Any:
        t = run.time(length - 1 - count, length)
        by_states = (by_states[0] + by_hidden[t], *by_states[1:])
        before = tuple(history[t + 1 - run.after] for history in histories)
        after = tuple(history[t + run.after] for history in histories)
        *steps, by_old = cell.deltas(tuple(values[t] for values in saved), before, after, by_states)
        steps = steps[:kinds]
        if keep is not None:
            # a plain 0: TensorFlow spreads `zeros_like` over threads, and then waits for them
            counts = keep[t][:, None]
            steps = [tf.where(counts, step, tf.zeros((), step.dtype)) for step in steps]
        through = tf.matmul(steps[-1], transposed)
        by_old = (through if by_old[0] is None else by_old[0] + through, *by_old[1:])
        if keep is not None:
            by_old = choose(keep[t], by_old, by_states)
        return count + 1, by_old, written(deltas, t, steps)

    _, by_first, deltas = repeat(length, body, (0, tuple(by_last), deltas))
    stacked = [array.stack() for array in deltas]
    return stacked[0], stacked[-1], by_first


def written(arrays: list[Any], index: Tensor, values: Any) -> list[Any]:
    """The arrays with a value more in each."""
    return [array.write(index, value) for array, value in zip(arrays, values, strict=True)]


def repeat(length: Any, body: Any, start: Any) -> Any:
    """Runs the body, whose first value counts, as often as there are steps."""
    return tf.while_loop(lambda count, *_: count < length, body, start, maximum_iterations=length)


def weight_gradients(hidden: Tensor, by_projected: Tensor, by_recurred: Tensor) -> list[Tensor]:
    """By the recurrent kernel, the bias and the recurrent bias, over all steps at once."""
    hidden, by_projected, by_recurred = (
        tf.reshape(values, (-1, values.shape[-1])) for values in (hidden, by_projected, by_recurred)
    )
    by_kernel = tf.matmul(hidden, by_recurred, transpose_a=True)
    return [by_kernel, column_sums(by_projected), column_sums(by_recurred)]


def column_sums(values: Tensor) -> Tensor:
    """Sums over the rows, as a product with ones: outside XLA twice as fast as `reduce_sum`."""
    return tf.matmul(tf.ones_like(values[:, :1]), values, transpose_a=True)[0]


def tanh_gradient(output: Tensor, by_output: Tensor) -> Tensor:
    """By the argument of a tanh that gave this output, in one operation."""
    return tf.raw_ops.TanhGrad(y=output, dy=by_output)


def sigmoid_gradient(output: Tensor, by_output: Tensor) -> Tensor:
    """By the argument of a sigmoid that gave this output, in one operation."""
    return tf.raw_ops.SigmoidGrad(y=output, dy=by_output)


def choose(keep: Tensor, new: States, old: States) -> States:
    """The rows of the new values where the step counts, of the old ones where it is masked.

    `tf.where` would spread the mask over the units: three to ten times the time of copying rows.
    """
    return tuple(tf.raw_ops.Select(condition=keep, x=a, y=b) for a, b in zip(new, old, strict=True))


def length_of(values: Tensor) -> Any:
    """The number of steps: a plain number where it is known, which keeps shapes known."""
    return tf.shape(values)[0] if values.shape[0] is None else values.shape[0]


def empty(length: Any, like: Tensor, width: int | None = None) -> Any:
    """An array for tensors like this one, or of another width."""
    shape = (*like.shape[:-1], width or like.shape[-1])
    return tf.TensorArray(like.dtype, size=length, element_shape=shape, clear_after_read=False)
