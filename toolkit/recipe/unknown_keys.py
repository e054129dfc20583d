"""Unknown keys: what was meant, or where they belong."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from toolkit.recipe.annotations import classes
from toolkit.recipe.describing import type_names
from toolkit.recipe.merging import Typed, below, joined
from toolkit.recipe.nodes import Node, Place
from toolkit.recipe.problems import listed, nearest
from toolkit.recipe.section import Section, choose

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Spot:
    """Where an error's location leads in the tree: the node there and what the schema says."""

    path: Path
    node: Node
    typed: Typed

    def down(self, name: str | int) -> "Spot":
        """The spot of a key or item."""
        typed = below(self.typed, self.node, name)
        return Spot((*self.path, name), self.node.value[name], typed)

    @property
    def keys(self) -> Collection[str | int]:
        """The keys of a mapping, the numbers of a list's items."""
        inside = self.node.value
        return inside if isinstance(inside, dict) else range(_length(inside))

    @property
    def place(self) -> Place:
        """Where a reader would look: at the value, or at the key of a mapping."""
        return self.node.key if isinstance(self.node.value, dict) else self.node.place

    @property
    def section(self) -> type[Section] | None:
        """The section class here, as chosen by its type."""
        return choose(self.typed[0], self.node.type_name, self.typed[1])


def _length(inside: Any) -> int:
    return len(inside) if isinstance(inside, list) else 0


def meant_key(path: Path, spot: Spot, error: dict[str, Any]) -> Path | None:
    """The missing key that an unknown one was meant to be, so that it is not told twice."""
    if error["type"] != "extra_forbidden":
        return None
    near = nearest(path[-1], _required(spot))
    return None if near is None else (*spot.path, near)


def unknown_key(spot: Spot, key: str, root: Spot) -> str:
    """Of an unknown key: the nearest known one, else where it belongs, else what is known."""
    said = f"unknown key{_of_type(spot)}."
    if ":" in key:
        return f"{said} Is a space missing after ':'?"
    keys = _known(spot)
    near = nearest(key, _required(spot)) or nearest(key, keys, cutoff=0.8)
    if near is None and (owners := list(_types_with(spot.typed[0], key))):
        return f"{said} It belongs to type {listed(owners)}."
    homes = dict(_homes(root, spot)) if near is None else {}
    if exact := [home for home, names in homes.items() if key in names]:
        return f"{said} It belongs under {' or '.join(exact)}."
    near = near or nearest(key, keys)
    if near is None:
        paths = {name: f"{home}.{name}" for home, names in homes.items() for name in names}
        near = paths.get(nearest(key, paths, cutoff=0.8) or "")
    if near is not None:
        return f"{said} Did you mean {near!r}?"
    return f"{said} Expected {listed(keys)}." if len(keys) <= _FEW else said


_FEW = 8
"""More keys than this are not listed in an error; ``show --task`` tells them."""


def _known(spot: Spot) -> list[str]:
    keys = list(spot.section.model_fields) if spot.section else []
    return keys if spot.path else ["extends", *keys]


def _required(spot: Spot) -> list[str]:
    """The keys that must be here and are not."""
    fields = spot.section.model_fields if spot.section else {}
    return [name for name in fields if name not in spot.keys and fields[name].is_required()]


def _of_type(spot: Spot) -> str:
    """Names the chosen member of a union of sections."""
    if spot.section is None or not type_names(spot.typed[0]):
        return ""
    return f" of type {spot.section.model_fields['type'].default!r}"


def _types_with(annotation: Any, key: str) -> Iterator[str]:
    """The types of the union whose sections have the key."""
    for section in classes(annotation, Section) if type_names(annotation) else []:
        if key in section.model_fields:
            yield str(section.model_fields["type"].default)


def _homes(root: Spot, away: Spot) -> Iterator[tuple[str, list[str]]]:
    """Every other section of the recipe, two levels deep, with its keys."""
    yield from _sections_below(root, away, "", 2)


def _sections_below(
    spot: Spot, away: Spot, path: str, levels: int
) -> Iterator[tuple[str, list[str]]]:
    for name in spot.section.model_fields if spot.section and levels else ():
        inner = spot.down(name) if name in spot.keys else _empty(spot, name)
        if inner.section is not None:
            if inner.path != away.path:
                keys = [key for key in inner.section.model_fields if key != "type"]
                yield joined(path, name), keys
            yield from _sections_below(inner, away, joined(path, name), levels - 1)


def _empty(spot: Spot, name: str) -> Spot:
    node = Node({}, spot.node.place, spot.node.key)
    return Spot((*spot.path, name), node, below(spot.typed, spot.node, name))
