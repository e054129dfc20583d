"""Scalars with a meaning of their own: shares, durations and dates."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


@dataclass(frozen=True)
class Expects:
    """Says in an error message what an annotation takes, such as ``a port from 1 to 65535``."""

    expects: str


def _plain_schema(parse: Callable[[Any], Any]) -> CoreSchema:
    """A plain validator whose failure is told by what the annotation expects."""

    def read(value: Any) -> Any:
        try:
            return parse(value)
        except ValueError as error:
            raise PydanticCustomError("unreadable", "unreadable") from error

    return core_schema.no_info_plain_validator_function(read)


@dataclass(frozen=True, eq=False)
class Parsed:
    """Marks an annotation that is read by ``parse``; ``expects`` says what it takes."""

    parse: Callable[[Any], Any]
    expects: str
    editor: JsonSchemaValue

    def __get_pydantic_core_schema__(self, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """A plain validator: anything ``parse`` takes."""
        return _plain_schema(self.parse)

    def __get_pydantic_json_schema__(self, _: Any, handler: GetJsonSchemaHandler) -> Any:
        """What an editor may offer here."""
        return dict(self.editor)


class Scalar:
    """A value that is written as one scalar: ``parse`` reads it, ``plain`` writes it."""

    expects: ClassVar[str]
    editor: ClassVar[JsonSchemaValue]

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Reads a scalar; raises ``ValueError`` when it is not of this kind."""
        raise NotImplementedError

    def plain(self) -> str | int | float:
        """The value as a recipe writes it."""
        raise NotImplementedError

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """A plain validator: a value of this class, or anything ``parse`` takes."""
        return _plain_schema(lambda value: value if isinstance(value, cls) else cls.parse(value))

    @classmethod
    def __get_pydantic_json_schema__(cls, _: Any, handler: GetJsonSchemaHandler) -> Any:
        """What an editor may offer here."""
        return dict(cls.editor)


@dataclass(frozen=True)
class Share(Scalar):
    """A part of a whole: ``10%`` or ``0.1`` (a share), ``500`` (a count), ``3 windows``.

    Attributes:
        share: above 0 and at most 1, or None.
        count: a positive number, or None.
        windows: of series, one step apart; a positive number, or None.
    """

    share: float | None = None
    count: int | None = None
    windows: int | None = None

    expects = "a share (10%), count (500) or windows (3 windows)"
    editor: ClassVar[JsonSchemaValue] = {"type": ["string", "number"]}

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Reads ``10%``, ``0.1``, ``500`` or ``3 windows``; else raises ``ValueError``."""
        if type(value) is int and value > 0:
            return cls(count=value)
        if isinstance(value, str) and (match := re.fullmatch(r"([1-9]\d*)\s*windows?", value)):
            return cls(windows=int(match[1]))
        if isinstance(value, str) and (match := re.fullmatch(r"(\d+\.?\d*|\.\d+)\s*%", value)):
            value = float(Fraction(match[1]) / 100)
        if isinstance(value, float) and 0 < value <= 1:
            return cls(share=value)
        raise ValueError(cls.expects)

    def of(self, total: int, window: int = 1) -> int:
        """How many of ``total`` this is, to the nearest; a count is at most ``total``.

        Args:
            total: rows there are.
            window: rows that the smallest example takes; a share is at least one.
        """
        if self.share is not None:
            return max(round(self.share * total), window)
        if self.windows is not None:
            return min(window + self.windows - 1, total)
        return min(self.count or 0, total)

    def plain(self) -> str | int | float:
        """``10%``, the count or the windows."""
        if self.windows is not None:
            return f"{self.windows} windows"
        if self.share is None:
            return self.count or 0
        text = f"{100 * self.share:.10g}%"
        return text if Share.parse(text) == self else self.share


Unit = Literal["steps", "seconds", "epochs"]

_UNITS: dict[str, tuple[int, Unit]] = {
    **dict.fromkeys(("", "step", "steps"), (1, "steps")),
    **dict.fromkeys(("epoch", "epochs"), (1, "epochs")),
    **dict.fromkeys(("s", "second", "seconds"), (1, "seconds")),
    **dict.fromkeys(("m", "min", "minute", "minutes"), (60, "seconds")),
    **dict.fromkeys(("h", "hour", "hours"), (3600, "seconds")),
}


@dataclass(frozen=True)
class Every(Scalar):
    """How often something happens: every ``value`` steps, seconds or epochs."""

    value: int
    unit: Unit

    expects = "steps (500), a time (10m) or epochs (1 epoch)"
    editor: ClassVar[JsonSchemaValue] = {"type": ["string", "integer"]}

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Reads ``500``, ``500 steps``, ``10m``, ``1 epoch``; raises ``ValueError`` otherwise."""
        text = str(value).strip() if isinstance(value, str) or type(value) is int else ""
        match = re.fullmatch(r"(\d+)\s*([a-z]*)", text)
        if not match or match[2] not in _UNITS or not int(match[1]):
            raise ValueError(cls.expects)
        size, unit = _UNITS[match[2]]
        return cls(int(match[1]) * size, unit)

    def plain(self) -> str | int:
        """``500``, ``10m``, ``2 epochs``."""
        if self.unit == "steps":
            return self.value
        if self.unit == "epochs":
            return f"{self.value} epoch{'s' * (self.value != 1)}"
        sizes = {3600: "h", 60: "m", 1: "s"}
        size = next(each for each in sizes if self.value % each == 0)
        return f"{self.value // size}{sizes[size]}"


def parse_date(value: Any) -> datetime:
    """Reads an ISO 8601 date or date and time: text, or a date of Python or pandas.

    Raises:
        ValueError: when it is none.
    """
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    if isinstance(value, str) and re.match(r"\d{4}-\d\d", value):
        return datetime.fromisoformat(value if len(value) > 7 else f"{value}-01")
    raise ValueError("a date")


Date = Annotated[datetime, Parsed(parse_date, "a date (2017-07-01)", {"type": "string"})]
"""A ``datetime``, written ``2017-07-01``, ``2017-07`` or ``2017-07-01 12:00``."""
