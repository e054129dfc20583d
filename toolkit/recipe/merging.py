"""Merging the layers of a recipe by the schema: short forms, types, paths of data."""

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from toolkit.recipe.annotations import classes, has, item, mapped, members
from toolkit.recipe.data import PathMark
from toolkit.recipe.nodes import Node
from toolkit.recipe.problems import Problem, nearest
from toolkit.recipe.section import Section, choose, default_of, is_none, short_key

Typed = tuple[Any, Any]
"""An annotation, and the default of the field it stands on."""


def below(typed: Typed, node: Node, name: str | int) -> Typed:
    """What the schema says of one key or item of a node."""
    annotation, default = typed
    if isinstance(name, int):
        return item(annotation), None
    section = choose(annotation, node.type_name, default)
    if section is None:
        return mapped(annotation), None
    field = section.model_fields.get(name)
    return (field.rebuild_annotation(), default_of(field)) if field else (None, None)


def lift(node: Node, annotation: Any) -> Node:
    """Makes a mapping of a short form; other nodes stay as they are."""
    if isinstance(node.value, dict):
        return node
    if node.value is None and classes(annotation, Section) and not has(annotation, None):
        return replace(node, value={})
    plain = [] if isinstance(node.value, list) else node.value
    key = short_key(annotation, plain)
    return node if key is None else replace(node, value={key: node}, lifted=True)


def merge(base: Node | None, over: Node, typed: Typed) -> Node:
    """Lays ``over`` on ``base``, deeply; another ``type`` drops the other keys of the base.

    Args:
        base: the lower layer, already merged, or None.
        over: the higher layer; its short forms are made mappings.
        typed: the schema here.
    """
    over = lift(over, typed[0])
    if isinstance(over.value, list):
        inner = below(typed, over, 0)
        return replace(over, value=[merge(None, each, inner) for each in over.value])
    if not isinstance(over.value, dict):
        return over
    lower = dict(base.value) if base is not None and isinstance(base.value, dict) else {}
    if "type" in lower and "type" in over.value and lower["type"].value != over.type_name:
        lower = {}
    whole = replace(over, value={**lower, **over.value}, lifted=over.lifted and not lower)
    merged = {
        name: merge(lower.get(name), over.value[name], below(typed, whole, name))
        if name in over.value
        else node
        for name, node in whole.value.items()
    }
    return replace(whole, value=merged)


def place_paths(node: Node, typed: Typed, problems: list[Problem], path: str = "") -> Node:
    """Makes every path of data absolute, from the folder of the file that wrote it."""
    if isinstance(node.value, dict | list):
        pairs = [
            (name, place_paths(each, below(typed, node, name), problems, _named(node, path, name)))
            for name, each in _children(node)
        ]
        return replace(node, value=dict(pairs) if isinstance(node.value, dict) else _last(pairs))
    if not isinstance(node.value, str | os.PathLike) or not _is_path(typed[0], node.value):
        return node
    return _place_path(node, problems, path)


def joined(path: str, name: str | int) -> str:
    """``a.b``, ``a[0]``."""
    if isinstance(name, int):
        return f"{path}[{name}]"
    return f"{path}.{name}" if path else name


def _named(node: Node, path: str, name: str | int) -> str:
    return path if node.lifted else joined(path, name)


def _children(node: Node) -> Iterator[tuple[Any, Node]]:
    yield from node.value.items() if isinstance(node.value, dict) else enumerate(node.value)


def _last(pairs: list[tuple[Any, Node]]) -> list[Node]:
    return [node for _, node in pairs]


def _is_path(annotation: Any, value: Any) -> bool:
    marks = (mark for _, metadata in members(annotation) for mark in metadata)
    return any(isinstance(mark, PathMark) for mark in marks) and not is_none(annotation, value)


_SCHEMES = ("tfds", "demo")
_NAMED = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(//)?")


def _place_path(node: Node, problems: list[Problem], path: str) -> Node:
    text, unset = _with_variable(os.fspath(node.value))
    if unset:
        message = f"the environment variable {unset} is not set. Received: {node.value!r}."
        problems.append(Problem(message, node.place, path))
    named = _NAMED.match(text)
    if named and (named[2] or named[1] in _SCHEMES):
        return replace(node, value=text)
    meant = nearest(named[1], _SCHEMES) if named else None
    if meant:
        message = f"no source of data. Did you mean '{meant}:'? Received: {text!r}."
        problems.append(Problem(message, node.place, path))
    full = os.path.normpath(node.place.folder / os.path.expanduser(text)) if text else text
    return replace(node, value=full + os.sep * text.endswith("/"))


def _with_variable(text: str) -> tuple[str, str]:
    """The text with ``$TOOLKIT_DATA`` put in, and the variable's name if it is not set."""
    pattern = r"\$\{TOOLKIT_DATA\}|\$TOOLKIT_DATA\b"
    if not re.search(pattern, text):
        return text, ""
    value = os.environ.get("TOOLKIT_DATA", "")
    return re.sub(pattern, lambda _: value, text), "" if value else "TOOLKIT_DATA"
