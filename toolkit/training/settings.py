"""The ``train`` section with every ``auto`` settled, and the reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from toolkit.data.batches import BatchPlan
from toolkit.data.examples import Examples
from toolkit.recipe import TrainOptions
from toolkit.recipe.optimization import Linear
from toolkit.tasks.base import Decision, Task

DEFAULT_EPOCHS, DEFAULT_BATCH_SIZE, MAX_ROUNDS = 10, 64, 20


@dataclass
class Settings:
    """How long and in which batches to train.

    Attributes:
        plan: the batches of the training split.
        total_steps: optimizer steps in all.
        round_steps: steps between validations: an epoch, or a twentieth of ``steps``.
        epochs: whether a round is an epoch.
        schedule: the course of the learning rate, as a recipe's section.
        learning_rate: its peak; None asks for a range test.
        decisions: what was settled for an ``auto``, and why.
    """

    plan: BatchPlan
    total_steps: int
    round_steps: int
    epochs: bool
    schedule: Any
    learning_rate: float | None
    decisions: dict[str, Decision]

    @property
    def rounds(self) -> int:
        """How many validations there will be."""
        return -(-self.total_steps // self.round_steps)

    @property
    def label(self) -> Literal["epoch", "round"]:
        """What a person calls the time between two validations."""
        return "epoch" if self.epochs else "round"


class _Autos:
    """Values for ``auto``: the task's recommendation first, then a default."""

    def __init__(self, options: TrainOptions, task: Task[Any]) -> None:
        self.options = options
        self.recommended = task.recommended()
        self.decisions: dict[str, Decision] = {}

    def settle(self, name: str, default: Any, reason: str) -> Any:
        value = getattr(self.options, name)
        if value != "auto":
            return value
        decision = self.recommended.get(name, Decision(default, reason))
        if decision.value is not None:
            self.decisions[f"train.{name}"] = decision
        return decision.value


def settle(options: TrainOptions, task: Task[Any], examples: Examples, seed: int) -> Settings:
    """Settle batches, length, schedule and learning rate."""
    autos = _Autos(options, task)
    few_shapes = task.keeps_shapes and options.compile != "none"
    plan = _plan(options, autos, examples, seed, few_shapes)
    by_steps = options.steps != "auto" or (
        options.epochs == "auto" and "steps" in autos.recommended
    )
    if by_steps:
        total = int(autos.settle("steps", None, ""))
        round_steps = -(-total // MAX_ROUNDS)
    else:
        epochs = autos.settle("epochs", DEFAULT_EPOCHS, "the usual number")
        total, round_steps = int(epochs) * plan.steps_per_epoch, plan.steps_per_epoch
    warmup = min(total // 20, 500)
    schedule = autos.settle(
        "schedule", Linear(warmup_steps=warmup), "a short warm-up, then a line to the end"
    )
    rate = autos.settle("learning_rate", None, "")
    return Settings(plan, total, round_steps, not by_steps, schedule, rate, autos.decisions)


def _plan(
    options: TrainOptions, autos: _Autos, examples: Examples, seed: int, few_shapes: bool
) -> BatchPlan:
    size, tokens = None, options.batch_tokens
    if tokens is None and options.batch_size == "auto":
        decision = autos.recommended.get("batch_tokens")
        if decision is not None:
            tokens = int(decision.value)
            autos.decisions["train.batch_tokens"] = decision
    if tokens is None:
        size = int(autos.settle("batch_size", DEFAULT_BATCH_SIZE, "the usual size"))
        size = min(size, len(examples))
    return BatchPlan(
        examples.lengths,
        batch_size=size,
        batch_tokens=tokens,
        seed=seed,
        shuffle=options.shuffle,
        few_shapes=few_shapes,
    )
