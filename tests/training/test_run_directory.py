import json
from pathlib import Path

import pytest

from toolkit.errors import RunError
from toolkit.recipe import TrainOptions
from toolkit.training.checkpoint import Checkpoints
from toolkit.training.run_directory import RunDirectory, training_identity


def started(path: Path, *, checkpoint: bool = True) -> None:
    run = RunDirectory.open_for_fit(path)
    run.claim({"seed": 1, "data": {"a.csv": "12ab", "b.csv": "34cd"}, "model": {"type": "lstm"}})
    if checkpoint:
        Checkpoints(run.checkpoints).save(1, {}, {"number": 1})
    run.close()


def test_an_existing_run_is_refused(tmp_path: Path) -> None:
    started(tmp_path)
    with pytest.raises(RunError, match=r"exists already\. Add --resume to go on"):
        RunDirectory.open_for_fit(tmp_path)


def test_an_empty_directory_is_taken(tmp_path: Path) -> None:
    RunDirectory.open_for_fit(tmp_path).close()


def test_nothing_to_resume_is_an_error_and_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="nothing to resume"):
        RunDirectory.open_for_fit(tmp_path / "run", resume=True)
    assert not (tmp_path / "run").exists()


def test_auto_starts_or_goes_on(tmp_path: Path) -> None:
    run = RunDirectory.open_for_fit(tmp_path / "run", resume="auto")
    assert not run.resuming
    run.close()
    started(tmp_path / "other")
    run = RunDirectory.open_for_fit(tmp_path / "other", resume="auto")
    assert run.resuming
    run.close()


def test_auto_starts_over_where_no_checkpoint_was_reached(tmp_path: Path) -> None:
    started(tmp_path, checkpoint=False)
    (tmp_path / "task").mkdir()
    run = RunDirectory.open_for_fit(tmp_path, resume="auto")
    assert not run.resuming
    assert not run.task.exists()
    run.close()


def test_a_directory_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("...")
    with pytest.raises(RunError, match="not a run directory"):
        RunDirectory.open_for_fit(tmp_path, resume="auto")
    assert (tmp_path / "thesis.tex").exists()


def test_another_training_cannot_resume(tmp_path: Path) -> None:
    started(tmp_path)
    run = RunDirectory.open_for_fit(tmp_path, resume=True)
    with pytest.raises(RunError) as refused:
        run.claim({"seed": 2, "data": {"a.csv": "12ab", "b.csv": "99ff"}, "model": {"type": "gru"}})
    for difference in (
        "seed was 1, now 2",
        "data.b.csv was '34cd', now '99ff'",
        "model.type was 'lstm', now 'gru'",
    ):
        assert difference in str(refused.value)
    assert "a.csv" not in str(refused.value)
    run.close()


def test_what_a_resumed_run_may_change_is_no_part_of_its_identity() -> None:
    one = TrainOptions.model_validate({"epochs": 3, "devices": "cpu:2", "keep": 5})
    two = TrainOptions.model_validate({"epochs": 9, "checkpoint_every": "10m"})
    other = TrainOptions.model_validate({"epochs": 3, "batch_size": 7})
    assert training_identity(one) == training_identity(two)
    assert training_identity(one) != training_identity(other)
    json.dumps(training_identity(one))


def test_the_manifest_merges_what_is_noted(tmp_path: Path) -> None:
    run = RunDirectory.open_for_fit(tmp_path)
    run.note(decisions={"a": 1}, seed=1)
    run.note(decisions={"b": 2})
    run.set_status("running")
    assert run.manifest() == {"decisions": {"a": 1, "b": 2}, "seed": 1, "status": "running"}
    run.close()


def test_a_damaged_manifest_is_named(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(RunError, match=r"run\.json: damaged"):
        RunDirectory(tmp_path).manifest()
