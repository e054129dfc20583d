"""Whether a network pays: some steps of each candidate, judged on the validation part."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from toolkit.tasks.base import Decision
from toolkit.tasks.forecasting import models, options

if TYPE_CHECKING:
    from toolkit.data.series import Series
    from toolkit.data.windows import WindowExamples
    from toolkit.tasks.forecasting.task import Forecasting

FEWEST = 2_000  # windows of single series below which no network is tried
JUDGED = 4_000  # validation windows of single series at most
RATE = 1e-3  # the learning rate begins with
STEPS = 200, 1_000  # of a trial, at least and at most
READ = 0.3  # share of the training windows that a trial between these reads
PAYS = 0.005  # share of the linear forecast's error that a network must save
CANDIDATES: tuple[type[options.Network], ...] = (options.Transformer, options.GRU)


def choose(task: Forecasting, train: Series, validation: Series) -> tuple[Any, Decision]:
    """The linear map, or the network that saves most within the budget of steps.

    The same under the same seed: batches are drawn from it alone.
    """
    linear = options.LinearModel()
    budget = budget_of(task)
    windows = task.windows * len(task.targets)
    covariates = bool(task.layout.known or task.layout.past)
    if budget == 0 or windows < FEWEST:
        reason = "task.budget is 0" if budget == 0 else f"{windows:,} windows are too few to try"
        return linear, Decision(linear.model_dump(mode="json"), f"a linear map: {reason}")
    errors: dict[str, tuple[float, Any]] = {}
    start = np.inf
    for candidate in CANDIDATES:
        section = models.sized(candidate(), windows)
        start, error = _tried(task, section, train, validation, budget)
        errors[candidate.__name__.lower()] = (error, section)
    best = min(errors, key=lambda name: errors[name][0])
    told = ", ".join(f"{name} {error:.4g}" for name, (error, _) in errors.items())
    chosen = errors[best][1] if errors[best][0] < start * (1 - PAYS) else linear
    reason = f"validation error after {budget} steps: linear {start:.4g}, {told}"
    if covariates and chosen is linear:
        reason += "; a linear map reads no covariates"
    return chosen, Decision(chosen.model_dump(mode="json"), reason)


def budget_of(task: Forecasting) -> int:
    """Steps of a trial: of much data few show little of what a network would learn."""
    written = task.options.task.budget
    if written != "auto":
        return written
    return int(np.clip(READ * task.windows / task.batch_size(), *STEPS))


def _tried(
    task: Forecasting, section: Any, series: Series, held: Series, steps: int
) -> tuple[float, float]:
    """Validation error of the start, which is linear, and after so many steps."""
    before = task.model_options
    task.model_options = section
    train, validation = task.cut(series), task.cut(held)
    seed = task.options.run.seed
    random.seed(seed)
    np.random.seed(seed)
    model = task.build_model()
    task.initialise(model, train)
    optimizer = keras.optimizers.Adam(RATE)
    optimizer.build(model.trainable_variables)

    @tf.function(reduce_retracing=True, autograph=False)
    def step(inputs: Any, targets: Any, weights: Any) -> None:
        with tf.GradientTape() as tape:
            loss = task.loss(model(inputs, training=True), targets, weights)
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(loss, [v.value for v in variables]), variables)

    first = _error(model, validation)
    size = task.batch_size()
    draw = np.random.Generator(np.random.Philox(key=[seed, 0]))
    for number in range(steps):
        # falls to none as in the training that it foretells, where noise would hide what is learnt
        optimizer.learning_rate.assign(RATE * (1 - number / steps))
        task.tick(f"trying {section.type}", number + 1, steps)
        batch = train.batch(draw.integers(0, len(train), size))
        step(batch.inputs, batch.targets, batch.weights / size)
    last = _error(model, validation)
    task.model_options = before
    return first, last


def _error(model: keras.Model, examples: WindowExamples) -> float:
    """Mean squared error on evenly chosen windows."""
    assert examples.rows is not None
    count = min(len(examples), max(1, JUDGED // examples.rows.shape[1]))
    chosen = np.linspace(0, len(examples) - 1, count).astype(np.int64)
    total = number = 0.0
    for rows in np.array_split(chosen, -(-count // 64)):
        batch = examples.batch(rows)
        squares = (np.asarray(model(batch.inputs))[..., 0] - batch.targets["target"]) ** 2
        total += float(np.nansum(squares))
        number += float((~np.isnan(squares)).sum())
    return total / max(number, 1.0)
