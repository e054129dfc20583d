"""Where the rows of a recipe's data are held, in memory or on disk, and how they get there."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from toolkit.data.files import extension, file_source, read_chunks
from toolkit.data.readers import Chunk
from toolkit.data.report import raise_all
from toolkit.data.roles import INPUT_KINDS, missing_columns
from toolkit.data.rows_left import RowsLeft, count_rows
from toolkit.data.sources import (
    Data,
    Opening,
    joined_name,
    open_table,
    require_same_columns,
    table_files,
)
from toolkit.data.storing import Needs, store_table
from toolkit.data.table import Source, Table
from toolkit.data.text_files import readable, sha256_of
from toolkit.errors import DataError
from toolkit.recipe import DataOptions

PREPARE_ABOVE = 500_000_000  # bytes; text takes several times its size in memory
PACKED = 3  # times its size on disk that compressed data is taken to be
CHUNK = 10_000  # rows

Tick = Callable[[str, int, int], None]
"""Called with what is done, how much of it and of how much."""


Where = Literal["disk", "memory"]


@dataclass(frozen=True)
class Placement:
    """Where rows are held.

    Attributes:
        where: ``disk`` or ``memory``.
        reason: Why.
    """

    where: Where
    reason: str


IN_MEMORY = Placement("memory", "the rows were given")


def place(options: DataOptions, data: Sequence[Data], opening: Opening) -> Placement:
    """Settles where the rows of all of `data` together are held.

    Args:
        options: The recipe's data section.
        data: What it names, or other data for the same task.
        opening: How it is opened.
    """
    if options.prepare != "auto":
        where: Where = "disk" if options.prepare == "always" else "memory"
        return Placement(where, f"data.prepare is {options.prepare}")
    if not options.rows_alone:
        return Placement("memory", "this task's examples are made of several rows")
    if not options.rows_large:
        return Placement("memory", "this task's rows name files")
    sizes = [size for one in data for size in _sizes(one, opening)]
    known = f"the files hold about {sum(sizes) / 1e6:,.0f} MB"
    if sum(sizes) > PREPARE_ABOVE:
        return Placement("disk", f"{known}, more than {PREPARE_ABOVE / 1e6:,.0f} MB")
    return Placement("memory", known if sizes else "the data is no table file")


def open_on_disk(
    data: Data, opening: Opening, split: str, needs: Needs, tick: Tick | None = None
) -> Table:
    """Opens data as a table whose rows lie on disk, in the cache.

    Files are read some thousand rows at a time. Other data is opened as a whole first.

    Args:
        data: As in `open_table`.
        opening: How to open it.
        split: The split of a name that does not name one.
        needs: Which columns are kept.
        tick: Told how far it is.

    Raises:
        DataError: Whatever is wrong with it; no space left on the disk.
    """
    files = table_files(data, opening)
    if files is None:
        whole = open_table(data, opening, split)
        return store_table(whole.name, whole.sources, lambda: _cut(whole), needs, {})
    sources = []
    for path, name in files:
        with readable(path, name):
            sources.append(file_source(path, name, sha256_of(path), opening.format))
    parts = _Files(files, sources, opening, needs, tick)
    reading = {"format": asdict(opening.format), "kinds": [extension(path) for path, _ in files]}
    return store_table(joined_name([name for _, name in files]), sources, parts, needs, reading)


class _Files:
    """The rows of files in order, the needed columns alone."""

    def __init__(
        self,
        files: Sequence[tuple[Path, str]],
        sources: Sequence[Source],
        opening: Opening,
        needs: Needs,
        tick: Tick | None,
    ) -> None:
        self.files, self.sources, self.format, self.needs = files, sources, opening.format, needs
        self.tick = tick or (lambda what, done, total: None)
        self.seen: dict[str, None] = {}  # a line of JSON may lack columns that others have

    def __call__(self) -> Iterator[tuple[int, Table]]:
        left = RowsLeft([count_rows(path) for path, _ in self.files])
        for number, (path, name) in enumerate(self.files):
            rows = 0
            for chunk in read_chunks(path, name, self.format):
                table = self._table(chunk, self.sources[number], extension(path))
                rows += len(table)
                yield number, table
                self.tick("rows read", *left.after(number, rows))

    def _table(self, chunk: Chunk, source: Source, kind: str) -> Table:
        names = [str(column) for column in chunk.columns.column_names]
        if self.seen and kind != ".jsonl":
            require_same_columns(names, source.name, list(self.seen), self.sources[0].name)
        self.seen.update(dict.fromkeys(names))
        wanted = [name for name in self._wanted(source) if name in names]
        written = self.format.by_name(names)
        frame = written.frame(chunk.columns.select(wanted), infer=kind in (".csv", ".tsv"))
        places = np.zeros(len(frame), np.int32)
        return Table(frame, source.name, [source], places, chunk.row_numbers, list(self.seen))

    def _wanted(self, source: Source) -> list[str]:
        """The columns to keep; all where no input tells rows apart."""
        empty = Table(pd.DataFrame(), source.name, [source], [], [], list(self.seen))
        raise_all(missing_columns(empty, self.needs.roles))
        if any(role.kind in INPUT_KINDS for role in self.needs.roles):
            return list(self.needs.shapes(empty))
        return empty.columns


def _cut(table: Table) -> Iterator[tuple[int, Table]]:
    for number, _ in enumerate(table.sources):
        for part in table.take(table.source_numbers == number).chunks(CHUNK):
            yield number, part


def _sizes(data: Data, opening: Opening) -> list[int]:
    """About how many bytes of text each file holds; none for what cannot be opened."""
    try:
        paths = [path for path, _ in table_files(data, opening) or []]
        return [path.stat().st_size * (PACKED if _is_packed(path) else 1) for path in paths]
    except (DataError, OSError):
        return []  # whoever opens it says what is wrong


def _is_packed(path: Path) -> bool:
    return path.suffix == ".gz" or extension(path) == ".parquet"
