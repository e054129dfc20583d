"""From a recipe to a finished run: check, prepare, train, evaluate, export, verify."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import keras

from toolkit.api.own_model import check_own_model, is_model
from toolkit.api.preparing import Working, fit_state, make_examples
from toolkit.api.recipes import Overrides, RecipeLike, open_for_data, written_batch_size
from toolkit.api.run import Run
from toolkit.api.tasks import lanes_of, load_task, make_task
from toolkit.data.checks import check_splits
from toolkit.data.examples import Examples
from toolkit.data.splits import Splits, load_splits
from toolkit.errors import ArgumentError, DataError, RecipeError, RunError
from toolkit.recipe import Recipe
from toolkit.serving.signature import versions
from toolkit.serving.verify import replaying, verify
from toolkit.tasks.base import Task
from toolkit.training.distribution import Distribution, distribute
from toolkit.training.fit import Result, train
from toolkit.training.run_directory import Resume, RunDirectory, training_identity, write_text

DATA_FILES = ("train", "validation", "test", "data_dir", "prepare")


@dataclass(frozen=True)
class Prepared:
    """What training starts from.

    Attributes:
        recipe: validated.
        splits: the tables.
        task: with its state fitted on the training split.
        train: examples to learn from.
        validation: examples to choose the best checkpoint by.
    """

    recipe: Recipe
    splits: Splits
    task: Task[Any]
    train: Examples
    validation: Examples


def fit(
    recipe: RecipeLike | None = None,
    *,
    model: Any = None,
    run: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    resume: Resume = False,
    overrides: Overrides = (),
    **sections: Any,
) -> Run:
    """Train, evaluate, export and verify.

    Everything is checked before the run directory is made.

    Args:
        recipe: a YAML file, a mapping of the same keys, or None where the keywords are the recipe.
        model: the recipe's ``model`` section, or a Keras model of one's own that takes the task's
            inputs and gives outputs of the shape that the task's own models give; see
            :func:`prepare`.
        run: the run directory, or the recipe's ``run`` section, such as ``{"seed": 1}``;
            ``runs/NAME-TIME`` by default.
        resume: True to go on with ``run``, ``"auto"`` to start it or go on.
        overrides: changes of single keys: ``{"train.epochs": 3}`` or ``["train.epochs=3"]``.
        **sections: the recipe's other top-level keys, such as ``task`` and ``data``.

    Returns:
        The finished run.

    Raises:
        RecipeError: the recipe does not validate.
        DataError: the data cannot be used.
        ArgumentError: arguments that do not fit together, or a model that does not fit.
        RunError: the run directory exists, is locked, or has nothing to resume.
        TrainingError: the loss is no longer a number.
        StoppedError: stopped on request, after saving.
        ExportError: the model cannot be exported; it is trained and kept.
        VerificationError: the export does not answer like the trained model.
    """
    own_model = model if is_model(model) else None
    if own_model is None and model is not None:
        sections["model"] = model
    if isinstance(run, Mapping):
        sections["run"], run = run, None
    opened = open_for_data(recipe, overrides, sections)
    options: Any = opened.options
    # A model of one's own has started TensorFlow already, with threads for batches in one part.
    lanes = lanes_of(options) if own_model is None else 1
    distribution = distribute(options.train.devices, options.train.strategy, lanes=lanes)
    path = _directory(opened, run, resume, distribution)
    clock = _Clock()
    with clock.measure("prepare"):
        state = RunDirectory(path).task if resume else None
        prepared = _prepare(opened, state, Working(distribution.is_chief))
        if own_model is not None:
            check_own_model(prepared.task, own_model, prepared.train)
    with _possession(path, resume, distribution) as directory:
        _describe(directory, prepared, own_model, distribution)
        with clock.measure("train"):
            result = _train(directory, prepared, own_model, distribution)
        finished = Run(
            directory,
            options,
            task=prepared.task,
            model=result.model,
            distribution=distribution,
        )
        with clock.measure("evaluate"):
            finished.conclude(prepared.splits.validation)
            evaluation = finished.evaluate_table(prepared.splits.test, "test split")
        if distribution.is_chief:
            finished.write_report(evaluation)
            with clock.measure("export"):
                _export(finished, prepared, distribution)
        directory.note(timings=clock.seconds)
        directory.set_status("finished")
    return finished


def prepare(
    recipe: RecipeLike | None = None, *, overrides: Overrides = (), **sections: Any
) -> Prepared:
    """Open and check a recipe's data and fit the task's state, without training.

    A model of one's own takes what ``prepared.train.batch(...)`` gives, and answers in the shape
    of ``prepared.task.build_model().output_shape``.

    Args:
        recipe: as in :func:`fit`; so are the others.
        overrides: changes of single keys.
        **sections: top-level keys.

    Raises:
        RecipeError: the recipe does not validate.
        DataError: the data cannot be used.
    """
    return _prepare(open_for_data(recipe, overrides, sections), None, Working())


def _prepare(recipe: Recipe, saved_state: Path | None, working: Working) -> Prepared:
    """Fit the task's state or, for a run that goes on, read it."""
    splits = checked_splits(recipe, working)
    if saved_state is not None and saved_state.is_dir():
        task = load_task(recipe.options, RunDirectory(saved_state.parent))
        task.tick = working
    else:
        task = make_task(recipe.options)
        task.tick = working
        fit_state(task, splits)
    tables = task.learnable(splits.train), splits.validation
    train, validation = (make_examples(task, table, working, fitting=True) for table in tables)
    return Prepared(recipe, splits, task, train, validation)


