"""The JSON schema, judged by the few keywords that it uses."""

import json
import re
from typing import Any

import pytest

from tests.recipe.small_task import Options
from toolkit.recipe import json_schema

SCHEMA = json_schema({"small": Options})
KINDS = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int,
         "number": int | float, "null": type(None)}  # fmt: skip
IGNORED = {"$schema", "$defs", "title", "description", "default", "if", "then", "discriminator"}


def valid(value: Any, schema: Any) -> bool:
    if isinstance(schema, bool):
        return schema
    unknown = set(schema) - IGNORED - set(CHECKS)
    assert not unknown, f"keywords that this test does not know: {unknown}"
    if "if" in schema and valid(value, schema["if"]) and not valid(value, schema["then"]):
        return False
    return all(CHECKS[key](value, schema[key], schema) for key in schema if key in CHECKS)


def is_kind(value: Any, names: Any) -> bool:
    wanted = [names] if isinstance(names, str) else names
    kinds = [name for name, kind in KINDS.items() if isinstance(value, kind)]
    return bool(set(kinds) & set(wanted)) and (not isinstance(value, bool) or "boolean" in wanted)


def referred(path: str) -> Any:
    found: Any = SCHEMA
    for name in path.removeprefix("#/").split("/"):
        found = found[name]
    return found


def items_valid(value: Any, inner: Any) -> bool:
    return not isinstance(value, list) or all(valid(each, inner) for each in value)


def keys_valid(value: Any, inner: Any) -> bool:
    pairs = value.items() if isinstance(value, dict) else ()
    return all(valid(each, inner[name]) for name, each in pairs if name in inner)


def others_valid(value: Any, inner: Any, schema: Any) -> bool:
    pairs = value.items() if isinstance(value, dict) else ()
    known = schema.get("properties", {})
    return all(valid(each, inner) for name, each in pairs if name not in known)


def number(value: Any) -> bool:
    return isinstance(value, int | float)


CHECKS = {
    "$ref": lambda value, path, _: valid(value, referred(path)),
    "type": lambda value, names, _: is_kind(value, names),
    "const": lambda value, wanted, _: value == wanted,
    "enum": lambda value, wanted, _: value in wanted,
    "not": lambda value, inner, _: not valid(value, inner),
    "anyOf": lambda value, inner, _: any(valid(value, each) for each in inner),
    "oneOf": lambda value, inner, _: sum(valid(value, each) for each in inner) == 1,
    "allOf": lambda value, inner, _: all(valid(value, each) for each in inner),
    "required": lambda value, names, _: not isinstance(value, dict) or set(names) <= set(value),
    "properties": lambda value, inner, _: keys_valid(value, inner),
    "additionalProperties": others_valid,
    "items": lambda value, inner, _: items_valid(value, inner),
    "minItems": lambda value, least, _: not isinstance(value, list) or len(value) >= least,
    "minLength": lambda value, least, _: not isinstance(value, str) or len(value) >= least,
    "pattern": lambda value, text, _: not isinstance(value, str) or bool(re.search(text, value)),
    "minimum": lambda value, least, _: not number(value) or value >= least,
    "maximum": lambda value, most, _: not number(value) or value <= most,
    "exclusiveMinimum": lambda value, least, _: not number(value) or value > least,
    "exclusiveMaximum": lambda value, most, _: not number(value) or value < most,
}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"task": {"type": "small", "beam_size": 2}, "data": ["a", "b"]},
        {"model": "lstm", "export": "none", "train": {"clip_norm": "none"}},
        {"model": {"type": "lstm", "attention": "dot"}},
        {"model": {"type": "ensemble", "members": ["lstm", {"type": "cnn", "widths": [3]}]}},
        {"train": {"schedule": "cosine", "early_stopping": "f1", "checkpoint_every": "10m"}},
        {"data": {"split": "10%", "text": 3}, "extends": "base.yaml"},
        {"task": "other.package", "model": "anything"},
    ],
)
def test_good_recipes_pass(more: dict[str, Any]) -> None:
    assert valid({"task": "small", "data": "a.csv", **more}, SCHEMA)


@pytest.mark.parametrize(
    "more",
    [
        {"task": "smal"},
        {"modle": "lstm"},
        {"model": "lsmt"},
        {"model": {"type": "lstm", "widths": [3]}},
        {"train": {"epochs": "many"}},
        {"train": {"epochs": 0}},
        {"train": {"optimizer": {"type": "sgd", "beta_1": 0.5}}},
        {"export": "onnx"},
    ],
)
def test_mistaken_recipes_do_not(more: dict[str, Any]) -> None:
    assert not valid({"task": "small", "data": "a.csv", **more}, SCHEMA)


def test_data_is_required_unless_something_is_extended() -> None:
    assert not valid({"task": "small"}, SCHEMA)
    assert valid({"extends": "base.yaml", "model": "lstm"}, SCHEMA)


def test_an_editor_can_show_what_a_key_means() -> None:
    train = SCHEMA["$defs"]["small"]["$defs"]["TrainOptions"]

    assert train["properties"]["epochs"]["description"] == "Passes over the training data."
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


def test_tasks_by_name() -> None:
    assert list(json_schema(["sentiment"])["$defs"]) == ["sentiment"]
