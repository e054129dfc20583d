"""Everything that a recipe may call data, opened as one table."""

import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from toolkit.data.columns import paths
from toolkit.data.demo import demo_names
from toolkit.data.files import FileFormat
from toolkit.data.sources import Data, Opening, open_table
from toolkit.data.video_files import Decoding, decode
from toolkit.errors import DataError


@pytest.fixture
def opening(tmp_path: Path) -> Opening:
    for number, text in enumerate(("one", "two", "three")):
        (tmp_path / f"part-{number}.csv").write_text(f"text,label\n{text},{number}\n")
    return Opening(tmp_path)


def refused(data: Data, opening: Opening) -> str:
    with pytest.raises(DataError) as caught:
        open_table(data, opening)
    return str(caught.value)


@pytest.mark.parametrize(
    ("data", "texts"),
    [
        ("part-1.csv", ["two"]),
        ("part-*.csv", ["one", "two", "three"]),
        (["part-2.csv", "part-[01].csv"], ["three", "one", "two"]),
    ],
)
def test_files_lists_and_globs(opening: Opening, data: Data, texts: list[str]) -> None:
    table = open_table(data, opening)
    assert table.frame["text"].tolist() == texts
    assert len(table.sha256) == len(texts)


def test_each_row_remembers_its_file(opening: Opening) -> None:
    table = open_table("part-*.csv", opening)
    assert table.where(2) == "part-2.csv, line 2"
    assert table.name == "part-0.csv and 2 more"
    assert table.source(2).folder == opening.folder


def test_paths_in_a_data_frame_start_in_the_folder_that_is_named(tmp_path: Path) -> None:
    frame = pd.DataFrame({"audio": ["a.wav"]})
    opening = Opening(format=FileFormat(folder=tmp_path))
    assert paths(open_table(frame, opening), "audio") == [tmp_path / "a.wav"]
    assert paths(open_table(frame), "audio") == [Path("a.wav")]


def test_a_path_may_name_the_data_folder(opening: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOOLKIT_DATA", str(opening.folder))
    table = open_table("$TOOLKIT_DATA/part-0.csv", Opening(Path("elsewhere")))
    assert table.frame["text"].tolist() == ["one"]
    monkeypatch.delenv("TOOLKIT_DATA")
    assert refused("$TOOLKIT_DATA/part-0.csv", opening) == (
        "$TOOLKIT_DATA/part-0.csv: the environment variable TOOLKIT_DATA is not set. Expected it "
        "to name the folder that holds your data."
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("none-*.csv", "none-*.csv: no file matches. Expected a pattern such as 'reviews-*.csv' "),
        ("part-3.csv", "part-3.csv: no such file. Did you mean 'part-2.csv'? Received: "),
        ("gone/part.csv", "gone/part.csv: no such file. The folder "),
        (
            "part",
            "part: no such file or folder. Expected a file (.csv, .tsv, .jsonl, .parquet, .txt, or "
            "one with .gz), a folder, 'tfds:NAME' or 'demo:NAME'.",
        ),
        ([], "data: an empty list of files. Expected at least one file."),
        ("gs://bucket/a.csv", "gs://bucket/a.csv: a remote address. Expected a file or folder of "),
        ("demo:review", "demo:review: no such demonstration. Did you mean 'demo:reviews'? "),
        ("demo:reviews:all", "demo:reviews:all: no split 'all'. Expected one of: train, valida"),
    ],
)
def test_what_is_not_there_is_named(opening: Opening, data: Data, message: str) -> None:
    assert re.match(re.escape(message), refused(data, opening))


def test_files_of_one_table_have_the_same_columns(opening: Opening) -> None:
    (opening.folder / "part-9.csv").write_text("text,stars\nnine,9\n")
    assert refused("part-*.csv", opening) == (
        "part-9.csv: other columns than in part-0.csv. Expected text, label. Received: text, stars."
    )


