import json
from pathlib import Path
from typing import Any

from tests.training.tiny import Tiny, tiny_examples
from toolkit.recipe import TrainOptions
from toolkit.training.distribution import distribute
from toolkit.training.fit import Result, train
from toolkit.training.run_directory import RunDirectory


def fit(path: Path, task: Tiny | None = None, resume: Any = False, **options: Any) -> Result:
    run = RunDirectory.open_for_fit(path, resume)
    task = task or Tiny(dropout=0.3)
    options = {"epochs": 3, "batch_size": 8, **options}
    try:
        return train(
            task,
            task.build_model,
            tiny_examples(),
            tiny_examples(20, seed=1),
            TrainOptions.model_validate(options),
            run,
            distribution=distribute(options.get("devices", "auto")),
            seed=1,
        )
    finally:
        run.close()


def test_leaves_a_whole_run_directory(tmp_path: Path) -> None:
    result = fit(tmp_path / "run")
    run = RunDirectory(tmp_path / "run")
    records = [json.loads(line) for line in run.metrics_file.read_text().splitlines()]
    assert records == result.history
    assert [record["step"] for record in records] == [6, 12, 18]
    assert records[-1]["loss"] < records[0]["loss"]
    assert 0 <= records[-1]["validation_accuracy"] <= 1
    assert run.manifest()["status"] == "trained"
    assert run.model_file.exists()
    assert list(run.logs.glob("events*"))
