"""The data section that every task's own is built on."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from toolkit.recipe.scalars import Date, Expects, Parsed, Share
from toolkit.recipe.section import Auto, Refusal, Section


def is_table(value: Any) -> bool:
    """Whether ``value`` is a pandas ``DataFrame``, found without importing pandas."""
    return any(
        each.__name__ == "DataFrame" and each.__module__.split(".")[0] == "pandas"
        for each in type(value).__mro__
    )


def parse_table(value: Any) -> Any:
    """Passes a pandas ``DataFrame`` through; raises ``ValueError`` for anything else."""
    if not is_table(value):
        raise ValueError("a DataFrame")
    return value


def _path_text(value: Any) -> Any:
    return os.fspath(value) if isinstance(value, os.PathLike) else value


@dataclass(frozen=True)
class PathMark:
    """Marks text that names data: relative to the recipe's folder, with ``$TOOLKIT_DATA``."""

    expects: ClassVar[str] = "a path"


Column = Annotated[str | Annotated[int, Field(ge=0)], Expects("a column's name or number")]
"""A column by its name, or by its number (from 0) with ``header: none``."""

DataPath = Annotated[str, Field(min_length=1), BeforeValidator(_path_text), PathMark()]
"""A file, folder, glob, ``tfds:name``, ``demo:name`` or URL; relative to the recipe's folder."""

TIME_FORMAT_EXPECTED = "codes of strftime that say a year at least, such as '%d/%m/%Y'"


def parse_time_format(value: Any) -> str:
    """Passes codes of strftime through; raises ``ValueError`` for what cannot tell years apart."""
    example = datetime(1999, 11, 30)
    written = example.strftime(value) if isinstance(value, str) else ""
    if datetime.strptime(written, str(value)).year != example.year:
        raise ValueError(TIME_FORMAT_EXPECTED)
    return str(value)


TimeFormat = Annotated[
    Any, Parsed(parse_time_format, TIME_FORMAT_EXPECTED, {"type": "string", "minLength": 2})
]

DataFrame = Annotated[Any, Parsed(parse_table, "a DataFrame", {"not": {}})]

Source = DataPath | Annotated[tuple[DataPath, ...], Field(min_length=1)] | DataFrame
"""Data: one path, several, or a pandas ``DataFrame``."""


class SplitOptions(Section):
    """How validation and test rows are cut out of the training data."""

    short: ClassVar[str | None] = "validation"

    validation: Share | Date | None = Field(
        None,
        description="Share (10%) or count of rows for validation, windows (3 windows) of each "
        "series, or the date it begins.",
    )
    test: Share | Date | None = Field(
        None,
        description="Share (10%) or count of rows for the test, windows (3 windows) of each "
        "series, or the date it begins.",
    )
    end: Date | None = Field(
        None, description="In a split by date: rows from this date on are in no part."
    )
    stratify: Auto | bool = Field(
        "auto", description="Keep the labels' proportions in every part, where there are labels."
    )
    group: Column | None = Field(
        None, description="Column whose equal values stay in one part, such as a user or a speaker."
    )
    column: Column | None = Field(
        None, description="Column that says train, validation or test for each row."
    )
    test_value: Annotated[str | int, Expects("a value of the column")] | None = Field(
        None,
        description="With column: what it says of test rows, such as the number of a fold; the "
        "others are for training, validation is cut out of them.",
    )
    time: Column | None = Field(
        None, description="Column of dates for a split by date; shares then cut in order of time."
    )
    seed: int = Field(0, ge=0, description="Draws the rows; apart from run.seed on purpose.")

    def refusals(self) -> Iterator[Refusal]:
        """Yield what does not go together."""
        yield from super().refusals()
        parts = {name: getattr(self, name) for name in ("validation", "test")}
        written = {name: part for name, part in parts.items() if part is not None}
        if self.test_value is not None and self.column is None:
            yield Refusal("test_value", "there is no column that could hold it; give column too")
        if self.test_value is not None and "test" in written:
            yield Refusal("test", "test_value already says which rows these are")
        if self.column is not None and written and self.test_value is None:
            yield Refusal(next(iter(written)), "the split column already says which rows these are")
        if len({isinstance(part, datetime) for part in written.values()}) > 1:
            yield Refusal("test", "a date and a share do not mix; give two dates or two shares")
        if isinstance(self.validation, datetime) and isinstance(self.test, datetime):
            wrong = "the test must begin after the validation"
            yield from _order("test", self.validation, self.test, wrong)
        if self.end is not None and not isinstance(self.test, datetime):
            yield Refusal("end", "the end of a split by date wants the date of the test too")
        if self.end is not None and isinstance(self.test, datetime):
            yield from _order("end", self.test, self.end, "the end must come after the test begins")
        if sum(part.share or 0 for part in written.values() if isinstance(part, Share)) >= 1:
            yield Refusal(next(iter(written)), "the shares leave no rows for training")


