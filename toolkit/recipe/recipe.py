"""A validated recipe: its options, where each value came from, and its plain form."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolkit.recipe.nodes import Node
from toolkit.recipe.options import TaskOptions
from toolkit.recipe.rendering import plain, show, to_yaml
from toolkit.recipe.section import Section


@dataclass(frozen=True)
class Recipe:
    """What ``load_recipe`` returns. Two recipes are equal when task and options are.

    Attributes:
        task_name: the task's name or dotted module.
        options: the validated options, with data paths absolute.
        tree: the values that were written, with their places.
        path: the recipe's file, or None for a Python mapping.
    """

    task_name: str
    options: TaskOptions
    tree: Node = field(repr=False, compare=False)
    path: Path | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """The file's name without its ending; the task's name for a mapping."""
        return self.path.stem if self.path is not None else self.task_name.rpartition(".")[2]

    @property
    def base_directory(self) -> Path:
        """The folder at which the recipe's own relative paths start."""
        return self.path.parent.absolute() if self.path is not None else Path.cwd()

    def origin(self, path: str) -> str:
        """Where a dotted key was written: ``file:line``, ``--set``, ``argument`` or ``default``."""
        node: Node | None = self.tree
        for name in path.split(".") if path else ():
            if node is None or isinstance(node.value, Section):
                break
            node = node.get(name)
        if node is None:
            return "default"
        return "--set" if node.place.source.startswith("--set") else str(node.place) or "argument"

    def resolved(self) -> dict[str, Any]:
        """Every key with its value, as plain data that loads back to an equal recipe."""
        return dict(plain(self.options))

    def to_yaml(self) -> str:
        """``resolved()`` as YAML."""
        return to_yaml(self.resolved())

    def show(self) -> str:
        """``resolved()`` as YAML with the origin of each value in a comment."""
        return show(self.resolved(), self.origin)
