"""Train, validation and test of a recipe's data section, and what is recorded of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from toolkit.data import splits as splits_module
from toolkit.data.roles import Role
from toolkit.data.sources import from_frame
from toolkit.data.splits import Splits, load_splits
from toolkit.data.table import Table
from toolkit.errors import DataError
from toolkit.recipe import DataOptions

ROLES = [Role("text", "text", "text"), Role("label", "label", "label")]


def frame(rows: int = 200, start: int = 0) -> pd.DataFrame:
    numbers = np.arange(start, start + rows)
    return pd.DataFrame(
        {
            "text": [f"text {number}" for number in numbers],
            "label": np.where(numbers % 4, "yes", "no"),
            "user": [f"user {number // 5}" for number in numbers],
            "day": pd.date_range("2020-01-01", periods=rows).strftime("%Y-%m-%d"),
        }
    )


def load(roles: list[Role] = ROLES, **data: Any) -> Splits:
    return load_splits(DataOptions(**data), roles)


def sizes(splits: Splits) -> list[int]:
    return [len(table) for _, table in splits.items()]


def decision(splits: Splits, name: str) -> tuple[str, str]:
    return next((one.how, one.reason) for one in splits.decisions if one.split == name)


def refused(roles: list[Role] = ROLES, **data: Any) -> str:
    with pytest.raises(DataError) as caught:
        load(roles, **data)
    return str(caught.value)


def test_ten_per_cent_each_where_nothing_is_said() -> None:
    splits = load(train=frame())
    assert sizes(splits) == [160, 20, 20]
    assert splits.test.frame["label"].value_counts().to_dict() == {"yes": 15, "no": 5}
    assert decision(splits, "test") == (
        "10% of train, drawn in proportion to 'label', seed 0: 20 of 200 rows",
        "neither data.test nor data.split gives it",
    )
    assert decision(splits, "train") == ("given data", "data.train is given")
    rows = pd.concat([table.frame for _, table in splits.items()])
    assert sorted(rows["text"]) == sorted(frame()["text"])


def test_validation_comes_out_of_train_where_a_test_is_given() -> None:
    splits = load(train=frame(), test=frame(50, 1000))
    assert sizes(splits) == [180, 20, 50]
    assert decision(splits, "test") == ("given data", "data.test is given")


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("20%", [140, 40, 20]),
        ({"validation": 30, "test": 0.25}, [120, 30, 50]),
        ({"validation": "10%", "test": "10%", "stratify": False}, [160, 20, 20]),
    ],
)
def test_shares_and_counts(split: Any, expected: list[int]) -> None:
    assert sizes(load(train=frame(), split=split)) == expected


def test_the_seed_and_nothing_else_draws_the_rows() -> None:
    def drawn(seed: int, data: pd.DataFrame) -> set[str]:
        return set(load(train=data, split={"seed": seed}).test.frame["text"])

    backwards = frame().iloc[::-1]
    assert drawn(1, frame()) == drawn(1, backwards)
    assert drawn(1, frame()) != drawn(2, frame())


def test_a_group_stays_in_one_split() -> None:
    splits = load(train=frame(), split={"group": "user"})
    users = [set(table.frame["user"]) for _, table in splits.items()]
    assert not users[0] & users[1] | users[0] & users[2] | users[1] & users[2]
    assert sizes(splits) == [160, 20, 20]
    assert "whole groups of 'user' in proportion to 'label'" in decision(splits, "test")[0]


def test_a_group_in_two_given_files_is_refused() -> None:
    assert refused(train=frame(), test=frame(20, 196), split={"group": "user"}) == (
        "DataFrame, row 0: group 'user 39' is in train too. Expected each 'user' in one split. "
        "Received: 4 such rows (also row 1; row 2 and 1 more)."
    )


def test_too_few_groups_are_refused() -> None:
    assert refused(train=frame(10), split={"group": "user"}) == (
        "DataFrame: too few groups in column 'user'. Expected at least 3, one for each split. "
        "Received: 2."
    )


def test_dates() -> None:
    splits = load(
        train=frame(), split={"validation": "2020-03-01", "test": "2020-05-01", "time": "day"}
    )
    assert sizes(splits) == [60, 61, 79]
    assert splits.test.frame["day"].min() == "2020-05-01"
    assert decision(splits, "validation") == (
        "rows from 2020-03-01 00:00 on: 61 of 200 rows",
        "data.split.validation",
    )


def test_shares_in_order_of_time() -> None:
    roles = [Role("time", "day", "time")]
    splits = load(roles, train=frame().sample(frac=1, random_state=0), split="20%")
    assert splits.train.frame["day"].max() < splits.validation.frame["day"].min()
    assert splits.validation.frame["day"].max() < splits.test.frame["day"].min()
    assert decision(splits, "test")[0] == "10% of train, the last by 'day': 20 of 200 rows"


@pytest.mark.parametrize(
    ("split", "message"),
    [
        (
            {"validation": "2020-03-01", "test": "2020-05-01"},
            "data.split: a split by date, and no column of times. Expected the column's name as "
            "data.split.time.",
        ),
        (
            {"validation": "2020-03-01", "time": "day"},
            "data.split.test: missing. Expected a date, as data.split.validation is one, so that "
            "the test comes after it. Received: validation=2020-03-01 00:00:00.",
        ),
        (
            {"validation": "2020-03-01", "test": "2030-01-01", "time": "day"},
            "data.split.test: outside the data. Expected a date after 2020-01-01T00:00:00 and up "
            "to 2020-07-18T00:00:00, as column 'day' has them. Received: 2030-01-01 00:00:00.",
        ),
        (
            {"group": "user", "time": "day"},
            "data.split: both a time and a group. Expected one: a split by time puts rows of one "
            "group on both sides. Received: time='day', group='user'.",
        ),
        (
            {"column": "day"},
            "DataFrame, row 0: column 'day' holds '2020-01-01'. Expected one of: train, "
            "validation, test. Received: 200 such rows (also row 1; row 2 and 197 more).",
        ),
        (
            {"validation": 30, "test": 500},
            "DataFrame: too few rows. Expected some to learn from besides 30 for validation and "
            "200 for the test. Received: 200 in all.",
        ),
        (
            {"column": "fold"},
            "DataFrame: no column 'fold' for data.split.column. Expected one of: text, label, "
            "user, day. Received: 'fold'.",
        ),
    ],
)
def test_splits_that_cannot_be_made(split: dict[str, Any], message: str) -> None:
    assert refused(train=frame(), split=split) == message


def test_a_column_of_splits() -> None:
    data = frame().assign(part=["train"] * 150 + ["dev"] * 30 + ["Test"] * 20)
    splits = load(train=data, split={"column": "part"})
    assert sizes(splits) == [150, 30, 20]
    data["part"] = data["part"].replace("dev", "train")
    splits = load(train=data, split={"column": "part"})
    assert sizes(splits) == [162, 18, 20]
    assert decision(splits, "test") == (
        "rows that column 'part' names: 20 of 200 rows",
        "data.split.column is given",
    )


def test_demonstrations_bring_their_splits_unless_asked_otherwise() -> None:
    splits = load(train="demo:reviews")
    assert sizes(splits) == [6000, 1000, 1000]
    assert decision(splits, "test") == ("the data set's own split", "demo:reviews brings it")
    assert sizes(load(train="demo:reviews", split=500)) == [5500, 500, 1000]
    assert sizes(load(train="demo:reviews:test")) == [800, 100, 100]


def test_the_first_rows_of_each_split() -> None:
    assert sizes(load(train=frame(), limit=50)) == [50, 20, 20]


def test_every_error_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("texts,Label\nx,1\n")
    data = DataOptions(train="a.csv", validation="b.csv", test="c.csv")
    with pytest.raises(DataError) as caught:
        load_splits(data, ROLES, tmp_path)
    assert str(caught.value).splitlines()[0] == "The data has 2 errors:"
    data = DataOptions(train="a.csv")
    with pytest.raises(DataError) as caught:
        load_splits(data, ROLES, tmp_path)
    assert str(caught.value).splitlines() == [
        "The data has 2 errors:",
        "  a.csv: no column 'text' for data.text. Did you mean 'texts'? Expected one of: texts, "
        "Label. Received: 'text'.",
        "  a.csv: no column 'label' for data.label. Did you mean 'Label'? Expected one of: texts, "
        "Label. Received: 'label'.",
    ]


def test_bad_rows_are_skipped_on_request_and_listed() -> None:
    data = frame()
    data.loc[[3, 8], "text"] = ["", None]
    data.loc[3, "label"] = None
    splits = load(train=data, skip_bad_rows=True)
    assert sum(sizes(splits)) == 198
    assert [str(finding) for finding in splits.skipped] == [
        "DataFrame, row 3: skipped, as column 'text' is empty. Expected a text in every row. "
        "Received: 2 such rows (also row 8).",
        "DataFrame, row 3: skipped, as column 'label' is empty. Expected a label in every row. "
        "Received: 1 such row.",
    ]
    assert splits.skipped[0].rows == ("DataFrame, row 3", "DataFrame, row 8")


def test_several_labels_are_stratified_by_the_rarest() -> None:
    data = frame().assign(tags=["a;b" if n % 10 == 0 else "a" for n in range(200)])
    roles = [ROLES[0], Role("labels", "tags", "labels", separator=";")]
    assert (load(roles, train=data).test.frame["tags"] == "a;b").sum() == 2


def test_bad_rows_are_errors_unless_they_are_skipped() -> None:
    data = frame()
    data.loc[5, "text"] = " "
    assert refused(train=data) == (
        "DataFrame, row 5: column 'text' is empty. Expected a text in every row. "
        "Received: 1 such row."
    )


def test_a_file_without_a_header_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text(f"{'word ' * 10}\t1\nmore words\t0\n")
    with pytest.raises(DataError) as caught:
        load_splits(DataOptions(train="a.tsv"), ROLES[:1], tmp_path)
    assert str(caught.value) == (
        "a.tsv: no column 'text' for data.text. The first line looks like a row: 'header: none' "
        f"numbers the columns. Expected one of: {'word ' * 8}..., 1. Received: 'text'."
    )


def test_another_delimiter_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text;label\nx;1\n")
    with pytest.raises(DataError) as caught:
        load_splits(DataOptions(train="a.csv"), ROLES[:1], tmp_path)
    assert str(caught.value) == (
        "a.csv: no column 'text' for data.text. Are the columns separated by ';'? 'delimiter' "
        "says so. Expected one of: text;label. Received: 'text'."
    )


def test_a_named_data_set_whose_test_hides_its_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(uri: str, opening: Any, split: str) -> Table:
        rows = frame(100, start={"train": 0, "validation": 100, "test": 200}[split])
        return from_frame(rows.assign(label=None) if split == "test" else rows)

    monkeypatch.setattr(splits_module, "tfds_splits", lambda *_: ["test", "train", "validation"])
    monkeypatch.setattr(splits_module, "open_table", opened)
    splits = load(train="tfds:glue/sst2")
    assert sizes(splits) == [90, 100, 10]
    assert decision(splits, "validation")[0] == "the data set's own split"
    assert decision(splits, "test")[1] == "neither data.test nor data.split gives it"
