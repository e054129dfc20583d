"""Scores of the validation split while training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

from toolkit.data.examples import Examples
from toolkit.errors import ArgumentError
from toolkit.tasks.base import Task
from toolkit.training.distribution import Distribution
from toolkit.training.evaluation import Evaluator, Tick
from toolkit.training.optimizers import UpdateRule


class Validator:
    """Scores a model that is being trained, with the moving average of its weights if there is one.

    Args:
        task: whose scores.
        model: what is trained.
        rule: holds the averages.
        examples: the validation split, or None for no scores.
        distribution: the replicas.
        batch_size: examples of a step.
    """

    def __init__(
        self,
        task: Task[Any],
        model: keras.Model,
        rule: UpdateRule,
        examples: Examples | None,
        distribution: Distribution,
        batch_size: int,
    ) -> None:
        self.task = task
        self.rule = rule
        self.examples = examples
        self.batch_size = batch_size
        self._evaluator = Evaluator(task, model, distribution, "validate")

    def scores(self, tick: Tick | None = None, *, averaged: bool = True) -> dict[str, float]:
        """Return the scores by name, ``loss`` among them.

        Args:
            tick: called with (steps done, steps in all).
            averaged: whether to put the moving averages in the place of the weights.
        """
        if self.examples is None:
            return {}
        with self._averages(averaged):
            answers, loss = self._evaluator(self.examples, batch_size=self.batch_size, tick=tick)
        scores = {"loss": float(loss)} if loss is not None else {}
        return {**scores, **self.task.score(answers, self.examples)}

    @contextmanager
    def _averages(self, averaged: bool) -> Iterator[None]:
        if not (averaged and self.rule.averages):
            yield
            return
        kept = [weight.numpy() for weight in self.rule.weights]
        for weight, average in zip(self.rule.weights, self.rule.averages, strict=True):
            weight.assign(average.numpy())
        try:
            yield
        finally:
            for weight, value in zip(self.rule.weights, kept, strict=True):
                weight.assign(value)


def pick(scores: dict[str, float], name: str) -> float:
    """Return one score.

    Raises:
        ArgumentError: there is none of that name.
    """
    if name not in scores:
        raise ArgumentError(
            f"train.early_stopping.monitor: no such validation score. "
            f"Expected one of {', '.join(sorted(scores))}. Received: {name}."
        )
    return scores[name]
