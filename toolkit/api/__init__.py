"""What the command line and ``import toolkit`` hand out; each name is loaded when first used."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolkit.api.caching import cache
    from toolkit.api.evaluation import Evaluation
    from toolkit.api.fitting import Prepared, fit, prepare
    from toolkit.api.launching import launch
    from toolkit.api.recipes import check, schema, show
    from toolkit.api.run import Run, evaluate, export, load_run, predict
    from toolkit.serving.verify import verify
    from toolkit.shipped import copy_recipe, list_recipes, list_tasks

__all__ = [
    "Evaluation",
    "Prepared",
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

_HOMES = {
    "toolkit.api.caching": ("cache",),
    "toolkit.api.evaluation": ("Evaluation",),
    "toolkit.api.fitting": ("Prepared", "fit", "prepare"),
    "toolkit.api.launching": ("launch",),
    "toolkit.api.recipes": ("check", "schema", "show"),
    "toolkit.api.run": ("Run", "evaluate", "export", "load_run", "predict"),
    "toolkit.serving.verify": ("verify",),
    "toolkit.shipped": ("copy_recipe", "list_recipes", "list_tasks"),
}


def __getattr__(name: str) -> Any:
    home = next((home for home, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module 'toolkit.api' has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)
