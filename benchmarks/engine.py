"""What the training engine costs beside a bare loop, real data beside a cached batch, two workers.

    python benchmarks/engine.py [loop] [pipeline] [workers]

The model is small enough that a step takes 10 to 20 ms. The workers take larger batches, as on a
cluster: a step's gradients need about 10 ms from one to the other, however large the batch is.
``ratio`` is reference / ours, as in all benchmarks: the goals are 0.97 (1 / 1.03) for the loop,
0.95 (1 / 1.05) for the pipeline, 0.85 for the workers.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from timing import Apart, compare, in_turn, report, result

from toolkit.data.batches import BatchPlan
from toolkit.data.examples import Arrays, Batch, Examples
from toolkit.data.store import StoredExamples
from toolkit.ragged import Ragged
from toolkit.recipe import TrainOptions
from toolkit.tasks.base import Monitor, Task
from toolkit.training.distribution import Distribution, distribute
from toolkit.training.engine import Engine
from toolkit.training.fit import build
from toolkit.training.launch import launch_workers
from toolkit.training.session import make_rule

VOCABULARY, BATCH, STEPS = 8000, 64, 30


def text_like(rows: int, shortest: int, longest: int, seed: int = 0) -> StoredExamples:
    """Rows of word numbers as frequent and as long as in real reviews."""
    random = np.random.default_rng(seed)
    lengths = np.clip(random.lognormal(3.0, 0.5, rows).astype(int), shortest, longest)
    words = np.minimum(random.zipf(1.2, lengths.sum()), VOCABULARY - 1).astype(np.int32)
    splits = np.concatenate([[0], np.cumsum(lengths)])
    labels = random.integers(0, 2, rows).astype(np.int32)
    return StoredExamples({"tokens": Ragged(words, splits)}, {"label": labels}, axes=("tokens",))


class OneBatch(Examples):
    """The same batch again and again, as cheap as data can be."""

    def __init__(self, examples: StoredExamples, length: int) -> None:
        self._batch = examples.batch(np.arange(BATCH), (length,))
        self._length = length

    def __len__(self) -> int:
        return BATCH

    @property
    def lengths(self) -> Any:
        """All of one length."""
        return np.full((BATCH, 1), self._length)

    def batch(self, rows: Any, shape: Any) -> Batch:
        """Return the first rows, whichever were asked for."""

        def part(arrays: Arrays) -> Arrays:
            return {name: array[: len(rows)] for name, array in arrays.items()}

        batch = self._batch
        return Batch(part(batch.inputs), part(batch.targets), batch.weights[: len(rows)])


class Classifying(Task[Any]):
    """Two classes of text, by a small network of a 10 to 20 ms step."""

    def __init__(self) -> None:
        super().__init__(options=None)

    def build_model(self) -> keras.Model:
        """Two convolutions and a maximum over time."""
        tokens = keras.Input((None,), dtype="int32", name="tokens")
        values = keras.layers.Embedding(VOCABULARY, 64)(tokens)
        for _ in range(2):
            values = keras.layers.Conv1D(128, 5, padding="same", activation="relu")(values)
        values = keras.layers.GlobalMaxPooling1D()(values)
        return keras.Model({"tokens": tokens}, keras.layers.Dense(2)(values))

    def loss(self, outputs: Any, targets: Any, weights: Any) -> Any:
        """Cross-entropy."""
        each = keras.losses.sparse_categorical_crossentropy(
            targets["label"], outputs, from_logits=True
        )
        return tf.reduce_sum(weights * each)

    @property
    def monitor(self) -> Monitor:
        """The loss."""
        return Monitor("loss", "min")


for name in Task.__abstractmethods__ - {"build_model", "loss", "monitor"}:
    setattr(Classifying, name, None)
Classifying.__abstractmethods__ = frozenset()


def engine_on(
    examples: Examples,
    optimizer: str = "adam",
    distribution: Distribution | None = None,
    batch_size: int = BATCH,
    steps: int = STEPS,
) -> Callable[[], None]:
    """Return what takes ``steps`` steps of the engine."""
    task, distribution = Classifying(), distribution or distribute("cpu")
    settings = TrainOptions.model_validate({"optimizer": optimizer})
    model = build(task.build_model, distribution)
    rule = make_rule(model, settings, distribution)
    plan = BatchPlan(examples.lengths, batch_size=batch_size, seed=0)
    engine = Engine(task, model, rule, examples, plan, distribution)
    position = 0

    def run() -> None:
        nonlocal position
        engine.take(position, np.full(steps, 1e-3, np.float32), np.zeros(3, np.float32))
        position += steps

    return run


def bare_loop(examples: OneBatch) -> Callable[[], None]:
    """Return a compiled Keras loop of the same model on one constant batch."""
    task = Classifying()
    keras.utils.set_random_seed(0)
    model = task.build_model()
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(model.trainable_variables)
    batch = examples.batch(np.arange(BATCH), (0,))
    inputs = {name: tf.constant(array) for name, array in batch.inputs.items()}
    targets = {name: tf.constant(array) for name, array in batch.targets.items()}
    weights = tf.constant(batch.weights / batch.weights.sum())

    @tf.function
    def steps(count: Any) -> None:
        for _ in tf.range(count):
            with tf.GradientTape() as tape:
                loss = task.loss(model(inputs, training=True), targets, weights)
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply(gradients, model.trainable_variables)

    return lambda: steps(tf.constant(STEPS))


def loop() -> None:
    batch = OneBatch(text_like(BATCH, 20, 20), 20)
    bare = Apart(bare_loop, batch)
    for optimizer in ("adam", "adamw"):
        figures = compare(Apart(engine_on, batch, optimizer), bare)
        report(f"{STEPS} steps, one cached batch, {optimizer}", "bare Keras loop, adam", **figures)


def pipeline() -> None:
    examples = text_like(50_000, 20, 20)
    figures = compare(engine_on(examples), engine_on(OneBatch(examples, 20)))
    report(f"{STEPS} steps, 50,000 texts of 20 words", "one cached batch", **figures)


def workers() -> None:
    """Two processes of a core each beside one of two cores, 20,000 words a step, in turn."""
    times: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(3):
        for count, seen in times.items():
            seen.append(_milliseconds_of_job(count))
    ours, reference = (statistics.median(times[count]) for count in (2, 1))
    report(
        "5 steps of 20,000 words, two workers of one core", "one of two", **result(ours, reference)
    )


def _milliseconds_of_job(count: int) -> float:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "milliseconds"
        command = [sys.executable, __file__, "worker", str(file)]
        if launch_workers(count, command) != 0:
            raise SystemExit("a worker failed")
        return float(file.read_text())


def worker(file: Path) -> None:
    """Time steps as one worker of a job; the chief writes the median milliseconds."""
    distribution = distribute("cpu")
    cores = sorted(os.sched_getaffinity(0))
    if distribution.num_workers > 1:
        os.sched_setaffinity(0, {cores[distribution.worker % len(cores)]})
    examples = text_like(20_000, 20, 20)
    run = engine_on(examples, distribution=distribution, batch_size=1000, steps=5)
    medians = in_turn({"ours": run}, repeats=9)
    if distribution.is_chief:
        file.write_text(str(medians["ours"]))


BENCHMARKS = {"loop": loop, "pipeline": pipeline, "workers": workers}


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        worker(Path(sys.argv[2]))
    else:
        for chosen in sys.argv[1:] or BENCHMARKS:
            BENCHMARKS[chosen]()
