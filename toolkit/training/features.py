"""Training on the features of a frozen stage, which are worked out once."""

from __future__ import annotations

import json
from typing import Any

import keras

from toolkit.data.examples import Examples
from toolkit.data.features import network_digest
from toolkit.tasks.base import Task


def featured(
    task: Task[Any], model: keras.Model, train: Examples, validation: Examples | None
) -> tuple[keras.Model, Examples, Examples | None]:
    """Let a model's frozen stage answer all examples once, where it has one.

    Args:
        task: says what is frozen.
        model: built.
        train: what to learn from.
        validation: what to choose by, if anything.

    Returns:
        What is to be trained, the model itself or the rest of it, and what it learns from and is
        scored on.
    """
    stage = task.frozen_stage(model)
    if stage is None:
        return model, train, validation
    description = json.dumps(stage.first.get_config(), sort_keys=True, default=str)
    digest = network_digest(description, stage.first.get_weights())
    held = None if validation is None else task.through(stage, digest, validation)
    return stage.rest, task.through(stage, digest, train), held
