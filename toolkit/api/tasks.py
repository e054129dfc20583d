"""From a recipe's options, or a run directory, to a task."""

from __future__ import annotations

import importlib
from typing import Any

from toolkit.errors import RecipeError
from toolkit.recipe import TaskOptions
from toolkit.tasks.base import Decision, Task
from toolkit.training.distribution import LANES
from toolkit.training.run_directory import RunDirectory


def make_task(options: TaskOptions) -> Task[Any]:
    """Construct the task of ``options``: the class in ``task.py`` beside their ``options.py``.

    Raises:
        RecipeError: there is none.
    """
    made: Task[Any] = _task_class(options)(options)
    return made


def lanes_of(options: TaskOptions) -> int:
    """Return into how many parts, computed side by side, a CPU cuts a batch of the task.

    Batch normalisation needs a batch as a whole; XLA's programs wait for each other.
    """
    whole = _task_class(options).whole_batches or options.train.compile == "xla"
    return 1 if whole else LANES


def _task_class(options: TaskOptions) -> type[Task[Any]]:
    name = type(options).__module__.removesuffix(".options") + ".task"
    for found in vars(importlib.import_module(name)).values():
        if isinstance(found, type) and getattr(found, "options_type", None) is type(options):
            return found
    raise RecipeError(f"{name}: no class with options_type {type(options).__name__}.")


def load_task(options: TaskOptions, directory: RunDirectory) -> Task[Any]:
    """Construct a task and read its fitted state and its decisions from a run.

    Raises:
        RunError: a file is missing or damaged.
    """
    task = make_task(options)
    task.load(directory.task)
    noted = directory.manifest().get("decisions", {})
    task.decisions = {name: Decision(**each) for name, each in noted.items()}
    return task
