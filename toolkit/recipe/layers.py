"""The layers of a recipe, lowest first: what it extends, the recipe, then the overrides."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolkit.errors import RecipeError
from toolkit.recipe.nodes import Node, Place, node_of
from toolkit.recipe.problems import Problem, shown
from toolkit.recipe.reading import parse, read_text

EXTENDS = "extends"


@dataclass
class Layers:
    """Mappings to be merged, lowest first, and what was wrong with reading them."""

    nodes: list[Node] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    broken: bool = False

    def add_file(self, path: Path, above: tuple[Path, ...] = ()) -> None:
        """Adds what the file extends, then the file.

        Raises:
            RecipeError: when the file cannot be read.
        """
        text = read_text(path)
        start = Place(str(path), 1, 1, path.parent.absolute())
        root, problems = parse(text, start)
        self.problems += problems
        self.broken |= root is None
        if root is None and not problems:
            message = "an empty recipe. Expected keys such as task and data."
            self.problems.append(Problem(message, start))
        elif root is not None:
            self.add(root, (*above, path.resolve()))

    def add(self, root: Node, above: tuple[Path, ...] = ()) -> None:
        """Adds what a mapping extends, then the mapping."""
        if not isinstance(root.value, dict):
            self.problems.append(Problem(_not_a_mapping(root.value), root.place))
            self.broken = True
            return
        parents = root.get(EXTENDS)
        if parents is not None and parents.value is not None:
            self._add_parents(parents, above)
        rest = {name: node for name, node in root.value.items() if name != EXTENDS}
        self.nodes.append(Node(rest, root.place, root.key))

    def _add_parents(self, parents: Node, above: tuple[Path, ...]) -> None:
        for node in parents.value if isinstance(parents.value, list) else [parents]:
            message = self._add_parent(node, above)
            if message:
                self.broken = True
                self.problems.append(Problem(message, node.place, EXTENDS))

    def _add_parent(self, node: Node, above: tuple[Path, ...]) -> str:
        """Adds one parent and answers what is wrong, if anything."""
        if not isinstance(node.value, str):
            return f"expected a recipe file or a list of them. Received: {shown(node.plain())}."
        path = _beside(node)
        if path.resolve() in above:
            names = [each.name for each in (*above[above.index(path.resolve()) :], path)]
            return f"a circle. Received: {' -> '.join(names)}."
        try:
            self.add_file(path, above)
        except RecipeError as error:
            return str(error)
        return ""


def _beside(node: Node) -> Path:
    """The file that ``extends`` names, beside the one that says so, as the user would name it."""
    folder = Path(node.place.source).parent if node.place.line else Path()
    return Path(os.path.normpath(folder / os.path.expanduser(node.value)))


def _not_a_mapping(value: Any) -> str:
    hint = " Is a space missing after ':'?" if isinstance(value, str) and ":" in value else ""
    received = "a list" if isinstance(value, list) else shown(value)
    return f"expected a mapping with keys such as task and data.{hint} Received: {received}."


def overrides_of(values: Mapping[str, object] | Sequence[str]) -> tuple[list[Node], list[Problem]]:
    """Layers from ``--set`` texts (``a.b=value``), or from a Python mapping of values."""
    if isinstance(values, Mapping):
        place = Place("argument")
        return [_nested(str(name), node_of(each, place)) for name, each in values.items()], []
    nodes, problems = [], []
    for text in values:
        node, found = _setting(text)
        nodes += [node] if node else []
        problems += found
    return nodes, problems


def _setting(text: str) -> tuple[Node | None, list[Problem]]:
    name, equals, value = text.partition("=")
    place = Place(f"--set {text}")
    if name.partition(".")[0].strip() == EXTENDS:
        return None, [Problem("extends belongs in the recipe file.", place)]
    if not equals or not all(part.strip() for part in name.split(".")):
        return None, [Problem("expected key=value, such as train.epochs=3.", place)]
    read, problems = parse(value, place)
    if problems:
        return None, [Problem(f"{name}: {each.message}", place) for each in problems]
    found = Node(None, place, place) if read is None else node_of(read.plain(), place)
    return _nested(name, found), []


def _nested(name: str, node: Node) -> Node:
    for part in reversed(name.split(".")):
        node = Node({part.strip(): node}, node.place, node.key)
    return node
