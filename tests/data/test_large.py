"""Rows on disk: split, checked and read as rows in memory are."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from toolkit.data import placement, readers, storing, table_store
from toolkit.data.cache import list_cache
from toolkit.data.checks import check_splits
from toolkit.data.placement import place
from toolkit.data.roles import Role
from toolkit.data.sources import Opening
from toolkit.data.splits import Splits, load_splits
from toolkit.data.table_store import StoredTable
from toolkit.errors import DataError
from toolkit.recipe import DataOptions

ROLES = [Role("text", "text", "text"), Role("label", "label", "label")]
DATED = {"time": "day", "validation": "2020-03-01", "test": "2020-04-01"}


@pytest.fixture(autouse=True)
def _small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of its own, and several chunks of few rows."""
    monkeypatch.setenv("TOOLKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(readers, "ROWS_PER_CHUNK", 30)


def rows(count: int = 200) -> pd.DataFrame:
    numbers = np.arange(count)
    return pd.DataFrame(
        {
            "id": numbers,
            "text": [f"text {number % 190}" for number in numbers],
            "label": np.where(numbers % 4, 1, 0),
            "many": [["a"] if number % 3 else ["a", "b"] for number in numbers],
            "user": [f"user {number // 5}" for number in numbers],
            "day": pd.date_range("2020-01-01", periods=count).strftime("%Y-%m-%d"),
            "part": np.array(["train", "dev", "test"])[np.minimum(numbers % 7, 2)],
        }
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    frame = rows()
    frame.to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    frame.drop(columns="many").to_csv(tmp_path / "a.csv", index=False)
    frame.drop(columns="many")[:90].to_csv(tmp_path / "b.csv", index=False)
    frame.to_parquet(tmp_path / "a.parquet")
    return tmp_path


def both(folder: Path, roles: list[Role] = ROLES, **data: Any) -> tuple[Splits, Splits]:
    def load(prepare: str) -> Splits:
        return load_splits(DataOptions(**data, prepare=prepare), roles, folder)

    return load("never"), load("always")


def assert_same(memory: Splits, disk: Splits, roles: list[Role] = ROLES) -> None:
    for (name, known), (_, stored) in zip(memory.items(), disk.items(), strict=True):
        assert isinstance(stored, StoredTable)
        found = stored.read()
        assert len(stored) == len(known), name
        assert np.array_equal(found.row_numbers, known.row_numbers)
        assert [stored.where(row) for row in range(9)] == [known.where(row) for row in range(9)]
        assert found.frame["text"].tolist() == known.frame["text"].tolist()
    assert memory.decisions == disk.decisions
    assert memory.sha256 == disk.sha256
    assert check_splits(memory, roles).to_text() == check_splits(disk, roles).to_text()


@pytest.mark.parametrize("file", ["a.jsonl", "a.csv", "a.parquet", ["a.csv", "b.csv"]])
def test_splits_and_checks_are_those_of_memory(folder: Path, file: Any) -> None:
    memory, disk = both(folder, train=file)
    assert_same(memory, disk)
    assert disk.placement.where == "disk"


@pytest.mark.parametrize(
    "split",
    [{"group": "user"}, {"column": "part"}, DATED, {"time": "day"}, {"stratify": False, "seed": 4}],
    ids=["group", "column", "dates", "time", "plain"],
)
def test_every_way_of_splitting(folder: Path, split: Any) -> None:
    assert_same(*both(folder, train="a.csv", split=split))


def test_given_splits_columns_by_number_and_several_labels(folder: Path) -> None:
    assert_same(*both(folder, train="a.csv", test="b.csv", limit=50))
    roles = [Role("text", 1, "text"), Role("label", "many", "labels")]
    memory, disk = both(folder, roles, train="a.jsonl")
    assert_same(memory, disk, roles)
    assert [list(one) for one in disk.train.read().frame["many"][:4]] == [
        list(one) for one in memory.train.frame["many"][:4]
    ]


def test_data_frames_go_to_disk_when_asked(folder: Path) -> None:
    assert_same(*both(folder, train=rows().drop(columns="many")))


@pytest.mark.parametrize("skip", [False, True])
def test_bad_rows_are_named_as_in_memory(folder: Path, skip: bool) -> None:
    lines = [json.loads(line) for line in (folder / "a.jsonl").read_text().splitlines()]
    for number in (3, 77, 150):
        lines[number]["text"] = " "
    del lines[110]["label"]
    (folder / "a.jsonl").write_text("\n".join(json.dumps(line) for line in lines) + "\n")
    if skip:
        memory, disk = both(folder, train="a.jsonl", skip_bad_rows=True)
        assert_same(memory, disk)
        assert memory.skipped == disk.skipped
        return
    messages = []
    for prepare in ("never", "always"):
        with pytest.raises(DataError) as caught:
            load_splits(DataOptions(train="a.jsonl", prepare=prepare), ROLES, folder)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    assert "a.jsonl, line 4: column 'text' is empty" in messages[1]


def test_what_is_wrong_with_a_file_is_said_as_in_memory(folder: Path) -> None:
    (folder / "empty.csv").write_text("text,label\n")
    (folder / "other.csv").write_text("text,class\na,b\n")
    (folder / "broken.jsonl").write_text('{"text": "a", "label": 1}\n{"text"\n')
    for train in ("empty.csv", "other.csv", ["a.csv", "other.csv"], "broken.jsonl"):
        messages = []
        for prepare in ("never", "always"):
            with pytest.raises(DataError) as caught:
                load_splits(DataOptions(train=train, prepare=prepare), ROLES, folder)
            messages.append(str(caught.value))
        assert messages[0] == messages[1]
    assert list_cache() == []


def test_a_sample_is_bounded_seeded_and_has_every_label(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = rows()
    frame.loc[123, "label"] = 7
    frame.to_json(folder / "a.jsonl", orient="records", lines=True)
    _, disk = both(folder, train="a.jsonl", split={"stratify": False, "seed": 1})
    assert len(disk.train.sample()) == len(disk.train)
    monkeypatch.setattr(table_store, "SAMPLE_BYTES", 10 * len(frame.iloc[0]["text"]))
    sample = disk.train.sample(3)
    assert len(sample) < 20
    assert set(sample.frame["label"]) == {"0", "1", "7"}
    assert np.array_equal(sample.row_numbers, disk.train.sample(3).row_numbers)
    assert not np.array_equal(sample.row_numbers, disk.train.sample(4).row_numbers)
    assert not isinstance(disk.sample().test, StoredTable)


def test_rows_are_stored_once_and_again_when_a_file_changes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = DataOptions(train="a.csv", prepare="always")
    load_splits(data, ROLES, folder)
    with monkeypatch.context() as patch:
        patch.setattr(storing, "_Writer", lambda *args: pytest.fail("written again"))
        load_splits(data, ROLES, folder)
    rows(150).drop(columns="many").to_csv(folder / "a.csv", index=False)
    changed = load_splits(data, ROLES, folder)
    assert sum(len(table) for _, table in changed.items()) == 150
    assert len(list_cache()) == 2


def test_large_files_go_to_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = DataOptions(train="a.csv")
    assert place(data, ["a.csv"], Opening(folder)).where == "memory"
    size = (folder / "a.csv").stat().st_size
    monkeypatch.setattr(placement, "PREPARE_ABOVE", size)
    assert place(data, ["a.csv"], Opening(folder)).where == "memory"
    assert place(data, ["a.csv", "b.csv"], Opening(folder)).where == "disk"
    (folder / "a.csv").rename(folder / "a.csv.gz")
    assert place(data, ["a.csv.gz"], Opening(folder)).where == "disk"
    assert place(data, [rows()], Opening(folder)).reason == "the data is no table file"
    assert place(data.model_copy(update={"prepare": "never"}), ["a.csv.gz"], Opening(folder)) == (
        placement.Placement("memory", "data.prepare is never")
    )
