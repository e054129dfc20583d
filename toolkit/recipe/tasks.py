"""Finding a task's options by its name: the folders of ``toolkit.tasks``, or a dotted module."""

import importlib
import importlib.util
import pkgutil

from toolkit.errors import RecipeError
from toolkit.recipe.options import TaskOptions
from toolkit.recipe.problems import did_you_mean, listed


def task_names() -> list[str]:
    """The names of the toolkit's own tasks, found without importing any."""
    spec = importlib.util.find_spec("toolkit.tasks")
    folders = spec.submodule_search_locations if spec else None
    return sorted(each.name for each in pkgutil.iter_modules(folders or []) if each.ispkg)


def find_options(name: str) -> type[TaskOptions]:
    """The options class of a task.

    Args:
        name: one of ``task_names()``, or another package's dotted module, whose ``options`` holds
            the class ``Options``.

    Raises:
        RecipeError: when there is no such task.
    """
    if "." not in name and name not in task_names():
        names = task_names()
        hint = did_you_mean(name, names) or f" Expected {listed(names) or 'a dotted module'}."
        raise RecipeError(f"unknown task.{hint} Received: {name!r}.")
    module = f"{name if '.' in name else f'toolkit.tasks.{name}'}.options"
    try:
        found = getattr(importlib.import_module(module), "Options", None)
    except ModuleNotFoundError as error:
        if not f"{module}.".startswith(f"{error.name}."):
            raise
        raise RecipeError(f"no module {error.name!r}. Received: {name!r}.") from None
    if not (isinstance(found, type) and issubclass(found, TaskOptions)):
        message = f"{module} has no class Options made from TaskOptions. Received: {name!r}."
        raise RecipeError(message)
    return found
