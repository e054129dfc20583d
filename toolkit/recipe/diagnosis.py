"""pydantic's errors as problems of a recipe: one line each, placed, with suggestions."""

from typing import Any

from pydantic import ValidationError

from toolkit.recipe.annotations import has, item, words
from toolkit.recipe.describing import expected, type_names
from toolkit.recipe.merging import joined
from toolkit.recipe.nodes import Node
from toolkit.recipe.problems import Problem, did_you_mean, listed, shown
from toolkit.recipe.reading import resolve
from toolkit.recipe.section import Section
from toolkit.recipe.unknown_keys import Path, Spot, meant_key, unknown_key

Error = dict[str, Any]


def diagnose(error: ValidationError, tree: Node, options: type[Section]) -> list[Problem]:
    """Every mistake that pydantic found, without the echoes of union members.

    Args:
        error: pydantic's.
        tree: the merged tree that was validated.
        options: the class it was validated by.
    """
    root = Spot((), tree, (options, None))
    found: dict[Path, list[tuple[Spot, Error]]] = {}
    for each in error.errors(include_url=False):
        spot, key = _follow(root, dict(each))
        found.setdefault((*spot.path, *key), []).append((spot, dict(each)))
    deepest = [path for path in found if not any(_under(other, path) for other in found)]
    guessed = {meant_key(path, *found[path][0]) for path in deepest}
    placed = [path for path in deepest if path not in guessed]
    return [problem for path in placed for problem in _problems(path, found[path], root)]


def _follow(spot: Spot, error: Error) -> tuple[Spot, Path]:
    """Walks a location; parts that are no keys of the tree are pydantic's names of members."""
    location: Path = error["loc"]
    key: Path = ()
    if error["type"] in ("missing", "extra_forbidden"):
        location, key = location[:-1], location[-1:]
    elif error["type"] in ("union_tag_not_found", "union_tag_invalid"):
        key = ("type",)
    named: Spot | None = None  # the section whose type has been told; it may have such a key too
    for part in location:
        if part == spot.node.type_name and spot is not named and type_names(spot.typed[0]):
            named = spot
        elif part in spot.keys:
            spot = spot.down(part)
    return spot, key


def _under(other: Path, path: Path) -> bool:
    return len(other) > len(path) and other[: len(path)] == path


def _problems(path: Path, found: list[tuple[Spot, Error]], root: Spot) -> list[Problem]:
    """What is wrong at one place: one thing, or all combinations that its section refuses."""
    for spot, error in found:
        if error["type"] == "refused":
            refusals = error["ctx"]["refusals"]
            return [_refusal(spot, key, message, root) for key, message in refusals.items()]
    return [_problem(path, found, root)]


def _problem(path: Path, found: list[tuple[Spot, Error]], root: Spot) -> Problem:
    spot, error = found[0]
    kinds = {each["type"] for _, each in found}
    refused = [pair for pair in found if pair[1]["type"] in _REFUSALS]
    if error["type"] == "extra_forbidden":
        message = unknown_key(spot, str(path[-1]), root)
        return Problem(message, spot.node.value[path[-1]].key, _named(path, root))
    if kinds & {"missing", "union_tag_not_found"}:
        choices = type_names(spot.typed[0]) if path[-1] == "type" else []
        hint = f" Expected {listed(choices)}." if choices else ""
        message = f"required key is missing.{hint}"
        return Problem(message, spot.node.key, _named(path, root), missing=True)
    if "union_tag_invalid" in kinds:
        return Problem(_wrong_type(spot), spot.node.value["type"].place, _named(path, root))
    if refused:
        spot, error = refused[0]
        message = str(error.get("ctx", {}).get("error") or error["msg"])
        return _refusal(spot, "", message, root)
    return Problem(wrong_value(spot.typed[0], spot.node.plain()), spot.place, _named(path, root))


_REFUSALS = ("value_error", "assertion_error")


def _named(path: Path, root: Spot) -> str:
    """The dotted path as it was written: a short form has no key of its own."""
    name, spot = "", root
    for part in path:
        name = name if spot.node.lifted and part in spot.keys else joined(name, part)
        spot = spot.down(part) if part in spot.keys else spot
    return name


def _refusal(spot: Spot, key: str, message: str, root: Spot) -> Problem:
    """A validator's own words, at the key that it named."""
    path = (*spot.path, *filter(None, key.split(".")))
    for part in path[len(spot.path) :]:
        spot = spot.down(part) if part in spot.keys else spot
    text = message if message.endswith((".", "?")) else f"{message}."
    return Problem(text, spot.place if spot.path == path else spot.node.key, _named(path, root))


def wrong_value(annotation: Any, value: Any) -> str:
    """Of a value: what was expected, what was likely meant and what came."""
    meant = _meant_value(annotation, value)
    return f"expected {expected(annotation)}.{meant} Received: {shown(value)}."


def _wrong_type(spot: Spot) -> str:
    """Of the type of a union of sections."""
    names = type_names(spot.typed[0])
    if spot.node.lifted:
        names += words(spot.typed[0])
    value = spot.node.value["type"].plain()
    return f"expected {listed(names)}.{did_you_mean(value, names)} Received: {shown(value)}."


def _meant_value(annotation: Any, value: Any) -> str:
    """A guess at what was meant by a value of the wrong kind."""
    text = expected(annotation)
    if isinstance(value, str) and has(annotation, bool) and value.lower() in _SWITCHES:
        return f" Did you mean {shown(_SWITCHES[value.lower()])}?"
    if isinstance(value, str) and text.startswith(("an integer", "a number")) and _is_number(value):
        return f" Did you mean {value}, without quotes?"
    if isinstance(value, float) and text.startswith("an integer") and value.is_integer():
        return f" Did you mean {int(value)}?"
    several = "list of at least" in text
    if isinstance(value, str | int | float) and item(annotation) is not None and not several:
        return f" Did you mean [{value}]?"
    return did_you_mean(value, words(annotation))


_SWITCHES = {"yes": True, "on": True, "true": True, "no": False, "off": False, "false": False}


def _is_number(text: str) -> bool:
    return isinstance(resolve(text), int | float) and not isinstance(resolve(text), bool)