def _order(key: str, first: datetime, second: datetime, wrong: str) -> Iterator[Refusal]:
    if (first.tzinfo is None) != (second.tzinfo is None):
        yield Refusal(key, "one date has a time zone, the other has none")
    elif first >= second:
        yield Refusal(key, wrong)


class DataOptions(Section):
    """Where the rows come from; a task's own section adds the columns by their role."""

    short: ClassVar[str | None] = "train"
    rows_alone: ClassVar[bool] = True
    """Whether each row is an example without the others; if not, all rows stay in memory."""
    rows_large: ClassVar[bool] = True
    """Whether rows may hold much; those that only name files stay in memory."""

    train: Source = Field(
        description="Training data: a file (.csv .tsv .jsonl .parquet .txt, also .gz), a list or "
        "glob of them, a folder, tfds:NAME or demo:NAME; in Python also a DataFrame."
    )
    validation: Source | None = Field(None, description="Validation data, named like train.")
    test: Source | None = Field(None, description="Test data, named like train.")
    split: SplitOptions | None = Field(
        None, description="Cuts validation and test out of train; else the task's usual shares."
    )
    header: Literal["infer", "none"] = Field(
        "infer", description="none: the file has no header line and columns go by number, from 0."
    )
    delimiter: str | None = Field(
        None, min_length=1, description="Between columns; else from the file's name."
    )
    time_format: TimeFormat | None = Field(
        None,
        description="How times are written: codes of strftime, such as '%d/%m/%Y' or "
        "'%m/%d/%Y %H:%M'; else year, month and day, 2017-07-01 12:00, or 01.07.2017.",
    )
    data_dir: DataPath | None = Field(
        None, description="Folder of prepared TensorFlow Datasets, for tfds:NAME."
    )
    skip_bad_rows: bool = Field(
        False, description="Skip rows that cannot be used, count and list them; else an error."
    )
    prepare: Literal["auto", "always", "never"] = Field(
        "auto",
        description="Keep rows and examples on disk, in the cache, instead of in memory; auto: "
        "where the files are larger than 500 MB together (.gz and .parquet count three times). "
        "Vocabularies and scalers are then fitted on a sample of the rows.",
    )
    limit: int | None = Field(None, ge=1, description="Use only the first rows of each split.")

    def refusals(self) -> Iterator[Refusal]:
        """Yield what does not go together."""
        yield from super().refusals()
        if self.prepare == "always" and not self.rows_alone:
            yield Refusal(
                "prepare", "this task's examples are made of several rows, which stay in memory"
            )
        if self.prepare == "always" and not self.rows_large:
            yield Refusal("prepare", "this task's rows name files and stay in memory")
        given = [name for name in ("validation", "test") if getattr(self, name) is not None]
        for name in given:
            if self.split is not None and getattr(self.split, name) is not None:
                yield Refusal(f"split.{name}", f"data.{name} already gives these rows")
