"""Tables of every format, read back as they were written."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from toolkit.data.files import FileFormat, read_chunks, read_file
from toolkit.data.readers import ROWS_PER_CHUNK

REVIEWS = pd.DataFrame({"text": ['Good, "really".', "NA", "null"], "stars": [5, 1, 2]})


def write(path: Path, frame: pd.DataFrame) -> Path:
    writers = {
        ".csv": lambda: frame.to_csv(path, index=False),
        ".tsv": lambda: path.write_text(
            "text\tstars\n" + "".join(f"{text}\t{n}\n" for text, n in frame.to_numpy())
        ),
        ".jsonl": lambda: frame.to_json(path, orient="records", lines=True),
        ".parquet": lambda: frame.to_parquet(path),
    }
    writers[path.suffix]()
    return path


def packed(path: Path) -> Path:
    target = path.with_name(path.name + ".gz")
    target.write_bytes(gzip.compress(path.read_bytes()))
    return target


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("pack", [False, True])
def test_every_format_reads_the_same(tmp_path: Path, suffix: str, pack: bool) -> None:
    path = write(tmp_path / f"reviews{suffix}", REVIEWS)
    path = packed(path) if pack else path
    table = read_file(path, path.name, FileFormat())
    assert table.frame["text"].tolist() == REVIEWS["text"].tolist()
    assert table.frame["stars"].dtype == np.int64
    assert table.frame["stars"].tolist() == [5, 1, 2]
    unit, first = {".jsonl": ("line", 1), ".parquet": ("row", 1)}.get(suffix, ("line", 2))
    assert table.where(0) == f"{path.name}, {unit} {first}"
    assert len(table.sha256[path.name]) == 64


def test_text_file_is_one_row_a_line(tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_bytes("\ufeffone\r\n\r\n 3\n".encode())
    table = read_file(path, "lines.txt", FileFormat())
    assert table.frame["text"].isna().tolist() == [False, True, False]
    assert table.frame["text"].dropna().tolist() == ["one", " 3"]
    assert table.where(2) == "lines.txt, line 3"


def test_rows_are_named_by_the_line_they_begin_on(tmp_path: Path) -> None:
    path = tmp_path / "quoted.csv"
    path.write_text('text,label\n"two\nlines",a\n\nplain,b\n')
    table = read_file(path, "quoted.csv", FileFormat())
    assert table.frame["text"].tolist() == ["two\nlines", "plain"]
    assert [table.where(0), table.where(1)] == ["quoted.csv, line 2", "quoted.csv, line 5"]


def test_quotes_are_plain_characters_in_tsv(tmp_path: Path) -> None:
    path = tmp_path / "plain.tsv"
    path.write_text('"it begins\t0\nand "ends"\t1\n')
    table = read_file(path, "plain.tsv", FileFormat(header=False))
    assert table.frame["0"].tolist() == ['"it begins', 'and "ends"']
    quoted = FileFormat(header=False, quoting=True, delimiter="|")
    path.write_text('"a|b"|0\n')
    assert read_file(path, "plain.tsv", quoted).frame["0"].tolist() == ["a|b"]


def test_only_plain_numbers_become_numbers(tmp_path: Path) -> None:
    path = tmp_path / "numbers.csv"
    path.write_text("i,f,code,gap,word\n1,1.5,007,3,nan\n-2,2e3,010,,inf\n")
    frame = read_file(path, "numbers.csv", FileFormat()).frame
    assert frame["i"].tolist() == [1, -2]
    assert frame["f"].tolist() == [1.5, 2000.0]
    assert frame["code"].tolist() == ["007", "010"]
    assert frame["gap"].isna().tolist() == [False, True]
    assert frame["word"].tolist() == ["nan", "inf"]


@pytest.mark.parametrize("column", ["year", 0])
def test_named_columns_keep_their_text(tmp_path: Path, column: str | int) -> None:
    path = tmp_path / "years.csv"
    path.write_text("year,price\n2016,1.0\n2017,2.0\n")
    frame = read_file(path, "years.csv", FileFormat(as_text=[column])).frame
    assert frame["year"].tolist() == ["2016", "2017"]
    assert frame["price"].tolist() == [1.0, 2.0]


def test_json_lines_may_lack_keys_and_mix_types(tmp_path: Path) -> None:
    path = tmp_path / "mixed.jsonl"
    path.write_text('{"a": 1, "tags": ["x", "y"]}\n\n{"a": "one", "b": 2.5}\n')
    table = read_file(path, "mixed.jsonl", FileFormat())
    assert table.frame["a"].tolist() == ["1", "one"]
    assert table.frame["b"].isna().tolist() == [True, False]
    assert list(table.frame["tags"][0]) == ["x", "y"]
    assert table.where(1) == "mixed.jsonl, line 3"


def test_types_that_change_between_chunks(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    lines = ['{"a": 1}\n'] * ROWS_PER_CHUNK + ['{"a": "one"}\n']
    path.write_text("".join(lines))
    assert [len(chunk.row_numbers) for chunk in read_chunks(path, "long", FileFormat())] == [
        ROWS_PER_CHUNK,
        1,
    ]
    assert read_file(path, "long", FileFormat()).frame["a"].tolist()[-2:] == ["1", "one"]


def test_taking_rows_keeps_their_origin(tmp_path: Path) -> None:
    table = read_file(write(tmp_path / "r.csv", REVIEWS), "r.csv", FileFormat())
    taken = table.take([2, 0])
    assert [taken.where(0), taken.where(1)] == ["r.csv, line 4", "r.csv, line 2"]
    assert taken.frame.index.tolist() == [0, 1]
    assert table.take(np.array([False, True, False])).where(0) == "r.csv, line 3"
    assert repr(taken) == "Table('r.csv', 2 rows, columns text, stars)"
