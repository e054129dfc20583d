"""A JSON schema of all recipes, by which editors complete and check keys."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from toolkit.recipe.options import TaskOptions
from toolkit.recipe.section import Section
from toolkit.recipe.tasks import find_options

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _Editor(GenerateJsonSchema):
    """pydantic's schema with short forms and ``none``; nothing is required.

    A recipe that extends another may leave any key to it, so only ``toolkit check`` can tell what
    is missing.
    """

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """A section: its mapping, or what its short form takes."""
        mapping = super().model_schema(schema)
        mapping.pop("required", None)
        section = schema["cls"]
        if not issubclass(section, Section) or section.short is None:
            return mapping
        return {"anyOf": [mapping, mapping["properties"][section.short]]}

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> JsonSchemaValue:
        """A union of sections: one of them, or only its type."""
        names = [str(name) for name in schema["choices"]]
        return {"anyOf": [{"enum": names}, *super().tagged_union_schema(schema)["oneOf"]]}

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """An optional value: ``none`` and null too."""
        return {"anyOf": [self.generate_inner(schema["schema"]), {"enum": ["none", None]}]}


def json_schema(tasks: Mapping[str, type[TaskOptions]] | Iterable[str]) -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of the recipes of some tasks.

    Args:
        tasks: names, or names with their options classes.
    """
    named = tasks if isinstance(tasks, Mapping) else {name: find_options(name) for name in tasks}
    keys = {name: field.description for name, field in TaskOptions.model_fields.items()}
    return {
        "$schema": DIALECT,
        "title": "Recipe",
        "type": "object",
        "properties": {
            "extends": _extends(),
            **{name: {"description": text} for name, text in keys.items()},
            "task": _task(list(named), keys["task"]),
        },
        "additionalProperties": False,
        "anyOf": [{"required": ["extends"]}, {"required": ["task", "data"]}],
        "allOf": [_chosen(name) for name in named],
        "$defs": {name: _options(name, options) for name, options in named.items()},
    }


def _extends() -> dict[str, Any]:
    files = {"type": "array", "items": {"type": "string"}}
    text = "Recipe or recipes to start from, beside this file."
    return {"description": text, "anyOf": [{"type": "string"}, files]}


def _task(names: list[str], description: str | None) -> dict[str, Any]:
    """The name of a task, alone or as the type of a mapping; dotted for another package's."""
    name = {"anyOf": [{"enum": names}, {"type": "string", "pattern": r"\."}]}
    mapping = {"type": "object", "properties": {"type": name}, "required": ["type"]}
    return {"description": description, "anyOf": [name, mapping]}


def _chosen(name: str) -> dict[str, Any]:
    """Applies a task's own keys when the recipe names the task."""
    mapping = {"type": "object", "properties": {"type": {"const": name}}, "required": ["type"]}
    task = {"anyOf": [{"const": name}, mapping]}
    return {
        "if": {"properties": {"task": task}, "required": ["task"]},
        "then": {"$ref": f"#/$defs/{name}"},
    }


def _options(name: str, options: type[TaskOptions]) -> dict[str, Any]:
    """A task's options; ``extends`` may stand beside them."""
    place = f"#/$defs/{name}/$defs/{{model}}"
    found = options.model_json_schema(ref_template=place, schema_generator=_Editor)
    found["properties"]["extends"] = True
    return found
