"""Options as plain data and as YAML, with a comment beside each value where wanted."""

import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time
from typing import Any

from toolkit.recipe.annotations import none_word
from toolkit.recipe.data import is_table
from toolkit.recipe.reading import resolve
from toolkit.recipe.scalars import Scalar
from toolkit.recipe.section import Section

Row = tuple[str, str]
"""A line of YAML and the dotted path of the value on it ("" where there is none)."""


def plain(value: Any) -> Any:
    """Options as plain data, in the words a recipe would use."""
    if isinstance(value, Section):
        fields = type(value).model_fields
        names = sorted(fields, key=lambda name: name != "type")
        pairs = ((name, getattr(value, name)) for name in names)
        return {name: _or_none(plain(each), fields[name]) for name, each in pairs}
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each) for each in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return _plain_object(value)


def _or_none(value: Any, field: Any) -> Any:
    return "none" if value is None and none_word(field.rebuild_annotation()) else value


def _plain_object(value: Any) -> Any:
    if isinstance(value, Scalar):
        return value.plain()
    if isinstance(value, datetime):
        midnight = value.time() == time() and value.tzinfo is None
        return value.date().isoformat() if midnight else value.isoformat(" ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if is_table(value):
        return f"<DataFrame {value.shape[0]} x {value.shape[1]}>"
    return f"<{type(value).__name__}>"


def to_yaml(values: Mapping[str, Any]) -> str:
    """Plain data as YAML 1.2 that reads back equal: mappings in block style, lists in a line."""
    return "".join(f"{line}\n" for line, _ in _rows(values))


def show(values: Mapping[str, Any], origin: Callable[[str], str]) -> str:
    """The same with ``origin(path)`` as a comment beside each value, in one column."""
    rows = [(line, origin(path) if path else "") for line, path in _rows(values)]
    return beside(rows)


def beside(rows: list[tuple[str, str]], widest: int = 48) -> str:
    """Lines with comments in one column, except beside lines that are wider than ``widest``."""
    width = max((len(line) for line, note in rows if note and len(line) <= widest), default=0)
    lines = (f"{line:<{width}}  # {note}" if note else line for line, note in rows)
    return "".join(f"{line}\n" for line in lines)


def _rows(values: Mapping[str, Any], indent: str = "", above: str = "") -> Iterator[Row]:
    for name, value in values.items():
        path = f"{above}.{name}" if above else str(name)
        if isinstance(value, Mapping) and value:
            yield f"{indent}{scalar(name)}:", ""
            yield from _rows(value, f"{indent}  ", path)
        else:
            yield f"{indent}{scalar(name)}: {flow(value)}", path


def flow(value: Any) -> str:
    """A value in one line."""
    if isinstance(value, Mapping):
        inside = (f"{scalar(name)}: {flow(each)}" for name, each in value.items())
        return f"{{{', '.join(inside)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(flow(each) for each in value)}]"
    return scalar(value)


_SAFE = re.compile(r"[\w./$~+<][\w./$~+%()<>=*:@-]*( [\w./$~+%()<>=*@-]+)*")


def scalar(value: Any) -> str:
    """One scalar; text is quoted when it would read back as something else."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else f"{'-' * (value < 0)}.inf"
    if isinstance(value, int | float):
        return repr(value)
    text = str(value)
    safe = _SAFE.fullmatch(text) and not re.search(": |:$", text) and text.lower() not in _YAML_1_1
    return text if safe and resolve(text) == text else f'"{"".join(map(_escaped, text))}"'


_YAML_1_1 = ("yes", "no", "on", "off", "y", "n")
"""Words that older readers take for switches."""


def _escaped(character: str) -> str:
    if character in '"\\' or character == "\n":
        return {"\n": "\\n"}.get(character, f"\\{character}")
    return character if character.isprintable() else f"\\U{ord(character):08x}"
