"""What an annotation takes, in words for error messages and for ``show --task``."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_origin

from toolkit.recipe.annotations import ITEMS, classes, item, mapped, members, none_word, words
from toolkit.recipe.problems import shown
from toolkit.recipe.scalars import Scalar
from toolkit.recipe.section import Section, type_words

_BOUNDS = {"ge": "of at least", "gt": "above", "le": "at most", "lt": "below", "min_length": ""}
_NAMES = {int: "an integer", float: "a number", str: "text"}


def expected(annotation: Any) -> str:
    """Such as ``an integer of at least 1 or 'auto'``."""
    parts = list(dict.fromkeys(_alternatives(annotation)))
    parts.sort(key="'none'".__eq__)
    return " or ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts) or "nothing"


def type_names(annotation: Any) -> list[str]:
    """The names of the alternatives of a union of sections."""
    sections = classes(annotation, Section)
    return [name for each in sections for name in type_words(each)] if len(sections) > 1 else []


def _alternatives(annotation: Any) -> Iterator[str]:
    for member, metadata in members(annotation):
        said = next((each.expects for each in metadata if hasattr(each, "expects")), None)
        if said is not None:
            yield said
        elif isinstance(member, type) and issubclass(member, Section):
            yield from _section(member, annotation)
        elif member is bool:
            yield from ("true", "false")
        elif member is not type(None) and get_origin(member) is not Literal:
            yield _name(member, metadata) + _range(member, _limits(metadata))
    yield from map(shown, [*type_names(annotation), *words(annotation)])
    if none_word(annotation):
        yield shown("none")


def _section(section: type[Section], annotation: Any) -> Iterator[str]:
    if type_names(annotation):
        return
    if section.short is not None:
        yield from _alternatives(section.model_fields[section.short].rebuild_annotation())
    yield "a mapping"


def _name(member: Any, metadata: tuple[Any, ...]) -> str:
    origin = get_origin(member)
    if origin in ITEMS:
        least = _limits(metadata).get("min_length", 0)
        size = {0: "list", 1: "non-empty list"}.get(least, f"list of at least {least}")
        return f"a {size} ({expected(item(member))} each)"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"a mapping ({expected(mapped(member))} each)"
    if isinstance(member, type) and issubclass(member, Scalar):
        return member.expects
    return _NAMES.get(member, getattr(member, "__name__", str(member)))


def _limits(metadata: tuple[Any, ...]) -> dict[str, Any]:
    """The bounds among the metadata, also those inside ``Field(...)``."""
    constraints = [part for each in metadata for part in getattr(each, "metadata", [each])]
    pairs = ((name, getattr(each, name, None)) for each in constraints for name in _BOUNDS)
    return {name: value for name, value in pairs if value is not None}


def _range(member: Any, limits: Mapping[str, Any]) -> str:
    if member is str and limits.get("min_length"):
        return " that is not empty"
    if member not in (int, float):
        return ""
    said = [f"{text} {limits[name]}" for name, text in _BOUNDS.items() if name in limits]
    return f" {' and '.join(said)}" if said else ""