def test_a_folder_for_each_class(tmp_path: Path) -> None:
    for label, name in (("pos", "b.txt"), ("pos", "a.txt"), ("neg", "sub/c.txt"), (".git", "x")):
        path = tmp_path / "texts" / label / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name} text\n")
    table = open_table("texts", Opening(tmp_path))
    assert table.columns == ["text", "label", "path"]
    assert table.frame["label"].tolist() == ["neg", "pos", "pos"]
    assert table.frame["text"].tolist()[1] == "a.txt text\n"
    assert table.where(0) == "texts/neg/sub/c.txt"
    assert list(table.sha256) == ["texts"]
    (tmp_path / "texts" / "pos" / "clip.wav").touch()
    assert open_table("texts", Opening(tmp_path)).columns == ["path", "label"]


def test_a_folder_without_classes(opening: Opening) -> None:
    (opening.folder / "flat").mkdir()
    (opening.folder / "flat" / "a.wav").touch()
    assert refused("flat", opening) == (
        "flat: a folder without classes. Expected a folder for each class in it, such as "
        "'flat/CLASS/file'. Received: a.wav."
    )
    (opening.folder / "flat" / "fight").mkdir()
    assert refused("flat", opening) == ("flat/fight: a class without files. Expected at least one.")


def test_a_data_frame_counts_rows_as_iloc_does() -> None:
    frame = pd.DataFrame({0: ["a", "b"], "label": [1, 0]}, index=[7, 9])
    table = open_table(frame)
    assert table.columns == ["0", "label"]
    assert table.where(1) == "DataFrame, row 1"
    assert frame.columns.tolist() == [0, "label"]
    assert refused(frame.iloc[:0], Opening()).startswith("DataFrame: no rows.")
    twice = pd.DataFrame([[1, 2]], columns=["a", "a"])
    assert refused(twice, Opening()).startswith("DataFrame: 2 columns are named 'a'.")


@pytest.mark.parametrize("name", demo_names())
def test_demonstrations_have_three_splits_and_stay_the_same(name: str) -> None:
    tables = [open_table(f"demo:{name}", split=split) for split in ("train", "validation", "test")]
    assert all(len(table) for table in tables)
    again = open_table(f"demo:{name}:test")
    assert again.sha256 == tables[2].sha256
    assert again.where(0) == f"demo:{name}:test, row 1"


@pytest.fixture
def mock_tfds(tmp_path: Path) -> Iterator[str]:
    import tensorflow_datasets as tfds

    with tfds.testing.mock_data(num_examples=6):
        yield str(tmp_path)


def test_tfds_text(mock_tfds: str) -> None:
    table = open_table("tfds:imdb_reviews:train", Opening(data_dir=mock_tfds))
    assert len(table) == 6
    assert isinstance(table.frame["text"][0], str)
    assert set(table.frame["label"]) <= {"neg", "pos"}
    assert table.where(0) == "tfds:imdb_reviews:train, example 1"


def test_tfds_videos_become_files(mock_tfds: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOOLKIT_CACHE", str(Path(mock_tfds) / "cache"))
    table = open_table("tfds:ucf101:train", Opening(data_dir=mock_tfds))
    assert table.columns == ["label", "video"]
    for row, name in enumerate(table.frame["video"]):
        path = table.source(row).folder / name
        frames = decode(path, Decoding(16, 1000))
        assert frames.shape[1:] == (16, 16, 3)
        assert len(frames) == path.read_bytes().count(b"\xff\xd8\xff\xe0")


def test_tfds_pairs_and_audio(mock_tfds: str) -> None:
    pairs = open_table("tfds:ted_hrlr_translate/pt_to_en", Opening(data_dir=mock_tfds))
    assert sorted(pairs.columns) == ["en", "pt"]
    clips = open_table("tfds:speech_commands", Opening(data_dir=mock_tfds))
    assert clips.frame["audio"][0].ndim == 1


def test_tfds_names_that_do_not_exist(tmp_path: Path) -> None:
    opening = Opening(data_dir=str(tmp_path))
    assert refused("tfds:no_such_set", opening) == (
        f"tfds:no_such_set: the data set cannot be opened in data_dir {str(tmp_path)!r}. Expected "
        "a name of the TFDS catalogue, prepared there or able to be downloaded. Received: Dataset "
        "no_such_set not found."
    )
    assert refused("tfds::train", opening).startswith("tfds::train: not a data set's name.")
