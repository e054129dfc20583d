"""Sequence data to a trained, evaluated, served Keras model, by a ten-line recipe.

The names below are loaded from :mod:`toolkit.api` when they are first used, so that importing the
package costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolkit.api import (
        Run,
        cache,
        check,
        copy_recipe,
        evaluate,
        export,
        fit,
        launch,
        list_recipes,
        list_tasks,
        load_run,
        predict,
        prepare,
        schema,
        show,
        verify,
    )

__version__ = "0.1.0"

__all__ = [
    "Run",
    "cache",
    "check",
    "copy_recipe",
    "evaluate",
    "export",
    "fit",
    "launch",
    "list_recipes",
    "list_tasks",
    "load_run",
    "predict",
    "prepare",
    "schema",
    "show",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'toolkit' has no attribute {name!r}")
    return getattr(importlib.import_module("toolkit.api"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
