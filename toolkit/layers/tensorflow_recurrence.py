"""The recurrent loop in TensorFlow, with a gradient of its own.

Differentiated by the framework, each step of the loop runs backward through its own small products.
Here the loop backward computes the gates' deltas only; the weights' gradients are then one large
product over all steps. Measured against `keras.layers.LSTM` in `benchmarks/RESULTS.md`; this is the
one file of the recurrent layers that is not pure Keras.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import tensorflow as tf

from toolkit.layers.arguments import Tensor

if TYPE_CHECKING:
    from toolkit.layers.recurrence import RecurrentCell, States


class Run(NamedTuple):
    """What a run forward and backward needs beside the tensors it is differentiated by."""

    cell: RecurrentCell
    keep: Tensor | None  # (time, batch, 1), False where the states are carried on
    reverse: bool

    @property
    def after(self) -> int:
        """A history holds the states after step t at t + after, before it at t + 1 - after."""
        return 0 if self.reverse else 1

    def time(self, count: Tensor, length: Any) -> Tensor:
        """The step that is read as number `count`."""
        return length - 1 - count if self.reverse else count


def fused_loop(
    cell: RecurrentCell, inputs: Tensor, states: States, keep: Tensor | None, reverse: bool
) -> tuple[Tensor, States]:
    """Runs a cell that knows its `deltas`; time first.

    Args:
        cell: gives its weights, `activate` and `deltas`.
        inputs: (time, batch, features).
        states: before the first step, each (batch, units).
        keep: (time, batch, 1) False where the states are carried on, or None.
        reverse: read from the last step to the first.

    Returns:
        The hidden states (time, batch, units) and the states after the last step read.
    """
    weights = cell.loop_weights()
    projected = project(inputs, weights.kernel, weights.bias)
    # Only tensors may enter: a variable that a custom gradient captures fails in eager mode.
    kernel, bias = map(tf.convert_to_tensor, (weights.recurrent_kernel, weights.recurrent_bias))
    hidden, *last = differentiable(Run(cell, keep, reverse))(projected, kernel, bias, *states)
    return hidden, tuple(last)


def project(inputs: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
    """One matrix product for all steps."""
    shape = tf.shape(inputs)
    rows = tf.matmul(tf.reshape(inputs, (-1, inputs.shape[-1])), kernel)
    rows = rows if bias is None else tf.nn.bias_add(rows, bias)
    projected = tf.reshape(rows, (shape[0], shape[1], kernel.shape[-1]))
    return tf.ensure_shape(projected, (*inputs.shape[:2], kernel.shape[-1]))


def differentiable(run: Run) -> Any:
    """The run as a function of its projected inputs, recurrent weights and first states."""

    @tf.custom_gradient
    def loop(projected: Tensor, kernel: Tensor, bias: Tensor, *states: Tensor) -> Any:
        histories, saved = forward(run, projected, kernel, bias, states)
        hidden = histories[0][run.after :][: length_of(projected)]
        before = histories[0][1 - run.after :][: length_of(projected)]
        last = [history[0 if run.reverse else -1] for history in histories]

        def gradient(by_hidden: Tensor, *by_last: Tensor) -> list[Tensor]:
            by_projected, by_recurred, by_first = backward(
                run, kernel, saved, histories, by_hidden, by_last
            )
            return [by_projected, *weight_gradients(before, by_recurred), *by_first]

        return (hidden, *last), gradient

    return loop


def forward(
    run: Run, projected: Tensor, kernel: Tensor, bias: Tensor, states: States
) -> tuple[list[Tensor], Tensor]:
    """All states, the first ones among them (time + 1, batch, units), and what steps saved."""
    length = length_of(projected)
    rows, masks = unstacked(projected), unstacked(run.keep)
    histories = [
        empty(length + 1, state).write(length * (1 - run.after), state) for state in states
    ]
    saved = saved_array(run.cell, projected)

    def body(count: Tensor, states: States, histories: Any, saved: Any) -> Any:
        t = run.time(count, length)
        recurred = tf.nn.bias_add(tf.matmul(states[0], kernel), bias)
        new, save = run.cell.activate(rows.read(t), recurred, states)
        if masks is not None:
            new = choose(masks.read(t), new, states)
        histories = [h.write(t + run.after, s) for h, s in zip(histories, new, strict=True)]
        return count + 1, new, histories, saved.write(t, save)

    start = (0, tuple(states), histories, saved)
    _, _, histories, saved = loop(length, body, start)
    return [history.stack() for history in histories], saved.stack()


def backward(
    run: Run,
    kernel: Tensor,
    saved: Tensor,
    histories: list[Tensor],
    by_hidden: Tensor,
    by_last: States,
) -> tuple[Tensor, Tensor, States]:
    """Gradients by each step's projected inputs and recurrent product, and by the first states."""
    length, cell = length_of(saved), run.cell
    rows, outputs, masks = unstacked(saved), unstacked(by_hidden), unstacked(run.keep)
    states = [unstacked(history) for history in histories]
    transposed = tf.transpose(kernel)
    shared = cell.num_saved == cell.num_gates
    deltas = delta_arrays(shared, saved, kernel)

    def body(count: Tensor, by_states: States, deltas: Any) -> Any:
        t = run.time(length - 1 - count, length)
        by_states = (by_states[0] + outputs.read(t), *by_states[1:])
        before = tuple(state.read(t + 1 - run.after) for state in states)
        after = tuple(state.read(t + run.after) for state in states)
        *steps, by_old = cell.deltas(rows.read(t), before, after, by_states)
        if masks is not None:
            steps = [tf.where(masks.read(t), step, tf.zeros_like(step)) for step in steps]
        through = tf.matmul(steps[1], transposed)
        by_old = (through if by_old[0] is None else by_old[0] + through, *by_old[1:])
        if masks is not None:
            by_old = choose(masks.read(t), by_old, by_states)
        deltas = [array.write(t, step) for array, step in zip(deltas, steps, strict=False)]
        return count + 1, by_old, deltas

    _, by_first, deltas = loop(length, body, (0, tuple(by_last), deltas))
    stacked = [array.stack() for array in deltas]
    return stacked[0], stacked[-1], by_first


