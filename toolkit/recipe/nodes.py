"""A recipe as a tree of values that know where they were written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Place:
    """Where something was written.

    Attributes:
        source: a file as the user names it, ``--set``, ``argument``, or "" for a Python mapping.
        line: from 1, or 0 where there are no lines.
        column: from 1, or 0.
        folder: where relative paths written here start.
    """

    source: str = ""
    line: int = 0
    column: int = 0
    folder: Path = field(default_factory=Path.cwd)

    def at(self, mark: Any) -> "Place":
        """The same source at the place of a YAML mark."""
        return Place(self.source, mark.line + 1, mark.column + 1, self.folder)

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


@dataclass(frozen=True)
class Node:
    """A scalar (or a Python object), a list of nodes, or a mapping of nodes.

    Attributes:
        value: the scalar, ``list[Node]`` or ``dict[str, Node]``.
        place: where the value begins.
        key: where its key begins; the value's place for items of a list.
        lifted: whether a short form was made into this mapping.
    """

    value: Any
    place: Place
    key: Place
    lifted: bool = False

    def get(self, name: str) -> "Node | None":
        """The node under a key, or None."""
        return self.value.get(name) if isinstance(self.value, dict) else None

    @property
    def type_name(self) -> Any:
        """What the mapping's ``type`` says, or None."""
        node = self.get("type")
        return None if node is None else node.value

    def plain(self) -> Any:
        """The tree without places."""
        if isinstance(self.value, dict):
            return {name: node.plain() for name, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


def node_of(value: Any, place: Place) -> Node:
    """A tree from Python values; lists, tuples and mappings are taken apart, the rest is kept."""
    if isinstance(value, Mapping):
        return Node({str(name): node_of(each, place) for name, each in value.items()}, place, place)
    if isinstance(value, list | tuple):
        return Node([node_of(each, place) for each in value], place, place)
    return Node(value, place, place)
