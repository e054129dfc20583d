"""Every key of a task with its default and what it is for: ``toolkit show --task``."""

from collections.abc import Iterator
from typing import Any

from pydantic.fields import FieldInfo

from toolkit.recipe.annotations import classes, item
from toolkit.recipe.describing import expected
from toolkit.recipe.options import TaskOptions
from toolkit.recipe.rendering import beside, flow, plain
from toolkit.recipe.section import Section, default_of, type_words
from toolkit.recipe.tasks import find_options

Row = tuple[str, str]


def defaults(task: str | type[TaskOptions]) -> str:
    """Every key of a task as YAML, each with its description and what it takes.

    Args:
        task: the task's name, or its options class.

    Raises:
        RecipeError: when there is no such task.
    """
    options = find_options(task) if isinstance(task, str) else task
    return beside(list(_rows(options, "")))


def _rows(section: type[Section], indent: str) -> Iterator[Row]:
    names = list(section.model_fields)
    if len(type_words(section)) == 1:
        names.remove("type")
        said = section.model_fields["type"].description or _first_line(section)
        yield f"{indent}type: {type_words(section)[0]}", said
    for name in names:
        yield from _field(name, section.model_fields[name], indent)


def _field(name: str, field: FieldInfo, indent: str) -> Iterator[Row]:
    """One key; a section's own keys below it, each alternative of a union as a comment."""
    annotation = field.rebuild_annotation()
    sections: list[type[Section]] = classes(annotation, Section)
    said = f"{field.description} " if field.description else ""
    default = default_of(field)
    if len(sections) == 1 and (field.is_required() or isinstance(default, Section)):
        yield f"{indent}{name}:", said.rstrip()
        yield from _rows(type(default) if default is not None else sections[0], f"{indent}  ")
        return
    shown = "..." if field.is_required() else flow(_written(default))
    needed = "Required. " if field.is_required() else ""
    yield f"{indent}{name}: {shown}", f"{said}{needed}Takes {expected(annotation)}."
    yield from _alternatives(name, sections, indent)
    inner = item(annotation)
    if inner is not None and len(classes(inner, Section)) == 1:
        yield from _alternatives(name, classes(inner, Section), indent)


def _written(default: Any) -> Any:
    """A default in short: a section of a union by its type."""
    if isinstance(default, Section):
        return getattr(default, "type", None) or plain(default)
    return "none" if default is None else plain(default)


def _alternatives(name: str, sections: list[type[Section]], indent: str) -> Iterator[Row]:
    for section in sections:
        note = "" if type_words(section) else _first_line(section)
        yield f"{indent}# {name}:", note
        for line, note in _rows(section, ""):
            yield f"{indent}#   {line}", note


def _first_line(section: type[Section]) -> str:
    return (section.__doc__ or "").strip().partition("\n")[0]
