"""Inputs of a recurrence whose steps share their vectors."""

from typing import NamedTuple

from keras import ops

from toolkit.layers.arguments import Tensor


class SharedRows(NamedTuple):
    """Inputs (batch, time, features) whose steps are rows of a table, many of them the same row.

    A recurrent layer that is not trained meets each row once with its input weights, where it would
    meet each step.
    """

    rows: Tensor  # (count, features)
    places: Tensor  # integers (batch, time): the row of each step


Inputs = Tensor | SharedRows


def spread(inputs: Inputs) -> Tensor:
    """The inputs as (batch, time, features)."""
    if isinstance(inputs, SharedRows):
        return ops.take(inputs.rows, inputs.places, axis=0)
    return inputs


def time_first(inputs: Inputs) -> Inputs:
    """The same, each step one block of memory; the inputs are the smaller side to transpose."""
    if isinstance(inputs, SharedRows):
        return inputs._replace(places=ops.transpose(inputs.places))
    return ops.transpose(inputs, (1, 0, 2))
