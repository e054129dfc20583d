"""The base of every section of a recipe, and what a short form stands for."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from toolkit.recipe.annotations import classes, has, item, mapped, none_word, takes_tuple, words

Auto = Literal["auto"]


class Refusal(NamedTuple):
    """A combination that cannot be.

    Attributes:
        key: where to say so, dotted below the section.
        message: what is wrong with it.
    """

    key: str
    message: str


class Section(BaseModel):
    """One mapping of a recipe: known keys only, friendly but strict about types, frozen.

    ``short`` names the key that anything but a mapping stands for: with ``short = "type"``,
    ``model: lstm`` is ``model: {type: lstm}``. In a union of sections it is always ``type``; give
    the union ``Field(discriminator="type")``, and each member ``type: Literal["lstm"] = "lstm"``.

    Strict means: no text for a number, no ``true`` for an integer; an integer does for a number and
    a list for a tuple. The word ``none`` stands for ``None`` where a field is optional.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        arbitrary_types_allowed=True,
        protected_namespaces=(),
        defer_build=True,  # built at first use, so that importing stays quick
    )

    short: ClassVar[str | None] = None

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """A field that is declared again to change its default keeps the description."""
        for name, field in cls.model_fields.items():
            if field.description is None:
                field.description = _inherited_description(cls, name)

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, data: Any) -> Any:
        if isinstance(data, Section):
            return data
        if data is None and cls.short is None:
            data = {}
        elif cls.short is not None and not isinstance(data, Mapping):
            data = {cls.short: data}
        if not isinstance(data, Mapping):
            return data
        expanded = {key: _expand_field(cls.model_fields.get(key), data[key]) for key in data}
        return {key: value for key, value in expanded.items() if value is not _LEFT_OUT}

    def refusals(self) -> Iterator[Refusal]:
        """Yield every combination of valid values that cannot be.

        Of any section: heads of attention that do not share its width evenly.
        """
        for width in ("hidden_dim", "embedding_dim"):
            dim, heads = getattr(self, width, None), getattr(self, "num_heads", None)
            if isinstance(dim, int) and isinstance(heads, int) and dim % heads:
                yield Refusal("num_heads", f"does not divide {width} ({dim})")

    @model_validator(mode="after")
    def _refuse(self) -> Self:
        found: dict[str, str] = {}
        for key, message in self.refusals():
            found.setdefault(key, message)
        if found:
            context = {"message": "; ".join(found.values()), "refusals": found}
            raise PydanticCustomError("refused", "{message}", context)
        return self

    def arguments(self) -> dict[str, Any]:
        """The fields as flat keyword arguments, without ``type``."""
        return {name: getattr(self, name) for name in type(self).model_fields if name != "type"}


def short_key(annotation: Any, value: Any) -> str | None:
    """The key that ``value`` stands for where a section may stand, or None when it is itself."""
    sections = classes(annotation, Section)
    if not sections or isinstance(value, Mapping | Section) or value is None:
        return None
    if isinstance(value, str) and (value in words(annotation) or is_none(annotation, value)):
        return None
    if isinstance(value, list | tuple) and item(annotation) is not None:
        return None
    return "type" if len(sections) > 1 else sections[0].short


def is_none(annotation: Any, value: Any) -> bool:
    """Whether ``value`` is the word ``none`` at a place where it means ``None``."""
    return isinstance(value, str) and value == "none" and none_word(annotation)


def choose(annotation: Any, type_name: Any, default: Any = None) -> type[Section] | None:
    """The section class that ``type: type_name`` picks; without a type, the default's."""
    sections: list[type[Section]] = classes(annotation, Section)
    if len(sections) == 1:
        return sections[0]
    if type_name is None:
        return type(default) if isinstance(default, Section) else None
    return next((each for each in sections if type_name in type_words(each)), None)


def type_words(section: type[Section]) -> list[str]:
    """The names that the section's ``type`` may have."""
    field = section.model_fields.get("type")
    return words(field.annotation) if field else []


def default_of(field: FieldInfo) -> Any:
    """The field's default, made when a factory makes it; None for a required field."""
    return None if field.is_required() else field.get_default(call_default_factory=True)


_LEFT_OUT = object()


def _expand_field(field: FieldInfo | None, value: Any) -> Any:
    if field is None:
        return value
    annotation = field.rebuild_annotation()
    if value is None and classes(annotation, Section) and not has(annotation, None):
        return {} if field.is_required() else _LEFT_OUT
    return _expand_value(annotation, value, default_of(field))


def _expand_value(annotation: Any, value: Any, default: Any = None) -> Any:
    if is_none(annotation, value):
        return None
    key = short_key(annotation, value)
    if key is not None:
        return {key: value}
    inner = item(annotation)
    if isinstance(value, list | tuple) and inner is not None:
        expanded = [_expand_value(inner, each) for each in value]
        return tuple(expanded) if takes_tuple(annotation) else expanded
    inner = mapped(annotation)
    if isinstance(value, Mapping) and inner is not None:
        return {name: _expand_value(inner, each) for name, each in value.items()}
    if isinstance(value, Mapping) and "type" not in value and len(classes(annotation, Section)) > 1:
        return {**_default_type(default), **value}
    return value


def _default_type(default: Any) -> dict[str, str]:
    name = getattr(default, "type", None) if isinstance(default, Section) else None
    return {} if name is None else {"type": name}


def _inherited_description(cls: type[Section], name: str) -> str | None:
    for base in cls.__mro__[1:]:
        field = getattr(base, "__pydantic_fields__", {}).get(name)
        if field is not None and field.description:
            return str(field.description)
    return None
