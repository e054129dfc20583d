"""Recipes on data that lies on disk: batches, scores and resumed runs as in memory."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import toolkit
from toolkit.api import preparing
from toolkit.data import readers, table_store
from toolkit.data.batches import BatchPlan
from toolkit.data.prepared import PreparedExamples
from toolkit.errors import RecipeError


@pytest.fixture(autouse=True)
def _small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of its own, and several chunks of few rows."""
    monkeypatch.setenv("TOOLKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(readers, "ROWS_PER_CHUNK", 30)
    monkeypatch.setattr(preparing, "CHUNK", 25)


def assert_same_batches(memory: Any, disk: Any) -> None:
    assert isinstance(disk, PreparedExamples)
    plan = BatchPlan(memory.lengths, batch_size=16, seed=1)
    for step in range(2 * plan.steps_per_epoch):
        rows, shape, _ = vars(plan.batch(step)).values()
        rows = np.maximum(rows, 0)
        known, found = memory.batch(rows, shape), disk.batch(rows, shape)
        assert np.array_equal(known.weights, found.weights)
        for one, other in ((known.inputs, found.inputs), (known.targets, found.targets)):
            assert one.keys() == other.keys()
            for name, values in one.items():
                assert values.dtype == other[name].dtype
                assert np.array_equal(values, other[name])


def sentiment(data: Path, prepare: str, **sections: Any) -> Any:
    return toolkit.prepare(
        task={"type": "sentiment", "class_weights": {"yes": 2.0}},
        data={"train": str(data / "tiny.csv"), "prepare": prepare},
        **{"model": "auto", **sections},
    )


@pytest.mark.slow
def test_batches_are_bit_equal(tiny_data: Path) -> None:
    memory, disk = (sentiment(tiny_data, prepare) for prepare in ("never", "always"))
    assert_same_batches(memory.train, disk.train)
    assert_same_batches(memory.validation, disk.validation)
    decision = disk.task.decisions["data.prepare"]
    assert decision.value == "disk"
    assert decision.reason == (
        "data.prepare is always; what is fitted is fitted on 64 of 64 training rows, "
        "drawn with seed 0"
    )
    assert memory.task.decisions["data.prepare"].value == "memory"


@pytest.mark.slow
def test_prepared_again_only_when_data_or_what_is_fitted_changes(tiny_data: Path) -> None:
    def folder(**sections: Any) -> Path:
        prepared: Path = sentiment(tiny_data, "always", **sections).train.folder
        return prepared

    first = folder(model="bag")
    assert folder(model="bag") == first
    assert folder(model="bag", train={"batch_size": 7}) == first
    assert folder(model={"type": "bag", "words": [1]}) != first
    entries = len(toolkit.cache())
    assert folder(model="bag") == first
    assert len(toolkit.cache()) == entries


def test_fitted_on_a_sample(tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_store, "SAMPLE_BYTES", 500)
    prepared = sentiment(tiny_data, "always")
    assert prepared.task.labels == ["no", "yes"]
    assert len(prepared.train) == 64
    decision = prepared.task.decisions["data.prepare"]
    assert " of 64 training rows" in decision.reason
    assert "on 64 of" not in decision.reason


def trained(data: Path, folder: Path, prepare: str) -> Any:
    """A run of one epoch that goes on for a second."""
    settings = {"data.prepare": prepare, "run.seed": 3, "export": "none"}
    for epochs in (1, 2):
        run = toolkit.fit(
            data / "tiny.yaml",
            run=folder / prepare,
            overrides={**settings, "train.epochs": epochs},
            resume="auto",
        )
    return run


def test_a_run_resumes_scores_and_evaluates_as_in_memory(tiny_data: Path, tmp_path: Path) -> None:
    memory, disk = (trained(tiny_data, tmp_path, prepare) for prepare in ("never", "always"))
    assert [one["loss"] for one in memory.history] == [one["loss"] for one in disk.history]
    for one, other in zip(memory.model.weights, disk.model.weights, strict=True):
        assert np.array_equal(one.numpy(), other.numpy())
    assert memory.report == disk.report
    assert len(toolkit.cache()) == 4  # rows and three splits, for both fits
    again = toolkit.load_run(disk.path)
    assert again.evaluate().scores == disk.report["scores"]
    file = str(tiny_data / "tiny.csv")
    assert again.evaluate(file).scores == memory.evaluate(file).scores
    manifest = json.loads((disk.path / "run.json").read_text())
    assert manifest["decisions"]["data.prepare"]["value"] == "disk"


def test_a_task_of_several_rows_an_example_stays_in_memory(
    tiny_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.tiny_task.options import Data

    monkeypatch.setattr(Data, "rows_alone", False)
    recipe = tiny_data / "tiny.yaml"
    decision = toolkit.prepare(recipe).task.decisions["data.prepare"]
    assert decision.reason == "this task's examples are made of several rows"
    with pytest.raises(RecipeError, match=r"data\.prepare: this task's examples are made of"):
        toolkit.prepare(recipe, overrides={"data.prepare": "always"})
