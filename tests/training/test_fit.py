"""One training on one device: what it leaves, how it ends, how it goes on."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.training.running import fit, variables
from tests.training.tiny import Tiny
from toolkit.errors import ArgumentError, RunError, StoppedError, TrainingError
from toolkit.training.distribution import LANES
from toolkit.training.engine import Engine
from toolkit.training.run_directory import RunDirectory
from toolkit.training.steps import TrainingSteps


def test_leaves_a_whole_run_directory(tmp_path: Path) -> None:
    result = fit(tmp_path / "run")
    run = RunDirectory(tmp_path / "run")
    records = [json.loads(line) for line in run.metrics_file.read_text().splitlines()]
    assert records == result.history
    assert [record["step"] for record in records] == [6, 12, 18]
    assert records[-1]["loss"] < records[0]["loss"]
    assert 0 <= records[-1]["validation_accuracy"] <= 1
    assert run.manifest()["status"] == "trained"
    assert run.manifest()["decisions"]["train.learning_rate"]["reason"] == "tiny"
    assert list(run.logs.glob("events*"))
    loaded = keras.models.load_model(run.model_file)
    for kept, now in zip(loaded.get_weights(), result.model.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, now)


def test_the_model_has_the_weights_of_the_best_step(tmp_path: Path) -> None:
    result = fit(tmp_path / "run", epochs=4)
    scores = [record["validation_accuracy"] for record in result.history]
    assert result.best_score == max(scores)
    assert result.best_step == 6 * (1 + scores.index(max(scores)))


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    one, two = fit(tmp_path / "one"), fit(tmp_path / "two")
    for a, b in zip(one.model.get_weights(), two.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_stops_early_and_stays_stopped(tmp_path: Path) -> None:
    early = {"monitor": "loss", "patience": 1, "min_delta": 10.0}
    assert fit(tmp_path / "run", epochs=9, early_stopping=early).steps == 12
    assert fit(tmp_path / "run", epochs=9, early_stopping=early, resume=True).steps == 12


def test_an_unknown_monitor_names_the_scores(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"Expected one of accuracy, loss\. Received: f1"):
        fit(tmp_path / "run", early_stopping="f1")


def test_a_finished_run_goes_on_for_more_epochs(tmp_path: Path) -> None:
    options = {"schedule": "constant"}
    fit(tmp_path / "run", epochs=1, **options)
    resumed = fit(tmp_path / "run", epochs=2, resume=True, **options)
    fit(tmp_path / "whole", epochs=2, **options)
    assert len(resumed.history) == 2
    for a, b in zip(variables(tmp_path / "run"), variables(tmp_path / "whole"), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_signal_saves_and_the_run_goes_on_exactly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take, calls = Engine.take, []

    def interrupted(self: Engine, step: int, *rest: Any) -> Any:
        calls.append(step)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return take(self, step, *rest)

    task = Tiny("recurrent", dropout=0.3, augments=True)
    options: dict[str, Any] = {"task": task, "steps_per_execution": 2}
    monkeypatch.setattr(Engine, "take", interrupted)
    with pytest.raises(StoppedError, match="SIGTERM after saving step 8 of 18"):
        fit(tmp_path / "run", **options)
    assert RunDirectory(tmp_path / "run").manifest()["status"] == "stopped"
    monkeypatch.setattr(Engine, "take", take)
    fit(tmp_path / "run", resume=True, **options)
    fit(tmp_path / "whole", **options)
    for a, b in zip(variables(tmp_path / "run"), variables(tmp_path / "whole"), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    class Breaking(Tiny):
        def training_loss(self, model: Any, inputs: Any, targets: Any, weights: Any) -> Any:
            loss = super().training_loss(model, inputs, targets, weights)
            return loss * tf.where(self.calls() > 8 * LANES, np.nan, 1.0)

        def calls(self) -> Any:
            return counter.assign_add(1)

    counter = tf.Variable(0)
    with pytest.raises(TrainingError, match=r"no longer a number at step 9 \(epoch 2\); the check"):
        fit(tmp_path / "run", Breaking())
    assert RunDirectory(tmp_path / "run").manifest()["status"] == "failed"
    assert len(list((tmp_path / "run" / "checkpoints").glob("step-000000006"))) == 1


def test_out_of_memory_goes_on_in_smaller_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, calls = TrainingSteps.run, []

    def exhausted(self: TrainingSteps, *arguments: Any) -> Any:
        calls.append(self.micro_batches)
        if len(calls) == 3:
            raise tf.errors.ResourceExhaustedError(None, None, "injected")
        return run(self, *arguments)

    task = Tiny(dropout=0.0)
    whole = fit(tmp_path / "whole", task)
    monkeypatch.setattr(TrainingSteps, "run", exhausted)
    result = fit(tmp_path / "run", task)
    assert calls[:2] == [1, 1]
    assert set(calls[3:]) == {2}
    decisions = RunDirectory(tmp_path / "run").manifest()["decisions"]
    assert decisions["train.accumulation"]["value"] == 2
    for a, b in zip(whole.model.get_weights(), result.model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_the_learning_rate_is_found_by_a_range_test(tmp_path: Path) -> None:
    result = fit(tmp_path / "run", Tiny(learning_rate=None), epochs=1)
    assert 1e-4 < result.decisions["train.learning_rate"].value < 1
    assert "range test" in result.decisions["train.learning_rate"].reason


def test_averages_the_last_checkpoints_when_that_is_better(tmp_path: Path) -> None:
    result = fit(tmp_path / "run", epochs=4, average_checkpoints=3)
    decision = result.decisions["train.average_checkpoints"]
    assert decision.value in (1, 3)
    assert "validation" not in decision.reason
    assert "accuracy" in decision.reason


def test_a_second_fit_into_the_same_run_is_refused(tmp_path: Path) -> None:
    held = RunDirectory.open_for_fit(tmp_path / "run")
    with pytest.raises(RunError, match="another process trains here"):
        RunDirectory.open_for_fit(tmp_path / "run", resume="auto")
    held.close()
    RunDirectory.open_for_fit(tmp_path / "run", resume="auto").close()
