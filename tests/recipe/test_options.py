from typing import Any

import pytest
from pydantic import ValidationError

from toolkit.recipe import DataOptions, TrainOptions


def refusal(section: type[Any], values: dict[str, Any]) -> tuple[str, str]:
    """The key and the words of the only error."""
    with pytest.raises(ValidationError) as caught:
        section.model_validate(values)
    (error,) = caught.value.errors()
    (refused,) = error["ctx"]["refusals"].items()
    return refused


@pytest.mark.parametrize(
    ("values", "key", "message"),
    [
        ({"steps": 3, "epochs": 2}, "steps", "steps and epochs cannot both be given; keep one"),
        (
            {"batch_tokens": 3, "batch_size": 2},
            "batch_tokens",
            "batch_tokens and batch_size cannot both be given; keep one",
        ),
        (
            {"accumulation": 8, "batch_size": 2},
            "accumulation",
            "more micro-batches than examples in a batch",
        ),
        (
            {"strategy": "one_device", "devices": "gpu:0,1"},
            "strategy",
            "one_device cannot use the several devices of gpu:0,1",
        ),
        (
            {"compile": "xla", "devices": "cpu:2"},
            "compile",
            "XLA cannot compile for the replicas of cpu:2; use none",
        ),
    ],
)
def test_combinations_that_cannot_work(values: dict[str, Any], key: str, message: str) -> None:
    assert refusal(TrainOptions, values) == (key, message)


def test_all_that_cannot_work_is_said_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        TrainOptions(steps=3, epochs=2, batch_tokens=3, batch_size=2)
    (error,) = caught.value.errors()
    assert list(error["ctx"]["refusals"]) == ["steps", "batch_tokens"]


@pytest.mark.parametrize("devices", ["auto", "cpu", "all", "gpu", "gpu:0", "gpu:0,1", "cpu:4"])
def test_devices(devices: str) -> None:
    assert TrainOptions(devices=devices).replicas_of_cpu == (4 if devices == "cpu:4" else 0)


@pytest.mark.parametrize("devices", ["gpu:", "gpu:a", "cpu:0", "tpu", "gpu:0,", ""])
def test_no_devices(devices: str) -> None:
    with pytest.raises(ValidationError):
        TrainOptions(devices=devices)


@pytest.mark.parametrize(
    ("split", "key", "message"),
    [
        (
            {"validation": "2017-07", "test": "10%"},
            "test",
            "a date and a share do not mix; give two dates or two shares",
        ),
        (
            {"validation": "2017-07", "test": "2017-06"},
            "test",
            "the test must begin after the validation",
        ),
        (
            {"validation": "2017-07", "test": "2017-08-01T00:00:00+00:00"},
            "test",
            "one date has a time zone, the other has none",
        ),
        (
            {"column": "part", "test": "10%"},
            "test",
            "the split column already says which rows these are",
        ),
        (
            {"validation": "60%", "test": "40%"},
            "validation",
            "the shares leave no rows for training",
        ),
    ],
)
def test_splits_that_cannot_work(split: dict[str, Any], key: str, message: str) -> None:
    assert refusal(DataOptions, {"train": "a", "split": split}) == (key, message)


def test_a_file_and_a_share_for_the_same_rows() -> None:
    values = {"train": "a", "test": "b", "split": {"test": 5}}

    assert refusal(DataOptions, values) == ("split.test", "data.test already gives these rows")


def test_a_share_alone_is_for_validation() -> None:
    split = DataOptions.model_validate({"train": "a", "split": "10%"}).split

    assert split is not None
    assert split.validation is not None
    assert split.test is None


@pytest.mark.parametrize("written", ["%d/%m/%Y", "%m/%d/%y %H:%M", "%Y"])
def test_time_formats(written: str) -> None:
    assert DataOptions(train="a.csv", time_format=written).time_format == written


@pytest.mark.parametrize("written", ["dd/mm/yyyy", "%d/%m", "%Q/%Y", "", "%", 5, ["%Y"]])
def test_no_time_formats(written: object) -> None:
    with pytest.raises(ValidationError) as caught:
        DataOptions.model_validate({"train": "a.csv", "time_format": written})
    (error,) = caught.value.errors()
    assert error["loc"][0] == "time_format"
