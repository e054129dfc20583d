"""What is said of a file that cannot be read: the file, the line, what was expected."""

import gzip
import re
from pathlib import Path

import pytest

from toolkit.data.files import FileFormat, read_file
from toolkit.errors import DataError

CASES = {
    "empty.csv": (b"", "empty.csv: the file is empty. Expected a header line and rows."),
    "empty.txt": (b"", "empty.txt: the file is empty. Expected rows."),
    "header.csv": (
        b"text,label\n",
        "header.csv: no rows below the header. Expected at least one.",
    ),
    "ragged.csv": (
        b"text,label\nfine,1\nsome, text,0\n",
        "ragged.csv, line 3: wrong number of fields (a field that holds a comma needs double "
        "quotes around it). Expected 2, as in the header. Received: 3.",
    ),
    "ragged.tsv": (
        b"text\tlabel\nfine\t1\nshort\n",
        "ragged.tsv, line 3: wrong number of fields. Expected 2, as in the header. Received: 1.",
    ),
    "twice.csv": (
        b"text,label,text\na,b,c\n",
        "twice.csv, line 1: the header names 'text' 2 times. Expected each column name once. "
        "Received: text, label, text.",
    ),
    "quote.csv": (
        b'text,label\nfine,1\n"never closed,0\nmore,1\n',
        "quote.csv, line 3: the quotes do not match. Expected a quoted field to be closed, and "
        'quotes inside it to be doubled (""). Received: unexpected end of data.',
    ),
    "semicolons.csv": (
        b"date;y\n2020-01-01;1,5\n",
        "semicolons.csv, line 2: wrong number of fields (a field that holds a comma needs double "
        "quotes around it). Are the columns separated by ';'? 'delimiter' says so. "
        "Expected 1, as in the header. Received: 2.",
    ),
    "latin.csv": (
        b"text,label\nfine,1\ncaf\xe9,0\n",
        "latin.csv, line 3: invalid UTF-8. Expected UTF-8 text; convert the file, as 'iconv "
        "-f latin1 -t utf-8' does for Latin-1. Received: byte 0xe9 at byte 4.",
    ),
    "wide.txt": (
        "some text".encode("utf-16"),
        "wide.txt: UTF-16. Expected UTF-8 text; 'iconv -f utf-16 -t utf-8' converts it. "
        "Received: a byte order mark of UTF-16.",
    ),
    "broken.jsonl": (
        b'{"text": "a"}\n{"text": \n',
        "broken.jsonl, line 2: not JSON (Expecting value at column 9). Expected one JSON object "
        "a line. Received: '{\"text\":'.",
    ),
    "list.jsonl": (
        b"[1, 2]\n",
        "list.jsonl, line 1: not a JSON object. Expected {...} on each line. Received: '[1, 2]'.",
    ),
    "words.csv.gz": (
        b"text,label\n",
        "words.csv.gz: not a gzip file, or a damaged one. Expected gzip data, as the name says. "
        "Received: Not a gzipped file (b'te').",
    ),
    "words.xlsx": (
        b"PK",
        "words.xlsx: unknown kind of file. Expected .csv, .tsv, .jsonl, .parquet, .txt, or one of "
        "them with .gz. Received: .xlsx.",
    ),
    "words.parquet": (b"text", "words.parquet: not a Parquet file, or a damaged one. Received: "),
}


@pytest.mark.parametrize("name", CASES)
def test_a_bad_file_is_named(tmp_path: Path, name: str) -> None:
    content, message = CASES[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"^{re.escape(message)}"):
        read_file(path, name, FileFormat())


def test_a_gzip_file_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "cut.csv.gz"
    whole = gzip.compress(b"text,label\n" + b"".join(b"text %d,1\n" % i for i in range(5000)))
    path.write_bytes(whole[: len(whole) // 2])
    message = (
        "cut.csv.gz: the gzip file is cut short or damaged. Expected a complete .gz file; copy or "
        f"download it again. Received: {len(whole) // 2:,} bytes."
    )
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        read_file(path, "cut.csv.gz", FileFormat())


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "reviews.csv").touch()
    path = tmp_path / "review.csv"
    message = f"review.csv: no such file. Did you mean 'reviews.csv'? Received: {str(path)!r}."
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        read_file(path, "review.csv", FileFormat())


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    folder = tmp_path / "folder.csv"
    folder.mkdir()
    message = (
        "folder.csv: the file cannot be read. Expected a readable file. Received: Is a directory."
    )
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        read_file(folder, "folder.csv", FileFormat())
