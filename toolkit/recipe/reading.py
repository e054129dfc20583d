"""YAML 1.2 text to a tree with places: no tags, no aliases, no duplicate keys, no code."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from toolkit.errors import RecipeError
from toolkit.recipe.nodes import Node, Place
from toolkit.recipe.problems import Problem, nearest

_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"([-+]?)\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


def resolve(text: str) -> Any:
    """What a plain scalar means in YAML 1.2's core schema: ``1e-4`` a number, ``NO`` text."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    if _NUMBER.fullmatch(text):
        return float(text)
    if _INFINITE.fullmatch(text):
        return float(text.replace(".", ""))
    return text


def read_text(path: Path) -> str:
    """The text of a recipe file.

    Raises:
        RecipeError: when it is missing, a folder, not readable or not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        near = _near_file(path)
        hint = near or " Run 'toolkit list' to see the shipped recipes."
        raise RecipeError(f"{path}: no such file.{hint}") from None
    except IsADirectoryError:
        names = sorted(each.name for each in path.glob("*.y*ml"))
        found = f" It holds {', '.join(names)}." if names else ""
        raise RecipeError(f"{path}: a folder. Expected a recipe file.{found}") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        byte = error.object[error.start]
        raise RecipeError(f"{path}:{line}: byte 0x{byte:02x} is not valid UTF-8.") from None
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read ({error.strerror}).") from None


def _near_file(path: Path) -> str:
    names = {each.stem: each.name for each in path.parent.glob("*.y*ml")}
    near = nearest(path.stem, names)
    return f" Did you mean {names[near]!r}?" if near else ""


def parse(text: str, start: Place) -> tuple[Node | None, list[Problem]]:
    """Reads one YAML document.

    Args:
        text: the document.
        start: its source; the places of all nodes are derived from it.

    Returns:
        The tree (None when there is nothing, or nothing readable) and what is wrong with it.
    """
    builder = _Builder(start)
    try:
        root = builder.document(iter(YAML(typ="safe", pure=True).parse(text)))
    except MarkedYAMLError as error:
        return None, [*builder.problems, _syntax_problem(error, start)]
    except YAMLError:
        character = next(each for each in text if not each.isprintable() and each not in "\n\r\t")
        line = text[: text.index(character)].count("\n") + 1
        place = Place(start.source, line, 1, start.folder)
        return None, [Problem(f"the character {character!r} is not allowed in YAML.", place)]
    return root, builder.problems


class _Builder:
    """Turns YAML events into nodes, collecting what a recipe does not allow."""

    def __init__(self, start: Place) -> None:
        self.start = start
        self.problems: list[Problem] = []

    def document(self, events: Iterator[Event]) -> Node | None:
        root = None
        for event in events:
            if isinstance(event, DocumentStartEvent):
                if root is not None:
                    self.refuse(event, "a second document. Expected one recipe in a file.")
                    break
                root = self.node(next(events), events)
        return root

    def node(self, event: Event, events: Iterator[Event], key: Place | None = None) -> Node:
        place = self.start.at(event.start_mark)
        self.check(event)
        if isinstance(event, MappingStartEvent):
            return Node(self.mapping(events), place, key or place)
        if isinstance(event, SequenceStartEvent):
            return Node(list(self.items(events)), place, key or place)
        return Node(self.scalar(event), place, key or place)

    def items(self, events: Iterator[Event]) -> Iterator[Node]:
        while not isinstance(event := next(events), SequenceEndEvent):
            yield self.node(event, events)

    def mapping(self, events: Iterator[Event]) -> dict[str, Node]:
        nodes: dict[str, Node] = {}
        while not isinstance(event := next(events), MappingEndEvent):
            name = self.key(event, events)
            node = self.node(next(events), events, self.start.at(event.start_mark))
            if name in nodes:
                first = nodes[name].key.line
                self.refuse(event, f"{name}: duplicate key, first written in line {first}.")
            nodes.setdefault(name, node)
        return nodes

    def key(self, event: Event, events: Iterator[Event]) -> str:
        if isinstance(event, ScalarEvent):
            self.check(event)
            if event.value == "<<" and event.implicit[0]:
                self.refuse(event, "<<: merge keys are not supported. Use 'extends'.")
            return str(event.value)
        self.refuse(event, "a key must be one word.")
        self.node(event, events)
        return ""

    def scalar(self, event: Event) -> Any:
        if isinstance(event, ScalarEvent):
            return resolve(event.value) if event.implicit[0] else event.value
        return None

    def check(self, event: Event) -> None:
        anchor = getattr(event, "anchor", None)
        if isinstance(event, AliasEvent):
            self.refuse(
                event, "text that begins with * needs quotes; YAML's aliases are not supported."
            )
        elif anchor is not None:
            self.refuse(event, f"&{anchor}: anchors are not supported. Use 'extends'.")
        tag = getattr(event, "tag", None)
        if tag is not None:
            name = str(tag).replace("tag:yaml.org,2002:", "!!")
            self.refuse(event, f"{name}: tags are not supported. Write the plain value.")

    def refuse(self, event: Event, message: str) -> None:
        self.problems.append(Problem(message, self.start.at(event.start_mark)))


def _syntax_problem(error: MarkedYAMLError, start: Place) -> Problem:
    """Says in a recipe writer's words what the YAML reader stumbled on."""
    problem, context = str(error.problem or ""), str(error.context or "")
    for pattern, where, message in _SYNTAX:
        if match := re.search(pattern, f"{context}: {problem}"):
            mark = error.context_mark if where == "start" else error.problem_mark
            return Problem(message.format(*match.groups()), start.at(mark or error.problem_mark))
    mark = error.problem_mark or error.context_mark
    return Problem(f"not valid YAML: {problem}.", start.at(mark))


_SYNTAX = [
    (r"character '\\t'", "here", "a tab cannot indent. Expected spaces."),
    (r"character '(.)' that", "here", "text that begins with {0} needs quotes."),
    (r"scanning an alias", "start", "text that begins with * needs quotes."),
    (r"scanning an anchor", "start", "text that begins with & needs quotes."),
    (r"scanning a block scalar", "start", "text that begins with | or > needs quotes."),
    (r"sequence entries are not", "here", "a list item must begin on a line of its own."),
    (r"quoted scalar.*end of stream", "start", "the quote is not closed."),
    (r"but found '([\]}])'", "here", "an unexpected '{0}'."),
    (
        r"flow sequence",
        "start",
        "a list that is not closed, or lacks a comma. Expected ',' or ']'.",
    ),
    (
        r"flow mapping",
        "start",
        "a mapping that is not closed, or lacks a comma. Expected ',' or '}}'.",
    ),
    (r"<stream end>", "here", "the text ends too soon. Is a bracket not closed?"),
    (
        r"mapping values are not allowed",
        "here",
        "unexpected ':'. Indent the line like its neighbours, or quote text that holds ': '.",
    ),
    (r"block (mapping|collection)", "here", "the indentation does not match the lines above."),
    (r"could not find expected ':'", "start", "a key without ':'. Expected 'key: value'."),
]
