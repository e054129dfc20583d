"""Whatever is to be answered, as tables of some thousand rows in order."""

from __future__ import annotations

import csv
import io
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd

from toolkit.data import audio
from toolkit.data.files import EXTENSIONS, extension, file_source, read_chunks
from toolkit.data.placement import open_on_disk, place
from toolkit.data.report import raise_all
from toolkit.data.roles import Role, missing_columns
from toolkit.data.sources import Opening, file_format, open_table, resolve
from toolkit.data.storing import Needs
from toolkit.data.table import Source, Table
from toolkit.data.text_files import open_bytes, readable
from toolkit.data.video_files import is_video
from toolkit.errors import ArgumentError, DataError
from toolkit.recipe import DataOptions

Inputs = str | os.PathLike[str] | pd.DataFrame | Iterable[str | Mapping[str, Any]]


class InputReader:
    """Reads new inputs as the recipe's data section says.

    Args:
        data: the recipe's section.
        roles: the roles that are inputs, labels left out.
        optional: roles of columns that inputs may have besides.
        rows: rows of a table, the last one aside.
    """

    def __init__(
        self,
        data: DataOptions,
        roles: Sequence[Role],
        optional: Sequence[Role] = (),
        rows: int = 4096,
    ) -> None:
        self.data = data
        self.roles = roles
        self.rows = rows
        self.format = file_format(data, [*roles, *optional])
        self.opening = Opening(format=self.format, data_dir=data.data_dir)

    def tables(self, inputs: Inputs) -> Iterator[Table]:
        """Yield tables of the inputs.

        Args:
            inputs: a file or another data name, a ``DataFrame``, or an iterable of texts or of
                mappings from columns to values.

        Raises:
            DataError: they cannot be read, or a column is missing.
        """
        for table in self._tables(inputs):
            raise_all(missing_columns(table, self.roles))
            yield table

    def _tables(self, inputs: Inputs) -> Iterator[Table]:
        if not self.data.rows_alone:
            return iter([self._joined(inputs)])
        if isinstance(inputs, pd.DataFrame):
            return self._cut(open_table(inputs, self.opening))
        if not isinstance(inputs, str | os.PathLike):
            return self._from_items(inputs)
        path = Path(os.path.expandvars(os.path.expanduser(os.fspath(inputs))))
        if path.is_file() and self._is_lines(path):
            return self._from_lines(path, os.fspath(inputs))
        if self._is_example(path):
            return self._from_items([os.fspath(path)])
        if extension(path) in EXTENSIONS and path.is_file():
            return self._from_file(resolve(inputs, Path()), os.fspath(inputs))
        return self._cut(open_table(inputs, self.opening))

    def _joined(self, inputs: Inputs) -> Table:
        """All rows as one table, where examples are made of several."""
        if isinstance(inputs, str | os.PathLike | pd.DataFrame):
            return open_table(inputs, self.opening)
        items = list(inputs)
        if not items:
            raise DataError("inputs: no rows. Expected at least one.")
        source = Source("inputs", "item", "")
        return Table.from_source(self._frame(items), source, range(1, len(items) + 1))

    def _is_example(self, path: Path) -> bool:
        """Whether a file is itself an input, not a table of inputs."""
        only = self.roles[0].kind if len(self.roles) == 1 else None
        if only == "audio":
            return path.suffix.lower() in audio.SUFFIXES
        return only == "video" and is_video(path)

    def whole(self, inputs: Inputs) -> Table:
        """Return the inputs as one table, on disk if large, for what needs to see all of them."""
        if isinstance(inputs, str | os.PathLike | pd.DataFrame):
            if place(self.data, [inputs], self.opening).where == "memory":
                return open_table(inputs, self.opening)
            return open_on_disk(inputs, self.opening, "train", Needs(tuple(self.roles)))
        raise ArgumentError(f"Expected a file or a DataFrame. Received: {type(inputs).__name__}.")

    def _cut(self, table: Table) -> Iterator[Table]:
        for start in range(0, len(table), self.rows):
            yield table.take(range(start, min(start + self.rows, len(table))))

    def _is_lines(self, path: Path) -> bool:
        """Whether a file is plain text, a line an input: for a task that takes one text.

        A file of another kind than tables is; so is a .txt file, unless its own column is asked
        for.
        """
        if len(self.roles) != 1 or self.roles[0].kind != "text":
            return False
        kind = extension(path)
        return kind not in EXTENSIONS or (kind == ".txt" and self.roles[0].column != "text")

    def _from_lines(self, path: Path, name: str) -> Iterator[Table]:
        with readable(path, name), open_bytes(path) as stream:
            yield from self._from_items(line.rstrip("\r\n") for line in _decoded(stream, name))

    def _from_file(self, path: Path, name: str) -> Iterator[Table]:
        source = file_source(path, name, "", self.format)
        for chunk in read_chunks(path, name, self.format):
            frame = self.format.frame(chunk.columns, infer=False)
            yield from self._cut(Table.from_source(frame, source, chunk.row_numbers))

    def _from_items(self, items: Iterable[str | Mapping[str, Any]]) -> Iterator[Table]:
        remaining = iter(items)
        source = Source("inputs", "item", "")
        for first in itertools.count(1, self.rows):
            block = list(itertools.islice(remaining, self.rows))
            if not block:
                return
            yield Table.from_source(self._frame(block), source, range(first, first + len(block)))

    def _frame(self, items: Sequence[str | Mapping[str, Any]]) -> pd.DataFrame:
        if all(isinstance(item, Mapping) for item in items):
            records = [dict(item) for item in items]  # type: ignore[arg-type]
            return self.format.with_times(pd.DataFrame.from_records(records))
        wrong = next((item for item in items if not isinstance(item, str)), None)
        if wrong is not None:
            raise ArgumentError(f"Expected texts, or mappings by column. Received: {wrong!r}.")
        if len(self.roles) != 1:
            names = ", ".join(str(column) for role in self.roles for column in role.columns)
            raise ArgumentError(f"Expected mappings with the columns {names}. Received: texts.")
        column = self.roles[0].columns[0]
        if isinstance(column, str):
            return pd.DataFrame({column: list(items)}, dtype=object)
        blank = {str(number): [""] * len(items) for number in range(column)}
        return pd.DataFrame({**blank, str(column): list(items)}, dtype=object)

    def lines(self, stream: BinaryIO, name: str = "stdin") -> Iterator[str | dict[str, str]]:
        """Yield the rows of a csv stream whose first line names the columns, else its lines.

        Raises:
            DataError: a line that is not UTF-8.
        """
        lines = _decoded(stream, name)
        first = next(lines, None)
        if first is None:
            return
        if not self._is_header(first):
            yield from (line.rstrip("\r\n") for line in itertools.chain([first], lines))
            return
        delimiter = self.format.delimiter or ","
        yield from csv.DictReader(itertools.chain([first], lines), delimiter=delimiter)

    def _is_header(self, line: str) -> bool:
        fields = next(csv.reader(io.StringIO(line), delimiter=self.format.delimiter or ","), [])
        wanted = [column for role in self.roles for column in role.columns]
        return self.format.header and all(column in fields for column in wanted)


def input_roles(roles: Iterable[Role], inputs: Iterable[str]) -> list[Role]:
    """The roles that a model takes: those named by its signature."""
    names = set(inputs)
    return [role for role in roles if role.name in names]


def _decoded(stream: BinaryIO, name: str) -> Iterator[str]:
    for number, line in enumerate(stream, start=1):
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{name}, line {number}: invalid UTF-8. Expected UTF-8 text. "
                f"Received: byte 0x{line[error.start]:02x} at byte {error.start + 1}."
            ) from error