def checked_splits(recipe: Recipe, working: Working | None = None) -> Splits:
    """Open a recipe's data and check it; what is only doubtful becomes warnings.

    Args:
        recipe: whose data.
        working: told how far large files are read.

    Raises:
        DataError: lists every error.
    """
    options: Any = recipe.options
    splits = load_splits(options.data, options.roles(), recipe.base_directory, tick=working)
    report = check_splits(splits, options.roles(), written_batch_size(options))
    report.findings += options.findings(splits)
    report.raise_errors()
    for finding in report.warnings:
        warnings.warn(str(finding), stacklevel=3)
    return splits


def _directory(
    recipe: Recipe,
    run: str | os.PathLike[str] | None,
    resume: Resume,
    distribution: Distribution,
) -> Path:
    """Settle where the run goes; a quick refusal before the data is read."""
    options: Any = recipe.options
    given = run or options.run.directory
    if given is None and resume:
        raise ArgumentError(f"--resume needs --run, the run to go on with. Received: run={run!r}.")
    name = options.run.name or recipe.name
    default = Path("runs") / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    path = str(given or default)
    if distribution.num_workers > 1:
        path = distribution.from_chief_text(path)  # the clocks of the others may differ
    elif not resume and Path(path).is_dir() and any(Path(path).iterdir()):
        raise RunError(
            f"{path}: the run directory exists already. Add --resume to go on, or give another "
            "--run."
        )
    return Path(path)


@contextmanager
def _possession(path: Path, resume: Resume, distribution: Distribution) -> Iterator[RunDirectory]:
    """Own the directory; leave none behind where arguments or data turn out not to fit."""
    directory = RunDirectory.open_for_fit(path, resume, distribution)
    try:
        yield directory
    except (ArgumentError, DataError, RecipeError):
        trained = directory.model_file.exists()
        if directory.writes and not directory.resuming and not trained:
            shutil.rmtree(path, ignore_errors=True)
        raise
    finally:
        directory.close()


def _describe(
    directory: RunDirectory,
    prepared: Prepared,
    own_model: keras.Model | None,
    distribution: Distribution,
) -> None:
    """Write all that is known before the first step."""
    recipe, splits, task = prepared.recipe, prepared.splits, prepared.task
    options: Any = recipe.options
    directory.claim(_identity(recipe, splits, own_model))
    if not directory.writes:
        return
    write_text(directory.recipe_file, recipe.to_yaml())
    directory.task.mkdir(exist_ok=True)
    task.save(directory.task)
    directory.note(
        name=options.run.name or recipe.name,
        notes=options.run.notes,
        command=sys.argv,
        started=datetime.now().astimezone().isoformat(timespec="seconds"),
        versions=versions(),
        devices=distribution.description,
        seed=options.run.seed,
        data=_data_facts(splits),
        decisions=task.decided(),
    )


def _identity(recipe: Recipe, splits: Splits, own_model: keras.Model | None) -> dict[str, Any]:
    """What may not change when a run goes on."""
    resolved = recipe.resolved()
    data = {name: value for name, value in resolved["data"].items() if name not in DATA_FILES}
    content = "".join(sorted(splits.sha256.values()))
    model = resolved["model"] if own_model is None else _digest(own_model.to_json())
    return {
        "task": resolved["task"],
        "data": {**data, "content": _digest(content)},
        "model": model,
        "seed": resolved["run"]["seed"],
        "train": training_identity(recipe.options.train),
    }


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _data_facts(splits: Splits) -> dict[str, Any]:
    return {
        "rows": {name: len(table) for name, table in splits.items()},
        "splits": {one.split: {"how": one.how, "reason": one.reason} for one in splits.decisions},
        "skipped": [str(finding) for finding in splits.skipped],
        "sha256": splits.sha256,
    }


def _train(
    directory: RunDirectory,
    prepared: Prepared,
    own_model: keras.Model | None,
    distribution: Distribution,
) -> Result:
    options: Any = prepared.recipe.options
    result = train(
        prepared.task,
        prepared.task.build_model if own_model is None else own_model,
        prepared.train,
        prepared.validation,
        options.train,
        directory,
        distribution=distribution,
        seed=options.run.seed,
    )
    if directory.writes:
        with directory.model_file.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        directory.note(
            model_sha256=digest,
            best={"step": result.best_step, "score": result.best_score},
        )
    return result


def _export(run: Run, prepared: Prepared, distribution: Distribution) -> None:
    """Export and verify unless the recipe says none; from one device, whatever trained."""
    single = run
    if distribution.num_replicas > 1:
        single = Run(run.directory, run.options, task=prepared.task)
    single.keep_examples(prepared.splits.test)
    if run.options.export.format == "none":
        return
    with replaying() as process:
        verify(single.export(), process)


class _Clock:
    """Seconds of each stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        start = time.monotonic()
        yield
        self.seconds[stage] = round(time.monotonic() - start, 3)
