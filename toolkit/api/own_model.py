"""A Keras model of the user's own in place of the task's."""

from __future__ import annotations

from typing import Any

import keras

from toolkit.data.batches import BatchPlan
from toolkit.data.examples import Examples
from toolkit.data.pipeline import make_dataset
from toolkit.errors import ArgumentError
from toolkit.tasks.base import Task


def check_own_model(task: Task[Any], model: keras.Model, examples: Examples) -> None:
    """See that a model takes the task's inputs and gives outputs that the task can learn from.

    Args:
        task: prepared.
        model: the user's.
        examples: of the training split.

    Raises:
        ArgumentError: it does not fit; says what would.
    """
    plan = BatchPlan(examples.lengths, batch_size=min(2, len(examples)), shuffle=False)
    inputs, targets, weights, _ = next(iter(make_dataset(examples, plan, steps=1)))
    expected = _shapes(task.build_model()(inputs, training=False))
    listed = ", ".join(f"{name} {tuple(value.shape)}" for name, value in inputs.items())
    try:
        outputs = model(inputs, training=False)
    except Exception as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ArgumentError(
            f"model: does not take the task's inputs. Expected a model of a mapping with {listed}. "
            f"Received: {first}"
        ) from error
    if _shapes(outputs) != expected:
        raise ArgumentError(
            f"model: its outputs do not fit the task. Expected shape {_written(expected)} for a "
            f"batch of {int(weights.shape[0])}. Received: {_written(_shapes(outputs))}."
        )
    task.loss(outputs, targets, weights)
    task.check_own_model(model)


def is_model(value: Any) -> bool:
    """Whether ``value`` is a Keras model, found without importing Keras."""
    return any(each.__module__.split(".")[0] == "keras" for each in type(value).__mro__)


def _shapes(outputs: Any) -> Any:
    return keras.tree.map_structure(lambda value: tuple(value.shape), outputs)


def _written(shapes: Any) -> str:
    return str(shapes)
