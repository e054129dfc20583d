"""Short trainings of the tiny task, and what they leave."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from tests.training.tiny import Tiny, tiny_examples
from toolkit.recipe import TrainOptions
from toolkit.training.checkpoint import Checkpoints
from toolkit.training.distribution import distribute
from toolkit.training.fit import Result, train
from toolkit.training.run_directory import RunDirectory


def fit(path: Path, task: Tiny | None = None, resume: Any = False, **options: Any) -> Result:
    """Train on 45 rows in batches of 8: 6 steps an epoch, the last of 5 rows."""
    run = RunDirectory.open_for_fit(path, resume)
    task = task or Tiny(dropout=0.3)
    length = {} if "steps" in options else {"epochs": 3}
    try:
        return train(
            task,
            task.build_model,
            tiny_examples(),
            tiny_examples(20, seed=1),
            TrainOptions.model_validate({"batch_size": 8, **length, **options}),
            run,
            distribution=distribute(options.get("devices", "auto")),
            seed=1,
        )
    finally:
        run.close()


def variables(path: Path) -> list[Any]:
    """Return every variable of the newest checkpoint, and the history without its timings."""
    checkpoint = Checkpoints(path / "checkpoints").newest(print)
    assert checkpoint is not None
    timings = ("seconds", "examples_per_second")
    history = [
        [value for name, value in record.items() if name not in timings]
        for record in checkpoint.state["history"]
    ]
    return [*checkpoint.arrays.values(), np.array(history)]


def cut_after(step: int, run: Path, into: Path) -> None:
    """Copy a run as if it had been cut after ``step``, of which there is a checkpoint."""
    shutil.copytree(run, into)
    saved = Checkpoints(into / "checkpoints")
    assert step in saved.steps()
    for later in saved.steps():
        if later > step:
            shutil.rmtree(saved.path(later))
