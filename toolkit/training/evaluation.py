"""Answers for a whole split: on every replica, in length buckets, back in row order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from toolkit.data.batches import FILLER, BatchPlan
from toolkit.data.examples import Examples
from toolkit.data.pipeline import make_dataset, reading_error
from toolkit.tasks.base import Task, as_arrays
from toolkit.training.distribution import Distribution, distribute

Answers = dict[str, NDArray[Any]]
Tick = Callable[[int, int], None]
ROWS, LOSS = "__rows__", "__loss__"


def evaluate_answers(
    task: Task[Any],
    model: keras.Model,
    examples: Examples,
    *,
    distribution: Distribution | None = None,
    batch_size: int | None = None,
    tick: Tick | None = None,
) -> Answers:
    """Return the task's answers for all examples, in their order.

    Args:
        task: whose :meth:`Task.answer` to ask.
        model: the trained model.
        examples: what to answer; targets are not needed.
        distribution: the replicas ``model`` lives on; one device by default.
        batch_size: examples of a step over all replicas, the task's by default; halved when
            memory runs out.
        tick: called with (steps done, steps in all).
    """
    evaluator = Evaluator(task, model, distribution or distribute())
    return evaluator(examples, batch_size=batch_size, tick=tick)[0]


class Evaluator:
    """Compiled evaluation of one model, to be called many times.

    Args:
        task: whose answers.
        model: the model.
        distribution: the replicas it lives on.
        method: ``answer``, or ``validate`` for the quicker answers that training scores,
            and the validation loss with them.
    """

    def __init__(
        self,
        task: Task[Any],
        model: keras.Model,
        distribution: Distribution,
        method: Literal["answer", "validate"] = "answer",
    ) -> None:
        self.task = task
        self.model = model
        self.distribution = distribution
        self.with_loss = method == "validate"
        self._step = tf.function(self._on_replicas, reduce_retracing=True, autograph=False)
        # Lanes share what is traced; replicas have copies of the variables, each its own.
        shared = distribution.lanes > 1
        self._part = tf.function(self._on_replica, autograph=False) if shared else self._on_replica

    def __call__(
        self, examples: Examples, *, batch_size: int | None = None, tick: Tick | None = None
    ) -> tuple[Answers, float | None]:
        """Return the answers in row order and, when validating, the weighted mean loss."""
        batch_size = batch_size or self.task.answer_batch_size
        while True:
            try:
                return self._whole(examples, batch_size, tick or (lambda done, total: None))
            except tf.errors.ResourceExhaustedError:
                if batch_size == 1 or self.distribution.num_workers > 1:
                    raise
                batch_size = max(1, batch_size // 2)
            except tf.errors.OpError as error:
                raise reading_error(error) or error from error

    def _whole(self, examples: Examples, batch_size: int, tick: Tick) -> tuple[Answers, Any]:
        size = max(batch_size, self.distribution.num_shares())
        plan = BatchPlan(examples.lengths, batch_size=size, shuffle=False)
        dataset = make_dataset(
            examples,
            plan,
            steps=plan.steps_per_epoch,
            shares=self.distribution.shares(),
            num_shares=self.distribution.num_shares(),
        )
        iterator = iter(self.distribution.distribute(dataset))
        parts: list[Mapping[str, Any]] = []
        for step in range(plan.steps_per_epoch):
            total = self._total_weight(examples, plan, step)
            parts += self._arrays(self._step(iterator), total)
            tick(step + 1, plan.steps_per_epoch)
        gathered: list[Mapping[str, Any]] = [*self.distribution.gather(as_arrays(parts))]
        joined = as_arrays(gathered)
        return self._in_order(joined, examples)

    def _on_replicas(self, iterator: Any) -> list[Any]:
        shares = self.distribution.next_shares(iterator)
        return [self.distribution.run(self._part, *share) for share in shares]

    def _on_replica(self, inputs: Any, targets: Any, weights: Any, rows: Any) -> Answers:
        if not self.with_loss:
            return {**self.task.answer(self.model, inputs), ROWS: rows}
        outputs = self.task.outputs(self.model, inputs, targets, training=False)
        answers = self.task.validate(self.model, inputs, outputs)
        loss = tf.cast(self.task.loss(outputs, targets, weights), tf.float32)
        return {**answers, ROWS: rows, LOSS: tf.fill(tf.shape(rows)[:1], loss)}

    def _arrays(self, lanes: list[Any], total: float) -> list[Answers]:
        parts = []
        for lane, replica in np.ndindex(len(lanes), self.distribution.local_replicas):
            local = {name: self.distribution.local(value) for name, value in lanes[lane].items()}
            part = {name: np.asarray(values[replica]) for name, values in local.items()}
            if LOSS in part:  # the share's part of the sum over the split, once
                summed = np.zeros(len(part[ROWS]), np.float64)
                summed[0] = part[LOSS][0] * total
                part[LOSS] = summed
            parts.append(part)
        return parts

    def _total_weight(self, examples: Examples, plan: BatchPlan, step: int) -> float:
        if not self.with_loss:
            return 0.0
        rows = plan.batch(step).rows
        return float(examples.weights[rows[rows != FILLER]].sum())

    def _in_order(self, joined: Answers, examples: Examples) -> tuple[Answers, float | None]:
        rows = joined.pop(ROWS)
        losses = joined.pop(LOSS, None)
        order = np.argsort(rows, kind="stable")[np.count_nonzero(rows == FILLER) :]
        answers = {name: array[order] for name, array in joined.items()}
        if losses is None:
            return answers, None
        total = max(float(examples.weights.sum()), np.finfo(np.float32).tiny)
        return answers, float(losses.sum() / total)
