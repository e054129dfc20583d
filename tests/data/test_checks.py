"""What is said of data that would spoil training, row by row."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from toolkit.data.checks import check_data
from toolkit.data.columns import label_sets, numbers, parse_times, paths, texts, times
from toolkit.data.files import FileFormat
from toolkit.data.report import Report, raise_all
from toolkit.data.roles import Role, missing_columns
from toolkit.data.sources import Opening, from_frame, open_table
from toolkit.data.splits import load_splits
from toolkit.data.table import Source, Table
from toolkit.errors import DataError
from toolkit.recipe import DataOptions

TEXT = Role("text", "text", "text")
LABEL = Role("label", "label", "label")
GOOD = {"text": ["a b c", "d e", "f", "g h"], "label": ["x", "y", "x", "y"]}


def report(roles: list[Role], batch_size: int | None = None, **parts: dict[str, Any]) -> Report:
    frames = {name: pd.DataFrame(columns) for name, columns in parts.items()}
    filler = {"validation": {"text": ["v", "w"]}, "test": {"text": ["t", "u"]}}
    for name, columns in filler.items():
        own = {column: values[:2] for column, values in parts["train"].items()}
        frames.setdefault(name, pd.DataFrame({**own, **columns}))
    return check_data(DataOptions(**frames), roles, batch_size=batch_size)[1]


def errors(roles: list[Role], **parts: Any) -> list[str]:
    return [str(finding) for finding in report(roles, **parts).errors]


def test_good_data_has_no_findings() -> None:
    found = report([TEXT, LABEL], batch_size=4, train=GOOD)
    assert found.findings == []
    found.raise_errors()
    assert found.facts["splits"]["train"] == {
        "rows": 4,
        "text words": {"min": 1, "median": 2, "p95": 3, "max": 3},
        "text characters": {"min": 1, "median": 3, "p95": 5, "max": 5},
        "label counts": {"x": 2, "y": 2},
    }


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (
            {**GOOD, "text": ["a", " ", None, "b"]},
            "DataFrame, row 1: column 'text' is empty. Expected a text in every row. "
            "Received: 2 such rows (also row 2).",
        ),
        (
            {**GOOD, "label": ["x", "y", None, "x"]},
            "DataFrame, row 2: column 'label' is empty. Expected a label in every row. "
            "Received: 1 such row.",
        ),
    ],
)
def test_rows_that_cannot_be_used(train: dict[str, Any], message: str) -> None:
    assert errors([TEXT, LABEL], train=train) == [message]


def test_one_label() -> None:
    assert errors([TEXT, LABEL], train={**GOOD, "label": [1, 1, 1, 1]})[0] == (
        "DataFrame, train split: column 'label' holds one label alone. Expected at least two. "
        "Received: '1' in all 4 rows."
    )


def test_labels_that_stand_in_one_row() -> None:
    found = report([TEXT, LABEL], train={"text": list("abcd"), "label": ["x", "y", "x", "z"]})
    assert str(found.warnings[-1]) == (
        "DataFrame, train split: 2 of the 3 labels in column 'label' stand in one row each. "
        "Expected several rows of a label. Received: 'y' once."
    )


def test_a_column_of_labels_that_are_all_different() -> None:
    frame = pd.DataFrame({"text": list("abcdef"), "label": [0.1, 0.2, 0.4, 0.8, 1.6, 3.2]})
    with pytest.raises(DataError, match="of column 'label' stands in one row alone; is it a class"):
        load_splits(DataOptions(train=frame), [TEXT, LABEL])


@pytest.mark.parametrize("column", ["text", "label"])
def test_several_values_in_a_cell_of_one(column: str) -> None:
    train = {**GOOD, column: ["a", ["b", "c"], "a", {"d": 1}]}
    assert errors([TEXT, LABEL], train=train, validation=GOOD, test=GOOD)[0] == (
        f"DataFrame, row 1: column {column!r} holds several values. Expected one value. "
        "Received: \"['b', 'c']\"; 2 such rows (also row 3)."
    )


def test_a_label_that_train_lacks() -> None:
    test = {"text": ["t", "u", "w"], "label": ["x", "z", "y"]}
    assert errors([TEXT, LABEL], train=GOOD, test=test) == [
        "DataFrame, row 1: label 'z' is in the test split but not in train. Expected every label "
        "in train too. Received: 1 such row."
    ]


def test_a_label_that_the_test_lacks_is_a_warning() -> None:
    found = report([TEXT, LABEL], train=GOOD, test={"text": ["t"], "label": ["x"]})
    assert [str(finding) for finding in found.warnings] == [
        "DataFrame, test split: no row of label 'y', so its scores say nothing of them. "
        "Expected every label of train."
    ]


def test_fewer_rows_than_a_batch_or_labels() -> None:
    found = report([TEXT, LABEL], batch_size=8, train=GOOD)
    assert [str(finding) for finding in found.errors] == [
        "DataFrame, train split: fewer rows than train.batch_size. Expected at least 8. "
        "Received: 4."
    ]
    tags = {"text": ["a", "b"], "tags": ["x;y", "z"]}
    role = Role("labels", "tags", "labels", separator=";")
    assert errors([TEXT, role], train=tags) == [
        "DataFrame, train split: fewer rows than labels. Expected at least 3. Received: 2."
    ]


def test_inputs_in_two_splits() -> None:
    test = {"text": ["d e", "t", "f"], "label": ["y", "x", "x"]}
    found = report([TEXT, LABEL], train=GOOD, test=test)
    assert [str(finding) for finding in found.findings] == [
        "DataFrame, row 0: a row of the test split whose input is in train too. Expected each "
        "input in one split. Received: 2 such rows (also row 2)."
    ]
    assert found.warnings[0].rows == ("DataFrame, row 0", "DataFrame, row 2")


def test_numbers_given_as_text_are_taken_and_doubted() -> None:
    found = report([TEXT, LABEL], train={**GOOD, "text": [1, 2, 3, 4]})
    assert str(found.warnings[0]) == (
        "DataFrame: column 'text' holds numbers alone. Expected text for data.text. "
        "Received: '1' in DataFrame, row 0."
    )


def test_text_given_as_numbers_and_dates() -> None:
    rows = {
        "value": ["1.5", "NaN", "", "high"],
        "day": ["2020-01-01", "2020-01-02 12:00", "1 May", None],
    }
    roles = [Role("target", "value", "number", required=False), Role("time", "day", "time")]
    table = from_frame(pd.DataFrame(rows))
    with pytest.raises(DataError) as caught:
        numbers(table, "value")
    assert str(caught.value) == (
        "DataFrame, row 3: column 'value' holds no number. Expected a number such as -1.5. "
        "Received: 'high'; 1 such row."
    )
    with pytest.raises(DataError) as caught:
        times(table, "day")
    assert str(caught.value) == (
        "DataFrame, row 2: column 'day' holds no date. Expected a date such as 2017-07-01 or "
        "2017-07-01 12:00; data.time_format tells other ways to write it. Received: '1 May'; "
        "2 such rows (also row 3)."
    )
    with pytest.raises(DataError) as caught:
        load_splits(DataOptions(train=pd.DataFrame(rows)), roles)
    assert "holds no date" in str(caught.value)
    assert numbers(table.take([0, 1, 2]), "value").tolist()[0] == 1.5
    unknown = from_frame(pd.DataFrame({"value": ["?", "NA", "2"]}))
    assert np.isnan(numbers(unknown, "value")).tolist() == [True, True, False]
    assert str(times(table.take([1]), "day")[0]).startswith("2020-01-02T12:00")


def test_files_that_are_not_there(tmp_path: Path) -> None:
    for name in ("a", *range(20)):
        (tmp_path / f"{name}.wav").touch()
    (tmp_path / "clips.csv").write_text(
        "path,label\na.wav,1\nb.wav,0\n" + "".join(f"{n}.wav,1\n" for n in range(20))
    )
    roles = [Role("audio", "path", "path"), LABEL]
    splits = load_splits(DataOptions(train=str(tmp_path / "clips.csv"), skip_bad_rows=True), roles)
    gone = tmp_path / "b.wav"
    assert [str(finding) for finding in splits.skipped] == [
        f"{tmp_path / 'clips.csv'}, line 3: skipped, as column 'path' names a file that is not "
        f"there: {gone}. Expected a file. Received: 1 such row."
    ]
    assert all(path.is_file() for path in paths(splits.train, "path"))


def test_several_columns_of_labels() -> None:
    table = from_frame(pd.DataFrame({"text": ["a", "b"], "joy": [1, 0], "fear": [1, 0]}))
    assert label_sets(table, ["joy", "fear"], None) == [("joy", "fear"), ()]
    with pytest.raises(DataError, match=r"^DataFrame, row 0: column 'text' holds no number\. "):
        label_sets(table, ["joy", "text"], None)
    wrong = {"text": ["a", "b", "c"], "joy": [1, 0, 1], "fear": [1, 2, 0]}
    assert errors([TEXT, Role("labels", ("joy", "fear"), "labels")], train=wrong)[0] == (
        "DataFrame, row 1: column 'fear' says neither yes nor no. Expected 0 or 1. "
        "Received: '2'; 1 such row."
    )


def test_labels_in_one_column() -> None:
    table = from_frame(pd.DataFrame({"a": ["x| y|", None], "b": [["p", "q"], []], "c": [1.0, 2.0]}))
    assert label_sets(table, ["a"], "|") == [("x", "y"), ()]
    assert label_sets(table, ["b"], None) == [("p", "q"), ()]
    assert label_sets(table, ["c"], None) == [("1",), ("2",)]


def test_columns_as_text() -> None:
    table = from_frame(pd.DataFrame({"f": [1.0, None, 2.5], "b": [True, False, True]}))
    assert texts(table, "f") == ["1", "", "2.5"]
    assert texts(table, 1) == ["true", "false", "true"]


def test_the_report_as_text_and_json() -> None:
    found = report([TEXT, LABEL], batch_size=8, train=GOOD, test={"text": ["f"], "label": ["x"]})
    lines = found.to_text().splitlines()
    assert lines[:4] == [
        "splits:",
        "  train:",
        "    rows: 4",
        "    text words: min 1, median 2, p95 3, max 3",
    ]
    assert "  train: given data (data.train is given)" in lines
    assert lines[-1] == "1 error, 2 warnings."
    parsed = json.loads(found.to_json())
    assert parsed["errors"][0]["where"] == "DataFrame, train split"
    assert parsed["facts"]["splits"]["test"]["rows"] == 1
    with pytest.raises(DataError, match=r"^DataFrame, train split: fewer rows"):
        found.raise_errors()


@pytest.mark.parametrize("kind", ["str", "object"])
def test_dates_with_the_day_first(kind: str) -> None:
    written = pd.Series(["31.12.2020 23:50:00", "01.02.2021", "2021-02-03"], dtype=kind)
    found = times(from_frame(pd.DataFrame({"day": written})), "day")
    expected = ["2020-12-31T23:50", "2021-02-01", "2021-02-03"]
    assert found.tolist() == np.array(expected, "datetime64[ns]").tolist()
    with pytest.raises(DataError, match="holds no date"):
        times(from_frame(pd.DataFrame({"day": ["12/31/2020"]})), "day")


@pytest.mark.parametrize("column", ["day", 1])
def test_dates_by_a_format(tmp_path: Path, column: str | int) -> None:
    (tmp_path / "a.csv").write_text("sold,day\n1,04/03/2020 5h\n2,\n3,31/12/2020 23h\n")
    how = FileFormat(times=[column], time_format="%d/%m/%Y %Hh")
    table = open_table("a.csv", Opening(tmp_path, how))
    days = pd.Series(["2020-03-04T05", None, "2020-12-31T23"]).astype("datetime64[ns]")
    assert pd.Series(parse_times(table.frame["day"])[0]).equals(days)
    frame = pd.DataFrame({"sold": [1, 2], "day": ["04/03/2020 5h", "12/31/2020 5h"]})
    with pytest.raises(DataError, match=r"row 1: column 'day' holds no date.*'12/31/2020 5h'"):
        times(from_frame(frame, how), "day")
    known = frame.assign(day=pd.to_datetime(["2020-01-01", "2020-01-02"]))
    assert (times(from_frame(known, how), "day") == known["day"].to_numpy()).all()
    short = FileFormat(times=["day"], time_format="%Y%m%d%H")
    numbers = pd.DataFrame({"day": [2020010100, 2020010101]})
    assert np.diff(times(from_frame(numbers, short), "day")).tolist() == [3600 * 10**9]


def test_dates_written_as_numbers() -> None:
    def read(*values: float) -> list[Any]:
        return times(from_frame(pd.DataFrame({"day": values})), "day").tolist()

    dates = times(from_frame(pd.DataFrame({"day": [20170701, 19991231]})), "day")
    assert dates.astype("datetime64[D]").astype(str).tolist() == ["2017-07-01", "1999-12-31"]
    # a day that does not exist, years, seconds: numbers, as they are written
    for values in ([20170701, 20170732], [1950, 1951], [1_500_000_000, 1_500_003_600], [0.5, 1.5]):
        assert read(*values) == values


def test_many_errors_are_counted() -> None:
    table = Table.from_source(pd.DataFrame({"a": range(12)}), Source("t.csv", "line", ""))
    roles = [Role(f"role{number}", "b", "text") for number in range(12)]
    with pytest.raises(DataError) as caught:
        raise_all(missing_columns(table, roles))
    lines = str(caught.value).splitlines()
    assert lines[0] == "The data has 12 errors:"
    assert lines[-1] == "  and 2 more."
    assert len(lines) == 12


def test_typed_columns_of_a_data_frame() -> None:
    days = pd.to_datetime(["2020-01-01", "2020-01-02"])
    frame = pd.DataFrame({"zone": days.tz_localize("Europe/Berlin"), "date": days.date})
    frame["mixed"] = pd.Series([1, "x"], dtype=object)
    table = from_frame(frame.assign(code=pd.Categorical(["a", None])))
    assert texts(table, "code") == ["a", ""]
    assert texts(table, "date") == ["2020-01-01", "2020-01-02"]
    assert str(times(table, "date")[1]).startswith("2020-01-02T00:00")
    assert str(times(table, "zone")[0]).startswith("2019-12-31T23:00")
    for column in ("zone", "mixed"):
        with pytest.raises(DataError, match="holds no number"):
            numbers(table, column)
    with pytest.raises(DataError, match="holds no date"):
        times(table, "mixed")
