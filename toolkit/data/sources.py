"""Opening whatever a recipe may call data: files, folders, named data sets, data frames."""

import glob
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from toolkit.data.aligned import open_aligned
from toolkit.data.demo import DEMO_PREFIX, open_demo
from toolkit.data.files import EXTENSIONS, FileFormat, extension, read_chunks, read_file
from toolkit.data.folders import open_folder
from toolkit.data.hashing import frame_sha256
from toolkit.data.roles import Role, text_columns
from toolkit.data.table import Source, Table, concatenate
from toolkit.data.text_files import near
from toolkit.data.tfds_source import TFDS_PREFIX, open_tfds
from toolkit.errors import DataError
from toolkit.recipe import DataOptions, SplitOptions

Data = (
    str
    | os.PathLike[str]
    | pd.DataFrame
    | Sequence[str | os.PathLike[str]]
    | Mapping[str, str | os.PathLike[str]]
)


@dataclass(frozen=True)
class Opening:
    """How data is opened.

    Attributes:
        folder: Where relative paths start: the recipe's folder.
        format: How table files are read where their names do not say.
        data_dir: Where TFDS keeps its data; None: its own default.
    """

    folder: Path = Path()
    format: FileFormat = field(default_factory=FileFormat)
    data_dir: str | None = None


def open_table(data: Data, opening: Opening | None = None, split: str = "train") -> Table:
    """Opens data as one table.

    Args:
        data: A file (``.csv .tsv .jsonl .parquet .txt``, also ``.gz``), a glob, a list of files
            and globs, a folder that holds a folder for each class, ``tfds:name[/config][:split]``,
            ``demo:name[:split]``, a data frame, or a mapping from columns to plain text files
            whose line n belongs to line n of the others.
        opening: How to open it; None: paths start here, files have a header line.
        split: The split of a ``tfds:`` or ``demo:`` name that does not name one.

    Raises:
        DataError: Whatever is wrong with it; the message names the file and the line.
    """
    opening = opening or Opening()
    if isinstance(data, pd.DataFrame):
        return from_frame(data, opening.format)
    if isinstance(data, Mapping):
        return open_aligned({column: _named(file, opening) for column, file in data.items()})
    if isinstance(data, str) and data.startswith(TFDS_PREFIX):
        return open_tfds(data, split, opening.data_dir)
    if isinstance(data, str) and data.startswith(DEMO_PREFIX):
        return open_demo(data, split)
    if isinstance(data, str | os.PathLike):
        path = resolve(data, opening.folder)
        if path.is_dir():
            return open_folder(path, _name(path, opening.folder))
    files = table_files(data, opening)
    assert files is not None
    return _open_files(files, opening)


def column_names(data: Data, opening: Opening) -> list[str]:
    """The columns of a data frame or of the first of several table files; none of other data."""
    if isinstance(data, pd.DataFrame):
        return [str(column) for column in data.columns]
    for path, name in table_files(data, opening) or ():
        for chunk in read_chunks(path, name, opening.format):
            return [str(column) for column in chunk.columns.column_names]
    return []


def from_frame(frame: pd.DataFrame, options: FileFormat | None = None) -> Table:
    """A data frame as a table; its rows are counted from 0, as ``frame.iloc`` does.

    Args:
        frame: The rows.
        options: How its times are read, and where relative paths in its columns start; None: as
            they are written, and in the working folder.

    Raises:
        DataError: No rows, or two columns of one name.
    """
    name = "DataFrame"
    if frame.empty:
        raise DataError(f"{name}: no rows. Expected at least one. Received: shape={frame.shape}.")
    names = [str(column) for column in frame.columns]
    twice = next((column for column in names if names.count(column) > 1), None)
    if twice is not None:
        raise DataError(
            f"{name}: {names.count(twice)} columns are named {twice!r}. "
            f"Expected each column name once. Received: {', '.join(names)}."
        )
    options = options or FileFormat()
    copy = options.with_times(frame.set_axis(names, axis="columns").reset_index(drop=True))
    source = Source(name, "row", frame_sha256(copy), options.folder or Path())
    return Table.from_source(copy, source, range(len(copy)))


