"""Bringing rows from files, or wherever they are, into a table on disk, some thousand at a time."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from toolkit.data.bad_rows import bad_rows
from toolkit.data.cache import DEFAULT_LIMIT
from toolkit.data.columns import Column, column_name, parse_numbers, parse_times, texts
from toolkit.data.cutting import content_hashes
from toolkit.data.entries import entry_key, open_entry, write_index
from toolkit.data.report import raise_all
from toolkit.data.roles import TEXT_KINDS, Role, label_codes, label_role, labels_of, missing_columns
from toolkit.data.shards import stored
from toolkit.data.table import Source, Table
from toolkit.data.table_store import (
    CONTENT,
    LABEL,
    NUMBER,
    OUTLINE,
    ROWS,
    SOURCE,
    StoredTable,
    TableStore,
)
from toolkit.errors import DataError
from toolkit.recipe import SplitOptions

Shape = Literal["text", "labels", "number", "time"]
Parts = Callable[[], Iterator[tuple[int, Table]]]

COMPRESSED = pa.ipc.IpcWriteOptions(compression="lz4")


@dataclass(frozen=True)
class Needs:
    """Which columns are kept on disk, and which of them in memory too.

    Attributes:
        roles: What the task needs.
        split: How the rows will be split.
    """

    roles: tuple[Role, ...]
    split: SplitOptions = field(default_factory=SplitOptions)

    def shapes(self, table: Table) -> dict[str, Shape]:
        """The columns kept, by name, and what their values are turned into."""
        kept: dict[str, Shape] = {}
        for role in self.roles:
            for column in role.columns:
                name = column_name(table, column, f"data.{role.name}")
                shape = _shape(role)
                kept[name] = "text" if "text" in (shape, kept.get(name)) else shape
        for key in ("group", "column"):
            named = getattr(self.split, key)
            if named is not None:
                kept[column_name(table, named, f"data.split.{key}")] = "text"
        if self.split.time is not None:
            kept.setdefault(column_name(table, self.split.time, "data.split.time"), "time")
        if any(source.unit == "file" for source in table.sources):
            kept.setdefault("path", "text")
        return kept

    def in_memory(self, table: Table) -> list[str]:
        """The columns that splitting looks at as a whole."""
        times = [role.columns[0] for role in self.roles if role.kind == "time"]
        columns = [self.split.group, self.split.column, self.split.time, *times]
        found = [column_name(table, column) for column in columns if column is not None]
        return list(dict.fromkeys(found))

    def as_plain(self) -> Mapping[str, Any]:
        """Plain data."""
        columns = {name: getattr(self.split, name) for name in ("group", "column", "time")}
        return {"roles": [asdict(role) for role in self.roles], "split": columns}


def store_table(
    name: str,
    sources: Sequence[Source],
    parts: Parts,
    needs: Needs,
    reading: Mapping[str, Any],
    root: Path | None = None,
    limit: int = DEFAULT_LIMIT,
) -> StoredTable:
    """Opens a table on disk, written first where it is not there yet.

    Args:
        name: What messages call the table.
        sources: The places that the rows come from.
        parts: Gives the rows in order, some thousand at a time, each time with the number of
            their source; called only to write.
        needs: What is kept.
        reading: All else that decides the rows: how files are read; plain data.
        root: The cache; None: the usual one.
        limit: Bytes that the cache may hold.

    Raises:
        DataError: Whatever is wrong with the rows' files; no space left on the disk.
    """
    content = {
        "kind": "table",
        "sources": [[source.sha256, source.unit] for source in sources],
        "needs": needs.as_plain(),
        **reading,
    }
    key = entry_key(content)

    def write(folder: Path) -> None:
        _Writer(folder, name, needs).write(key, parts())

    folder, lock = open_entry(key, write, root, limit)
    return TableStore(folder, lock).table(name, sources)


class _Writer:
    """Writes a table into a folder: its rows as they come, its outline at the end."""

    def __init__(self, folder: Path, name: str, needs: Needs) -> None:
        self.folder, self.name, self.needs = folder, name, needs
        self.columns: dict[str, None] = {}
        self.blocks: list[int] = []
        self.bytes = 0
        self.label_sets = _Numbers()
        self.words: dict[str, _Numbers] = {}
        self.outline: dict[str, list[NDArray[Any]]] = {}
        self.bad: dict[tuple[str, str], list[NDArray[np.int64]]] = {}

    def write(self, key: str, parts: Iterator[tuple[int, Table]]) -> None:
        schema = writer = None
        for source, part in parts:
            table = self._complete(part)
            batch = self._batch(table, source)
            if writer is None:
                schema = batch.schema
                writer = pa.ipc.new_file(str(self.folder / ROWS), schema, options=COMPRESSED)
            writer.write_batch(self._like(batch, schema))
            self.blocks.append(len(table))
            self.bytes += batch.nbytes
        if writer is None:
            raise DataError(f"{self.name}: no rows. Expected at least one.")
        writer.close()
        self._write_outline()
        write_index(
            self.folder,
            [stored(self.folder / file, 0) for file in (ROWS, OUTLINE)],
            key=key,
            kind="table",
            columns=list(self.columns),
            blocks=self.blocks,
            bytes=self.bytes,
            label_sets=list(self.label_sets.known),
            bad=[
                {"what": what, "expected": expected, "rows": np.concatenate(rows).tolist()}
                for (what, expected), rows in self.bad.items()
            ],
        )

    def _complete(self, table: Table) -> Table:
        """The part with all the columns that are kept: a line of JSON may lack some."""
        self.columns.update(dict.fromkeys(table.columns))
        raise_all(missing_columns(table, self.needs.roles))
        lacking = [name for name in self.needs.shapes(table) if name not in table.frame.columns]
        frame = table.frame.assign(**dict.fromkeys(lacking, pd.Series(dtype=object)))
        numbers = (table.source_numbers, table.row_numbers)
        return Table(frame, table.name, table.sources, *numbers, columns=table.all_columns)

    def _batch(self, table: Table, source: int) -> Any:
        """The part's columns for the disk; what is known of its rows is noted."""
        good = self._note_bad(table)
        self._note("content", content_hashes(table, self.needs.roles))
        self._note("label", self._label_codes(table, good))
        self._note("source", np.full(len(table), source, np.int32))
        self._note("number", table.row_numbers)
        shapes = self.needs.shapes(table)
        arrays = {name: self._values(table, name, shape, good) for name, shape in shapes.items()}
        for name in self.needs.in_memory(table):
            values = arrays[name]
            if shapes[name] == "text":
                numbers = self.words.setdefault(name, _Numbers())
                self._note(f"column {name}", numbers.of(values.to_pylist()))
            else:
                self._note(f"column {name}", values.to_numpy(zero_copy_only=False))
        return pa.RecordBatch.from_pydict(arrays)

    def _note(self, name: str, values: NDArray[Any]) -> None:
        self.outline.setdefault(name, []).append(values)

    def _note_bad(self, table: Table) -> NDArray[np.bool_]:
        """Keeps what is wrong; gives a mask of the rows that are good."""
        good = np.ones(len(table), bool)
        for one in bad_rows(table, self.needs.roles):
            rows = np.flatnonzero(one.mask) + sum(self.blocks)
            self.bad.setdefault((one.what, one.expected), []).append(rows)
            good &= ~one.mask
        return good

    def _label_codes(self, table: Table, good: NDArray[np.bool_]) -> NDArray[np.int32]:
        codes = np.zeros(len(table), np.int32)
        role = label_role(self.needs.roles)
        if role is not None and good.any():
            here, sets = label_codes(table.take(good), role)
            codes[good] = self.label_sets.of(sets)[here]
        return codes

    def _values(self, table: Table, name: str, shape: Shape, good: NDArray[np.bool_]) -> Any:
        if shape == "text":
            return pa.array(texts(table, name), pa.string())
        if shape == "number":
            return pa.array(parse_numbers(table.frame[name])[0])
        if shape == "time":
            return pa.array(parse_times(table.frame[name])[0])
        role = label_role([one for one in self.needs.roles if name in _names(table, one.columns)])
        assert role is not None
        rows = iter(labels_of(table.take(good), role))
        return pa.array([list(next(rows)) if one else [] for one in good], pa.list_(pa.string()))

    def _like(self, batch: Any, schema: Any) -> Any:
        if batch.schema == schema:
            return batch
        wrong = [
            f"{one.name} ({other.type})"
            for one, other in zip(schema, batch.schema, strict=True)
            if one.type != other.type
        ]
        raise DataError(
            f"{self.name}: {wrong[0]} is of another type than in the rows before. Expected dates "
            f"alone or numbers alone in a column of times. Received: rows from "
            f"{sum(self.blocks) + 1:,} on."
        )

    def _write_outline(self) -> None:
        names = {"content": CONTENT, "label": LABEL, "source": SOURCE, "number": NUMBER}
        columns: dict[str, Any] = {}
        for name, parts in self.outline.items():
            column = name.removeprefix("column ")
            values = pa.array(np.concatenate(parts))
            if column in self.words and name not in names:
                words = pa.array(list(self.words[column].known), pa.string())
                values = pa.DictionaryArray.from_arrays(values, words)
            columns[names.get(name, column)] = values
        table = pa.table(columns)
        with pa.ipc.new_file(str(self.folder / OUTLINE), table.schema) as writer:
            writer.write_table(table)


class _Numbers:
    """Numbers of values in the order in which they are first seen."""

    def __init__(self) -> None:
        self.known: dict[Any, int] = {}

    def of(self, values: Sequence[Any]) -> NDArray[np.int32]:
        known = self.known
        return np.array([known.setdefault(one, len(known)) for one in values], np.int32)


def _names(table: Table, columns: Sequence[Column]) -> list[str]:
    return [column_name(table, column) for column in columns]


def _shape(role: Role) -> Shape:
    if role.kind == "labels":
        return "number" if len(role.columns) > 1 else "labels"
    if role.kind in TEXT_KINDS:
        return "text"
    return "time" if role.kind == "time" else "number"
