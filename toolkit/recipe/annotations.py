"""What a field's annotation allows: its members, sections, words and items."""

import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

ITEMS = (list, tuple, set, frozenset)


def members(annotation: Any) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Each alternative of a (nested, annotated) union with the metadata that stands on it."""
    yield from _members(annotation, ())


def _members(annotation: Any, metadata: tuple[Any, ...]) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *added = get_args(annotation)
        yield from _members(inner, (*metadata, *added))
    elif origin in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _members(member, metadata)
    else:
        yield annotation, metadata


def words(annotation: Any) -> list[Any]:
    """The values that a ``Literal`` in the annotation names."""
    return [
        word
        for member, _ in members(annotation)
        if get_origin(member) is Literal
        for word in get_args(member)
    ]


def has(annotation: Any, kind: type | None) -> bool:
    """Whether one alternative is exactly ``kind`` (``None`` for an optional one)."""
    wanted = type(None) if kind is None else kind
    return any(member in (kind, wanted) for member, _ in members(annotation))


def classes(annotation: Any, base: type) -> list[Any]:
    """The alternatives that are subclasses of ``base``."""
    found = (member for member, _ in members(annotation))
    return [member for member in found if isinstance(member, type) and issubclass(member, base)]


def item(annotation: Any) -> Any | None:
    """The annotation of the items of a list or tuple among the alternatives, or None."""
    for member, _ in members(annotation):
        if get_origin(member) in ITEMS:
            return next((part for part in get_args(member) if part is not Ellipsis), None)
    return None


def takes_tuple(annotation: Any) -> bool:
    """Whether a tuple is among the alternatives."""
    return any(get_origin(member) is tuple for member, _ in members(annotation))


def mapped(annotation: Any) -> Any | None:
    """The annotation of the values of a ``dict`` among the alternatives, or None."""
    for member, _ in members(annotation):
        origin = get_origin(member)
        if isinstance(origin, type) and issubclass(origin, Mapping):
            return get_args(member)[1]
    return None


def none_word(annotation: Any) -> bool:
    """Whether the word ``none`` stands for ``None``: optional, and not a choice of its own."""
    return has(annotation, None) and "none" not in words(annotation)
