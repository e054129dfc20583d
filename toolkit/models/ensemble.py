"""Models side by side."""

from collections.abc import Sequence

import keras

APART = 10_000  # seeds of one member and of the next


def ensemble(members: Sequence[keras.Model], name: str = "ensemble") -> keras.Model:
    """Put models side by side: ``(batch, all members, classes)`` logits of the same inputs.

    One alone stays as it is.
    """
    if len(members) == 1:
        return members[0]
    inputs = {
        name: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=name)
        for member in members
        for name, tensor in member.input.items()
    }
    logits = [member({name: inputs[name] for name in member.input}) for member in members]
    return keras.Model(inputs, keras.layers.Concatenate(axis=1)(logits), name=name)
