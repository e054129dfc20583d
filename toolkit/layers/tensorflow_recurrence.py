"""The recurrent loop in TensorFlow, with a gradient of its own.

Differentiated by the framework, each step of the loop runs backward through its own small products.
Here the loop backward computes the gates' deltas only; the weights' gradients are then one large
product over all steps. Measured against `keras.layers.LSTM` in `benchmarks/RESULTS.md`; this is the
one file of the recurrent layers that is not pure Keras.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tensorflow as tf

from toolkit.layers.arguments import Tensor

if TYPE_CHECKING:
    from toolkit.layers.recurrence import RecurrentCell, States


def fused_loop(
    cell: RecurrentCell, projected: Tensor, states: States, keep: Tensor | None, reverse: bool
) -> tuple[Tensor, States]:
    """Runs a cell that knows its `deltas`; time first.

    Args:
        cell: gives `activate`, `deltas` and the recurrent weights.
        projected: (time, batch, gates) the inputs' part of the gates.
        states: before the first step, each (batch, units).
        keep: (time, batch, 1) False where the states are carried on, or None.
        reverse: read from the last step to the first.

    Returns:
        The hidden states (time, batch, units) and the states after the last step read.
    """
    # Only tensors may enter: a variable that a custom gradient captures fails in eager mode.
    weights = [tf.convert_to_tensor(cell.recurrent_kernel)]
    bias = cell.recurrent_bias()
    if bias is not None:
        weights.append(tf.convert_to_tensor(bias))
    count = len(weights)

    @tf.custom_gradient
    def run(projected: Tensor, *rest: Tensor) -> Any:
        weights, states = rest[:count], rest[count:]
        histories, saved = forward(cell, projected, weights, states, keep, reverse)
        after = tuple(history[:-1] if reverse else history[1:] for history in histories)
        before = tuple(history[1:] if reverse else history[:-1] for history in histories)
        last = tuple(history[0 if reverse else -1] for history in histories)

        def gradient(by_hidden: Tensor, *by_last: Tensor) -> list[Tensor]:
            by_projected, by_recurred, by_states = backward(
                cell, weights[0], saved, before, after, (by_hidden, by_last), keep, reverse
            )
            by_weights = weight_gradients(before[0], by_recurred)[:count]
            return [by_projected, *by_weights, *by_states]

        return (after[0], *last), gradient

    hidden, *last = run(projected, *weights, *states)
    return hidden, tuple(last)


def forward(
    cell: RecurrentCell,
    projected: Tensor,
    weights: tuple[Tensor, ...],
    states: States,
    keep: Tensor | None,
    reverse: bool,
) -> tuple[tuple[Tensor, ...], Tensor]:
    """All states, the initial ones among them (time + 1, batch, units), and what steps saved."""
    length = length_of(projected)
    rows, masks = unstacked(projected), unstacked(keep)
    offset, start = (0, length) if reverse else (1, 0)
    histories = tuple(array_of(length + 1, s.shape, s.dtype).write(start, s) for s in states)
    width = cell.num_saved * cell.units
    saved = array_of(length, (projected.shape[1], width), projected.dtype)

    def body(count: Tensor, states: States, histories: Any, saved: Any) -> Any:
        t = length - 1 - count if reverse else count
        recurred = tf.matmul(states[0], weights[0])
        if len(weights) > 1:
            recurred = tf.nn.bias_add(recurred, weights[1])
        new, save = cell.activate(rows.read(t), recurred, states)
        if masks is not None:
            new = where(masks.read(t), new, states)
        histories = tuple(h.write(t + offset, s) for h, s in zip(histories, new, strict=True))
        return count + 1, new, histories, saved.write(t, save)

    _, _, histories, saved = tf.while_loop(
        lambda count, *_: count < length,
        body,
        (0, tuple(states), histories, saved),
        maximum_iterations=length,
    )
    return tuple(history.stack() for history in histories), saved.stack()


def backward(
    cell: RecurrentCell,
    kernel: Tensor,
    saved: Tensor,
    before: States,
    after: States,
    gradients: tuple[Tensor, States],
    keep: Tensor | None,
    reverse: bool,
) -> tuple[Tensor, Tensor, States]:
    """Gradients by each step's projected inputs and recurrent product, and by the first states."""
    by_hidden, by_last = gradients
    length = length_of(saved)
    transposed = tf.transpose(kernel)
    rows = [unstacked(saved), unstacked(by_hidden), *map(unstacked, (*before, *after))]
    masks = unstacked(keep)
    count_states = len(before)
    shape = (saved.shape[1], kernel.shape[1])
    deltas = [array_of(length, shape, saved.dtype) for _ in range(2)]

    def body(count: Tensor, by_states: States, by_projected: Any, by_recurred: Any) -> Any:
        t = count if reverse else length - 1 - count
        save, by_output, *states = [row.read(t) for row in rows]
        by_states = (by_states[0] + by_output, *by_states[1:])
        old, new = tuple(states[:count_states]), tuple(states[count_states:])
        by_row, by_product, by_old = cell.deltas(save, old, new, by_states)
        keep_row = None if masks is None else masks.read(t)
        if keep_row is not None:
            by_row, by_product = (
                where(keep_row, (d,), (tf.zeros_like(d),))[0] for d in (by_row, by_product)
            )
        through = tf.matmul(by_product, transposed)
        by_old = (through if by_old[0] is None else by_old[0] + through, *by_old[1:])
        if keep_row is not None:
            by_old = where(keep_row, by_old, by_states)
        return count + 1, by_old, by_projected.write(t, by_row), by_recurred.write(t, by_product)

    _, by_states, by_projected, by_recurred = tf.while_loop(
        lambda count, *_: count < length,
        body,
        (0, tuple(by_last), *deltas),
        maximum_iterations=length,
    )
    return by_projected.stack(), by_recurred.stack(), by_states


def weight_gradients(hidden: Tensor, by_recurred: Tensor) -> list[Tensor]:
    """By the recurrent kernel and by the recurrent bias, over all steps at once."""
    rows = tf.reshape(by_recurred, (-1, by_recurred.shape[-1]))
    hidden = tf.reshape(hidden, (-1, hidden.shape[-1]))
    return [tf.matmul(hidden, rows, transpose_a=True), tf.reduce_sum(rows, 0)]


def where(keep: Tensor, new: States, old: States) -> States:
    """The new values where the step counts, the old ones where it is masked."""
    return tuple(tf.where(keep, a, b) for a, b in zip(new, old, strict=True))


def length_of(values: Tensor) -> Any:
    """The number of steps: a plain number where it is known, which keeps shapes known."""
    return tf.shape(values)[0] if values.shape[0] is None else values.shape[0]


def array_of(length: Any, shape: Any, dtype: Any) -> Any:
    """An empty array of `length` tensors."""
    return tf.TensorArray(dtype, size=length, element_shape=shape, clear_after_read=False)


def unstacked(values: Tensor | None) -> Any:
    """An array of the steps of a tensor, or None."""
    if values is None:
        return None
    return array_of(length_of(values), values.shape[1:], values.dtype).unstack(values)
