"""One table file of any known format: its rows in chunks, or all of them as a `Table`."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.data.readers import (
    Chunk,
    read_delimited,
    read_json_lines,
    read_parquet,
    read_text,
)
from toolkit.data.table import Source, Table
from toolkit.data.text_files import readable, sha256_of
from toolkit.errors import DataError

EXTENSIONS = (".csv", ".tsv", ".jsonl", ".parquet", ".txt")

# A number written plainly. Text that only resembles one stays text: 007, +1, 1_000, nan.
PLAIN_NUMBER = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$"


@dataclass(frozen=True)
class FileFormat:
    """How a table file is read where its name does not say.

    Attributes:
        header: Whether the first line of a csv or tsv file names the columns.
        delimiter: One character; None: a comma in csv, a tab in tsv.
        quoting: Whether double quotes enclose a field; None: in csv yes, in tsv no, since tsv
            files such as SST-2's hold quotes as plain characters.
        as_text: Columns, by name or number, that stay as they are written (``1.0``, ``2016``);
            any other column whose values are all plain numbers becomes numeric.
        times: Columns of times, by name or number, that are read by `time_format` if there is one.
        time_format: Codes of strftime.
        folder: Where relative paths in its columns start; None: where the file lies.
    """

    header: bool = True
    delimiter: str | None = None
    quoting: bool | None = None
    as_text: Collection[str | int] = ()
    times: Collection[str | int] = ()
    time_format: str | None = None
    folder: Path | None = None

    def by_name(self, names: Sequence[str]) -> "FileFormat":
        """The same for some of a file's columns: those given by number are named."""
        return replace(self, as_text=_named(self.as_text, names), times=_named(self.times, names))

    def frame(self, columns: Any, infer: bool) -> pd.DataFrame:
        """An Arrow table as a data frame: empty text is missing, plain numbers become numeric.

        Args:
            columns: A `pyarrow.Table`.
            infer: Whether text may become numbers at all; only files without types need it.
        """
        names = [str(name) for name in columns.column_names]
        as_written = self.times if self.time_format is not None else ()
        keep = _named((*self.as_text, *as_written), names)
        typed = [
            _typed(column, infer and name not in keep)
            for name, column in zip(names, columns.columns, strict=True)
        ]
        return self.with_times(pd.DataFrame(pa.table(typed, names=names).to_pandas()))

    def with_times(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The frame with its times as `time_format` reads them; what it cannot read stays."""
        if self.time_format is None:
            return frame
        names = [str(name) for name in frame.columns]
        times = _named(self.times, names)
        read = {n: _by_format(frame[n], self.time_format) for n in names if n in times}
        return frame.assign(**read)


def extension(path: Path) -> str:
    """The file's format by its name, ``.gz`` aside: ``.csv`` for ``Reviews.CSV.gz``."""
    plain = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return plain.suffix.lower()


def read_chunks(path: Path, name: str, options: FileFormat) -> Iterator[Chunk]:
    """A file's rows, some thousand at a time, text not yet turned into numbers.

    Args:
        path: The file.
        name: What messages call it.
        options: How to read it.

    Raises:
        DataError: An unknown extension, no rows, or anything wrong in the file.
    """
    rows = 0
    for chunk in _chunks_of_kind(path, name, options):
        rows += len(chunk.row_numbers)
        yield chunk
    if not rows:
        raise DataError(_no_rows(path, name, options))


def _chunks_of_kind(path: Path, name: str, options: FileFormat) -> Iterator[Chunk]:
    kind = extension(path)
    if kind == ".jsonl":
        return read_json_lines(path, name)
    if kind == ".parquet":
        return read_parquet(path, name)
    if kind == ".txt":
        return read_text(path, name)
    if kind in (".csv", ".tsv"):
        return read_delimited(
            path,
            name,
            delimiter=options.delimiter or ("," if kind == ".csv" else "\t"),
            quoting=kind == ".csv" if options.quoting is None else options.quoting,
            header=options.header,
        )
    raise DataError(
        f"{name}: unknown kind of file. Expected {', '.join(EXTENSIONS)}, or one of them with "
        f".gz. Received: {kind or 'no extension'}."
    )


def read_file(path: Path, name: str, options: FileFormat) -> Table:
    """Reads a whole file.

    Raises:
        DataError: An unknown extension, no rows, or anything wrong in the file.
    """
    with readable(path, name):
        digest = sha256_of(path)
    chunks = list(read_chunks(path, name, options))
    columns = _join([chunk.columns for chunk in chunks])
    frame = options.frame(columns, infer=extension(path) in (".csv", ".tsv"))
    source = file_source(path, name, digest, options)
    return Table.from_source(frame, source, np.concatenate([c.row_numbers for c in chunks]))


def file_source(path: Path, name: str, digest: str, options: FileFormat) -> Source:
    """A file as a place that rows come from."""
    unit = "row" if extension(path) == ".parquet" else "line"
    return Source(name, unit, digest, options.folder or path.parent)


def _by_format(written: "pd.Series[Any]", time_format: str) -> "pd.Series[Any]":
    if pd.api.types.is_datetime64_any_dtype(written):
        return written
    times = pd.to_datetime(written.astype("string"), format=time_format, errors="coerce")
    read = times.notna() | written.isna()
    return times if read.all() else times.astype(object).where(read, written)


def _named(columns: Iterable[str | int], names: Sequence[str]) -> set[str | int]:
    """Columns by their names, where they are given by number."""
    return {names[c] if isinstance(c, int) and c < len(names) else c for c in columns}


def _typed(column: Any, infer: bool) -> Any:
    if not pa.types.is_string(column.type) and not pa.types.is_large_string(column.type):
        return column
    column = pc.if_else(pc.equal(column, ""), None, column)
    if not infer or not _plain_numbers(column):
        return column
    try:
        return column.cast(pa.int64())
    except pa.ArrowInvalid:
        return column.cast(pa.float64())


def _plain_numbers(column: Any) -> bool:
    some = column.slice(0, 100)  # settles nearly every column of text
    return column.null_count < len(column) and all(
        pc.all(pc.match_substring_regex(part, PLAIN_NUMBER)).as_py() in (True, None)
        for part in (some, column)
    )


def _join(tables: list[Any]) -> Any:
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        # A JSON column that is text in one chunk and numbers in another.
        return pa.concat_tables([_all_text(table) for table in tables], promote_options="default")


def _all_text(table: Any) -> Any:
    return table.cast(pa.schema([(name, pa.string()) for name in table.column_names]))


def _no_rows(path: Path, name: str, options: FileFormat) -> str:
    """What to say of a file that has no rows."""
    if path.stat().st_size == 0:
        return f"{name}: the file is empty. Expected rows."
    if extension(path) in (".csv", ".tsv") and options.header:
        return f"{name}: no rows below the header. Expected at least one."
    return f"{name}: no rows. Expected at least one."
