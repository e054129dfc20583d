"""Plain text files read side by side, line n beside line n: parallel text."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from toolkit.data.table import Source, Table
from toolkit.data.text_files import open_lines, readable, sha256_of
from toolkit.errors import DataError


def open_aligned(files: Mapping[str, tuple[Path, str]]) -> Table:
    """Reads text files as the columns of one table.

    Lines end with a newline alone, so that the rarer line separators of Unicode, which occur inside
    sentences, cut none in two.

    Args:
        files: Column to the file and to what messages call it.

    Raises:
        DataError: A file that cannot be read, or files of different line counts.
    """
    columns = {column: _lines(path, name) for column, (path, name) in files.items()}
    counts = {files[column][1]: len(lines) for column, lines in columns.items()}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} {count:,} lines" for name, count in counts.items())
        raise DataError(
            f"{' and '.join(counts)}: different numbers of lines. Expected line n of one beside "
            f"line n of the other. Received: {listed}."
        )
    if not any(counts.values()):
        raise DataError(f"{' and '.join(counts)}: the files are empty. Expected lines.")
    frame = pd.DataFrame(columns, dtype=object)
    return Table.from_source(frame, _source(list(files.values())))


def _lines(path: Path, name: str) -> Sequence[str]:
    with readable(path, name), open_lines(path) as file:
        return [line.rstrip("\r\n") for line in file]


def _source(files: Sequence[tuple[Path, str]]) -> Source:
    digests = "".join(sha256_of(path) for path, _ in files)
    name = _short_name([name for _, name in files])
    return Source(name, "line", hashlib.sha256(digests.encode()).hexdigest(), files[0][0].parent)


def _short_name(names: Sequence[str]) -> str:
    """``data/train.de + train.en``: a folder that they share is said once."""
    folder = os.path.dirname(names[0])
    if any(os.path.dirname(name) != folder for name in names):
        return " + ".join(names)
    return " + ".join([names[0], *(os.path.basename(name) for name in names[1:])])
