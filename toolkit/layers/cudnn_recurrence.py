"""cuDNN's LSTM and GRU behind the same weights.

Written from cuDNN's layout of parameters and checked as far as a machine without a GPU can check
it: the packing of the weights and the traced graph. NOT RUN ON A GPU; tests marked `gpu` compare
it with the plain loop where there is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import ops

from toolkit.layers.arguments import Tensor

if TYPE_CHECKING:
    from toolkit.layers.recurrence import RecurrentCell, States


def cudnn_available() -> bool:
    """Whether TensorFlow is the backend and sees a GPU."""
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return bool(tf.config.list_logical_devices("GPU"))


def pack(cell: RecurrentCell) -> Tensor:
    """All weights as cuDNN's one vector: input kernels, recurrent kernels, two sets of biases.

    cuDNN stores each gate's kernel transposed. It has the gates of an LSTM in Keras's order; of a
    GRU it has the reset gate before the update gate.
    """
    order = (1, 0, 2) if cell.cudnn_mode == "gru" else range(cell.num_gates)

    def gates(weights: Tensor) -> list[Tensor]:
        parts = ops.split(weights, cell.num_gates, axis=-1)
        return [ops.reshape(ops.transpose(parts[gate]), (-1,)) for gate in order]

    kernel = ops.convert_to_tensor(cell.kernel)
    recurrent_kernel = ops.convert_to_tensor(cell.recurrent_kernel)
    parts = [*gates(kernel), *gates(recurrent_kernel)]
    for bias in cell.cudnn_biases():
        parts += gates(bias)
    return ops.concatenate(parts)


def run_cudnn(
    cell: RecurrentCell,
    inputs: Tensor,
    states: States,
    mask: Tensor | None,
    reverse: bool,
    training: bool = False,
) -> tuple[Tensor, States]:
    """`recurrence.run` by cuDNN; masks that it cannot take go through the plain loop.

    cuDNN wants right padding and no row without a step. Not run on a GPU, see above.
    """
    import tensorflow as tf

    from toolkit.layers.recurrence import run_loop

    batch, length = ops.shape(inputs)[0], ops.shape(inputs)[1]
    if mask is None:
        return kernel_call(cell, inputs, states, ops.full((batch,), length, dtype="int32"), reverse)
    lengths = ops.sum(ops.cast(mask, "int32"), axis=1)
    right_padded = ops.all(ops.equal(mask, tf.sequence_mask(lengths, length)))
    fits = ops.logical_and(right_padded, ops.all(lengths > 0))
    return tf.cond(  # type: ignore[no-any-return]
        fits,
        lambda: kernel_call(cell, inputs, states, lengths, reverse),
        lambda: run_loop(cell, inputs, states, mask, reverse, training),
    )


def kernel_call(
    cell: RecurrentCell, inputs: Tensor, states: States, lengths: Tensor, reverse: bool
) -> tuple[Tensor, States]:
    """One call of the kernel, each row of the length given; not run on a GPU, see above."""
    import tensorflow as tf

    def turned(values: Tensor) -> Tensor:
        return tf.reverse_sequence(values, lengths, seq_axis=1, batch_axis=0)

    first = [tf.expand_dims(state, 1) for state in states]
    hidden, *last, _, _ = tf.raw_ops.CudnnRNNV3(
        input=turned(inputs) if reverse else inputs,
        input_h=first[0],
        input_c=first[1] if len(first) > 1 else tf.zeros((), inputs.dtype),
        params=pack(cell),
        sequence_lengths=lengths,
        rnn_mode=cell.cudnn_mode,
        is_training=True,
        time_major=False,
    )
    last = tuple(tf.squeeze(state, 1) for state in last[: len(first)])
    hidden = turned(hidden) if reverse else hidden
    # cuDNN leaves zeros in the padding; the plain loop carries the state it has there.
    carried = states[0] if reverse else last[0]
    inside = tf.sequence_mask(lengths, tf.shape(inputs)[1])[:, :, None]
    return tf.where(inside, hidden, carried[:, None]), last