def loop(length: Any, body: Any, start: Any) -> Any:
    """Counts the body's runs up to the length."""
    return tf.while_loop(lambda count, *_: count < length, body, start, maximum_iterations=length)


def weight_gradients(hidden: Tensor, by_recurred: Tensor) -> list[Tensor]:
    """By the recurrent kernel and by its bias, over all steps at once."""
    rows = tf.reshape(by_recurred, (-1, by_recurred.shape[-1]))
    hidden = tf.reshape(hidden, (-1, hidden.shape[-1]))
    return [tf.matmul(hidden, rows, transpose_a=True), tf.reduce_sum(rows, 0)]


def tanh_gradient(output: Tensor, by_output: Tensor) -> Tensor:
    """By the argument of a tanh that gave this output, in one operation."""
    return tf.raw_ops.TanhGrad(y=output, dy=by_output)


def sigmoid_gradient(output: Tensor, by_output: Tensor) -> Tensor:
    """By the argument of a sigmoid that gave this output, in one operation."""
    return tf.raw_ops.SigmoidGrad(y=output, dy=by_output)


def choose(keep: Tensor, new: States, old: States) -> States:
    """The new values where the step counts, the old ones where it is masked."""
    return tuple(tf.where(keep, a, b) for a, b in zip(new, old, strict=True))


def length_of(values: Tensor) -> Any:
    """The number of steps: a plain number where it is known, which keeps shapes known."""
    return tf.shape(values)[0] if values.shape[0] is None else values.shape[0]


def empty(length: Any, like: Tensor, width: int | None = None) -> Any:
    """An array for tensors like this one, or of another width."""
    shape = (*like.shape[:-1], width or like.shape[-1])
    return tf.TensorArray(like.dtype, size=length, element_shape=shape, clear_after_read=False)


def unstacked(values: Tensor | None) -> Any:
    """An array of the steps of a tensor, or None."""
    if values is None:
        return None
    return empty(length_of(values), values[0]).unstack(values)


def saved_array(cell: RecurrentCell, projected: Tensor) -> Any:
    """An array for what the steps save.

    Where the widths agree it starts with the projected inputs in the places it overwrites, which
    spares XLA the filling of a large array with zeros.
    """
    if cell.num_saved == cell.num_gates:
        return unstacked(projected)
    return empty(length_of(projected), projected[0], cell.num_saved * cell.units)


def delta_arrays(shared: bool, saved: Tensor, kernel: Tensor) -> list[Any]:
    """An array for the deltas, which starts as in `saved_array`, or two where they differ."""
    if shared:
        return [unstacked(saved)]
    return [empty(length_of(saved), saved[0], kernel.shape[-1]) for _ in range(2)]
