"""Readers of the file formats: each yields chunks of rows with their numbers in the file.

Chunks keep memory flat: a file of any size is read in one pass, some rows at a time.
"""

import contextlib
import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from toolkit.data.text_files import open_bytes, open_lines, readable
from toolkit.errors import DataError

ROWS_PER_CHUNK = 10_000
QUOTES_HINT = " (a field that holds a comma needs double quotes around it)"


class Chunk(NamedTuple):
    """Some consecutive rows of a file: their columns, and (rows,) their numbers in it."""

    columns: Any  # pyarrow.Table
    row_numbers: NDArray[np.int64]


def read_delimited(
    path: Path, name: str, *, delimiter: str, quoting: bool, header: bool
) -> Iterator[Chunk]:
    """Reads comma- or tab-separated values, every one as text.

    Blank lines are no rows, except in a file of one column, where they are empty values.

    Args:
        path: The file.
        name: What messages call it.
        delimiter: One character.
        quoting: Whether double quotes enclose a field (RFC 4180) or are plain characters.
        header: Whether the first line names the columns; else they are named ``0``, ``1``, ...

    Raises:
        DataError: No rows, a line with another number of fields, a name twice in the header,
            a quote that is never closed, invalid UTF-8.
    """
    with readable(path, name), open_lines(path) as file:
        rows = _numbered_rows(file, name, delimiter, quoting)
        first_line, first = next(rows, (0, []))
        if not first:
            raise DataError(f"{name}: the file is empty. Expected a header line and rows.")
        names = _header_names(first, name, first_line) if header else _numbers(len(first))
        body = rows if header else chain([(first_line, first)], rows)
        whole = _same_width(body, names, name, header, quoting)
        yield from _chunks(whole, lambda block: pa.table(_text_columns(names, block)))


def read_json_lines(path: Path, name: str) -> Iterator[Chunk]:
    """Reads one JSON object a line; a key that a line lacks is missing there.

    Raises:
        DataError: A line that is no JSON object, with its number; invalid UTF-8.
    """
    with readable(path, name), open_lines(path) as file:
        objects = (
            (number, _json_object(line, name, number))
            for number, line in enumerate(file, start=1)
            if not line.isspace()
        )
        yield from _chunks(objects, _columns_of_objects)


def read_text(path: Path, name: str) -> Iterator[Chunk]:
    """Reads plain text, one row a line, into the column ``text``."""
    with readable(path, name), open_lines(path) as file:
        lines = ((number, line.rstrip("\r\n")) for number, line in enumerate(file, start=1))
        yield from _chunks(lines, lambda block: pa.table({"text": pa.array(block, pa.string())}))


def read_parquet(path: Path, name: str) -> Iterator[Chunk]:
    """Reads a Parquet file; rows are counted from 1."""
    with readable(path, name):
        source: Path | io.BytesIO = path
        if path.suffix == ".gz":
            with open_bytes(path) as packed:
                source = io.BytesIO(packed.read())
        try:
            with contextlib.closing(pq.ParquetFile(source)) as file:
                start = 1
                for batch in file.iter_batches(ROWS_PER_CHUNK):
                    yield Chunk(
                        pa.Table.from_batches([batch]), np.arange(start, start + len(batch))
                    )
                    start += len(batch)
        except pa.ArrowInvalid as error:
            raise DataError(
                f"{name}: not a Parquet file, or a damaged one. Received: {str(error).rstrip('.')}."
            ) from error


def _chunks(rows: Iterable[tuple[int, Any]], to_columns: Callable[[Any], Any]) -> Iterator[Chunk]:
    numbers: list[int] = []
    block: list[Any] = []
    for number, row in rows:
        numbers.append(number)
        block.append(row)
        if len(block) == ROWS_PER_CHUNK:
            yield Chunk(to_columns(block), np.asarray(numbers))
            numbers, block = [], []
    if block:
        yield Chunk(to_columns(block), np.asarray(numbers))


def _numbered_rows(
    file: io.TextIOWrapper, name: str, delimiter: str, quoting: bool
) -> Iterator[tuple[int, list[str]]]:
    """Each row with the number of the line it begins on; a quoted field may span lines."""
    csv.field_size_limit(2**31 - 1)  # the module's own limit, 128 KiB, is less than a long text
    if quoting:
        rows = csv.reader(file, delimiter=delimiter, strict=True)
    else:
        rows = csv.reader(file, delimiter=delimiter, quoting=csv.QUOTE_NONE, strict=True)
    line = 1
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(
                f"{name}, line {line}: the quotes do not match. Expected a quoted field to be "
                f'closed, and quotes inside it to be doubled (""). Received: {error}.'
            ) from error
        yield line, row
        line = rows.line_num + 1


def _header_names(row: Sequence[str], name: str, line: int) -> list[str]:
    names = [field.strip() or str(number) for number, field in enumerate(row)]
    twice = [field for field, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(
            f"{name}, line {line}: the header names {twice[0]!r} {names.count(twice[0])} times. "
            f"Expected each column name once. Received: {', '.join(names)}."
        )
    return names


def _numbers(count: int) -> list[str]:
    return [str(number) for number in range(count)]


def delimiter_hint(names: Sequence[str]) -> str:
    """What a header of one name that holds another delimiter probably means; else nothing."""
    separator = next((one for one in ";\t|" if one in names[0]), None)
    if len(names) > 1 or separator is None:
        return ""
    return f" Are the columns separated by {separator!r}? 'delimiter' says so."


def _same_width(
    rows: Iterable[tuple[int, list[str]]],
    names: Sequence[str],
    name: str,
    header: bool,
    quoting: bool,
) -> Iterator[tuple[int, list[str]]]:
    """Passes rows on; raises at the first whose number of fields is not the header's."""
    width = len(names)
    for line, row in rows:
        if len(row) == width:
            yield line, row
        elif row:
            origin = "as in the header" if header else "as in the first line"
            hint = f"{QUOTES_HINT if quoting else ''}.{delimiter_hint(names)}"
            raise DataError(
                f"{name}, line {line}: wrong number of fields{hint} "
                f"Expected {width}, {origin}. Received: {len(row)}."
            )
        elif width == 1:
            yield line, [""]


def _text_columns(names: Sequence[str], block: Sequence[Sequence[str]]) -> dict[str, Any]:
    fields = zip(*block, strict=True)
    return {name: pa.array(field, pa.string()) for name, field in zip(names, fields, strict=True)}


def _json_object(line: str, name: str, number: int) -> dict[str, Any]:
    try:
        value = json.loads(line.rstrip())
    except json.JSONDecodeError as error:
        raise DataError(
            f"{name}, line {number}: not JSON ({error.msg} at column {error.colno}). "
            f"Expected one JSON object a line. Received: {line[:40].rstrip()!r}."
        ) from error
    if not isinstance(value, dict):
        raise DataError(
            f"{name}, line {number}: not a JSON object. Expected {{...}} on each line. "
            f"Received: {line[:40].rstrip()!r}."
        )
    return value


def _columns_of_objects(objects: Sequence[dict[str, Any]]) -> Any:
    names = dict.fromkeys(chain.from_iterable(objects))
    return pa.table({name: _json_column([row.get(name) for row in objects]) for name in names})


def _json_column(values: Sequence[Any]) -> Any:
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array([_as_text(value) for value in values], pa.string())


def _as_text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)
