"""Training from start to end: steps, validation, checkpoints, and stopping for any reason.

The loop is the toolkit's own. Keras's ``Model.fit`` does not run under a multi-worker strategy,
does not accumulate gradients or average weights under any strategy, and cannot go on exactly
from the middle of an epoch.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from toolkit.data.examples import Examples
from toolkit.recipe import TrainOptions
from toolkit.tasks.base import Decision, Task
from toolkit.training.distribution import Distribution
from toolkit.training.features import featured
from toolkit.training.precision import emulated, settle_precision
from toolkit.training.progress import Progress
from toolkit.training.run_directory import RunDirectory
from toolkit.training.session import Session
from toolkit.training.settings import settle


@dataclass(frozen=True)
class Result:
    """What a training has led to.

    Attributes:
        model: the model with its best weights, on the training's devices.
        steps: optimizer steps taken.
        best_step: the step the weights are of (the last of those averaged).
        best_score: the monitored validation score there; None without validation.
        history: one record per validation.
        decisions: what was chosen for each ``auto``, and why.
    """

    model: keras.Model
    steps: int
    best_step: int
    best_score: float | None
    history: list[dict[str, Any]]
    decisions: dict[str, Decision]


def train(
    task: Task[Any],
    model: keras.Model | Callable[[], keras.Model],
    train_examples: Examples,
    validation_examples: Examples | None,
    options: TrainOptions,
    run: RunDirectory,
    *,
    distribution: Distribution,
    seed: int = 0,
    show: bool = True,
) -> Result:
    """Train and leave checkpoints, metrics, logs and ``model.keras`` in the run directory.

    Call :func:`toolkit.training.distribution.distribute` before any tensor is made, and
    :meth:`RunDirectory.open_for_fit` and :meth:`RunDirectory.claim` before this; whether the
    run is new or goes on is ``run.resuming``. The manifest's status ends as ``trained``;
    ``finished`` is the caller's to set.

    Args:
        task: what to learn; prepared.
        model: the model, or what builds it: ``task.build_model``.
        train_examples: what to learn from.
        validation_examples: what to choose the best checkpoint by; the last one without.
        options: the recipe's ``train`` section.
        run: where to write.
        distribution: on which devices.
        seed: of weights, dropout, order and augmentation.
        show: whether to report progress on stderr.

    Raises:
        TrainingError: the loss or the weights are no longer numbers; the last good checkpoint
            stays.
        StoppedError: SIGTERM or Ctrl-C, after saving.
        RunError: a checkpoint cannot be written or read.
        ArgumentError: options that do not fit together, or do not fit a model of the user's own.
    """
    settings = settle(options, task, train_examples, seed)
    progress = Progress(settings.label, settings.rounds, show=show and distribution.is_chief)
    own = model.dtype_policy.name if isinstance(model, keras.Model) else None
    # The other workers need not see the chief's directory.
    goes_on = run.resuming and run.writes
    noted = run.manifest().get("decisions", {}) if goes_on else {}
    precision = settle_precision(options.precision, own, distribution, noted.get("train.precision"))
    if options.precision == "auto":
        settings.decisions["train.precision"] = precision
    elif warning := emulated(precision.value, distribution):
        progress.say(warning)
    built = build(model, distribution, precision.value, seed)
    if not run.resuming:
        task.initialise(built, train_examples)
        run.note(decisions=task.decided())
    learner, train_examples, validation_examples = featured(
        task, built, train_examples, validation_examples
    )
    session = Session(
        task,
        built,
        learner,
        train_examples,
        validation_examples,
        options,
        settings,
        run,
        distribution,
        progress,
    )
    try:
        session.run_to_end()
    finally:
        progress.close()
    state = session.state
    return Result(
        built,
        state.step,
        session.chosen_step,
        session.chosen_score,
        state.history,
        settings.decisions,
    )


def build(
    model: keras.Model | Callable[[], keras.Model],
    distribution: Distribution,
    precision: str = "float32",
    seed: int = 0,
) -> keras.Model:
    """Build or move a model into the strategy's scope, seeded, in the given precision."""
    # Keras draws its seeds from these two. Its own set_random_seed also seeds TensorFlow, which
    # empties TensorFlow's kernel cache and with it every SentencePiece model that is in use.
    random.seed(seed)
    np.random.seed(seed)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        with distribution.scope():
            if isinstance(model, keras.Model):
                return _moved(model, distribution)
            return model()
    finally:
        keras.config.set_dtype_policy(before)


def _moved(model: keras.Model, distribution: Distribution) -> keras.Model:
    if distribution.num_replicas == 1:
        return model
    copy = type(model).from_config(model.get_config())
    copy.set_weights(model.get_weights())
    return copy
