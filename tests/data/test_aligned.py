"""Parallel text files as one table."""

from pathlib import Path

import pytest

from toolkit.data.sources import Opening, open_table
from toolkit.errors import DataError


def write(folder: Path, **files: str) -> dict[str, str]:
    for name, text in files.items():
        (folder / f"train.{name}").write_text(text, encoding="utf-8")
    return {"source": "train.de", "target": "train.en"}


def test_line_beside_line(tmp_path: Path) -> None:
    files = write(tmp_path, de="ein Haus\r\nein\u2028Hund\n", en="a house\na dog\n")
    table = open_table(files, Opening(tmp_path))
    assert table.frame["source"].tolist() == ["ein Haus", "ein\u2028Hund"]
    assert table.frame["target"].tolist() == ["a house", "a dog"]
    assert table.where(1) == "train.de + train.en, line 2"
    before = table.sha256
    write(tmp_path, en="a house\na cat\n")
    assert open_table(files, Opening(tmp_path)).sha256 != before


def test_both_counts_are_named(tmp_path: Path) -> None:
    files = write(tmp_path, de="a\nb\n", en="a\nb\nc\n")
    with pytest.raises(DataError, match=r"train.de 2 lines, train.en 3 lines"):
        open_table(files, Opening(tmp_path))


def test_missing_and_empty_files(tmp_path: Path) -> None:
    files = write(tmp_path, de="", en="")
    with pytest.raises(DataError, match="the files are empty"):
        open_table(files, Opening(tmp_path))
    with pytest.raises(DataError, match=r"train\.dee: no such file. Did you mean 'train.de'"):
        open_table({**files, "source": "train.dee"}, Opening(tmp_path))