def file_format(data: DataOptions, roles: Sequence[Role]) -> FileFormat:
    """How a recipe's files are read, whose columns have these roles."""
    split = data.split or SplitOptions()
    parts = [column for column in (split.group, split.column) if column is not None]
    times = [column for role in roles if role.kind == "time" for column in role.columns]
    folder = getattr(data, "folder", None)
    return FileFormat(
        header=data.header != "none",
        delimiter=data.delimiter,
        as_text=[*text_columns(roles), *parts],
        times=times if split.time is None else [*times, split.time],
        time_format=data.time_format,
        folder=None if folder is None else resolve(folder, Path()),
    )


def resolve(data: str | os.PathLike[str], folder: Path) -> Path:
    """A path of a recipe: ``~`` and variables such as ``$TOOLKIT_DATA`` put in.

    Raises:
        DataError: A variable that is not set; a remote address.
    """
    if "://" in os.fspath(data):
        raise DataError(
            f"{os.fspath(data)}: a remote address. Expected a file or folder of this machine, or "
            f"'{TFDS_PREFIX}NAME'; copy the data here first."
        )
    text = os.path.expandvars(os.path.expanduser(os.fspath(data)))
    if "$TOOLKIT_DATA" in text:
        raise DataError(
            f"{os.fspath(data)}: the environment variable TOOLKIT_DATA is not set. "
            f"Expected it to name the folder that holds your data."
        )
    return folder / text


def table_files(data: Data, opening: Opening) -> list[tuple[Path, str]] | None:
    """The table files that `data` names, with what messages call them; None for other data.

    Raises:
        DataError: No such file, or none that matches.
    """
    if isinstance(data, pd.DataFrame | Mapping):
        return None
    if isinstance(data, str | os.PathLike):
        named = isinstance(data, str) and data.startswith((TFDS_PREFIX, DEMO_PREFIX))
        if named or resolve(data, opening.folder).is_dir():
            return None
        data = [data]
    paths = [path for entry in data for path in _expand(entry, opening.folder)]
    if not paths:
        raise DataError("data: an empty list of files. Expected at least one file.")
    return [(path, _name(path, opening.folder)) for path in paths]


def _named(file: str | os.PathLike[str], opening: Opening) -> tuple[Path, str]:
    path = resolve(file, opening.folder)
    return path, _name(path, opening.folder)


def joined_name(names: Sequence[str]) -> str:
    """What messages call several files together."""
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return names[0] + more


def require_same_columns(
    columns: Sequence[str], name: str, first: Sequence[str], first_name: str
) -> None:
    """Refuses files of one table whose columns differ.

    Raises:
        DataError: They do.
    """
    if set(columns) != set(first):
        raise DataError(
            f"{name}: other columns than in {first_name}. "
            f"Expected {', '.join(first)}. Received: {', '.join(columns)}."
        )


def _open_files(files: Sequence[tuple[Path, str]], opening: Opening) -> Table:
    tables = [read_file(path, name, opening.format) for path, name in files]
    first = tables[0]
    if extension(files[0][0]) != ".jsonl":  # a line of JSON may leave out what it has no value for
        for table in tables[1:]:
            require_same_columns(table.columns, table.name, first.columns, first.name)
    return concatenate(tables, joined_name([table.name for table in tables]))


def _expand(entry: str | os.PathLike[str], folder: Path) -> list[Path]:
    """The files that one entry stands for, sorted, each once."""
    path = resolve(entry, folder)
    if path.is_file() or not glob.has_magic(str(path)):
        _refuse_unknown(path, entry)
        return [path]
    found = sorted(Path(match) for match in glob.glob(str(path), recursive=True))
    files = [match for match in found if match.is_file()]
    if not files:
        raise DataError(
            f"{os.fspath(entry)}: no file matches. Expected a pattern such as 'reviews-*.csv' "
            f"below {str(folder.resolve())!r}."
        )
    return files


def _refuse_unknown(path: Path, entry: str | os.PathLike[str]) -> None:
    if path.exists() or extension(path) in EXTENSIONS:
        return
    raise DataError(
        f"{os.fspath(entry)}: no such file or folder.{near(path)} Expected a file "
        f"({', '.join(EXTENSIONS)}, or one with .gz), a folder, '{TFDS_PREFIX}NAME' or "
        f"'{DEMO_PREFIX}NAME'."
    )


def _name(path: Path, folder: Path) -> str:
    """How messages call a file: relative to the recipe's folder where it lies below it."""
    try:
        return str(path.relative_to(folder))
    except ValueError:
        return str(path)
