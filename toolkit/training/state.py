"""All that a training knows besides its variables, and how both go into a checkpoint and back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from toolkit.errors import RunError, TrainingError
from toolkit.training.optimizers import UpdateRule
from toolkit.training.watch import Watch

Arrays = dict[str, NDArray[Any]]


@dataclass
class TrainingState:
    """Where a training stands; the position in the data is the step.

    Attributes:
        best: watches the score that chooses the best checkpoint.
        stopping: watches the score of early stopping.
        plateau: watches the score that lowers the learning rate.
        step: finished optimizer steps.
        loss_sum: sum of the losses of the steps of this round.
        loss_count: how many those are.
        rate_factor: what the plateau schedule has multiplied the learning rate by.
        saved: checkpoints written so far.
        seconds: time spent in training so far.
        history: one record per finished round.
        settled: values chosen by trials, which a resumed run must not choose anew.
    """

    best: Watch
    stopping: Watch
    plateau: Watch
    step: int = 0
    loss_sum: float = 0.0
    loss_count: int = 0
    rate_factor: float = 1.0
    saved: int = 0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)
    settled: dict[str, Any] = field(default_factory=dict)

    def advance(self, steps: int, losses: NDArray[np.float32]) -> None:
        """Take in successive steps, loss by loss: the sum must not depend on where calls end."""
        for loss in losses[np.isfinite(losses)]:
            self.loss_sum += float(loss)
            self.loss_count += 1
        self.step += steps

    def end_round(self) -> float:
        """Return the mean loss of the round, and begin the next."""
        mean = self.loss_sum / max(1, self.loss_count)
        self.loss_sum, self.loss_count = 0.0, 0
        return mean

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for a checkpoint."""
        watches = ("best", "stopping", "plateau")
        plain = {name: value for name, value in vars(self).items() if name not in watches}
        return {
            **plain,
            **{name: getattr(self, name).state() for name in watches},
            "number": self.saved,
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Go on from :meth:`as_dict`."""
        for name in ("best", "stopping", "plateau"):
            getattr(self, name).restore(saved[name])
        for name in vars(self):
            if name not in ("best", "stopping", "plateau"):
                setattr(self, name, saved[name])


def capture(model: keras.Model, rule: UpdateRule) -> Arrays:
    """Read every variable: weights, statistics, random states, optimizer, averages, loss scale.

    Raises:
        TrainingError: a weight is no longer a number, so that it is not worth keeping.
    """
    arrays = {}
    for key, variable in _variables(model, rule).items():
        arrays[key] = np.asarray(variable.numpy())
    for key, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            name = _variables(model, rule)[key].path
            raise TrainingError(
                f"train: the weights are no longer numbers ({name}). Try a smaller "
                "learning_rate or clip_norm."
            )
    return arrays


def restore(model: keras.Model, rule: UpdateRule, arrays: Arrays) -> None:
    """Put back what :func:`capture` read.

    Raises:
        RunError: the variables are not those of the checkpoint.
    """
    variables = _variables(model, rule)
    if set(variables) != set(arrays):
        raise RunError(
            "checkpoint: another model or optimizer. "
            f"Expected {len(variables)} variables. Received: {len(arrays)}."
        )
    for key, variable in variables.items():
        if tuple(variable.shape) != arrays[key].shape:
            raise RunError(
                f"checkpoint: another model. Expected {tuple(variable.shape)} for "
                f"{variable.path}. Received: {arrays[key].shape}."
            )
        variable.assign(arrays[key])


def answering_weights(model: keras.Model, rule: UpdateRule, arrays: Arrays) -> Arrays:
    """Return the model's own variables, with moving averages in the place of weights."""
    weights = {key: value for key, value in arrays.items() if key.startswith("model/")}
    if rule.averages:
        places = {id(variable): key for key, variable in _numbered("model", model.variables)}
        first = len(rule.optimizer.variables)
        for index, weight in enumerate(rule.weights):
            weights[places[id(weight)]] = arrays[_key("update", first + index)]
    return weights


def set_weights(model: keras.Model, weights: Arrays) -> None:
    """Put back what :func:`answering_weights` returned."""
    for key, variable in _numbered("model", model.variables):
        variable.assign(weights[key])


def mean_weights(many: list[Arrays]) -> Arrays:
    """Average several checkpoints' weights; integers are the last one's."""
    last = many[-1]
    return {
        key: np.mean([weights[key] for weights in many], axis=0, dtype=np.float64).astype(
            value.dtype
        )
        if value.dtype.kind == "f"
        else value
        for key, value in last.items()
    }


def _variables(model: keras.Model, rule: UpdateRule) -> dict[str, Any]:
    return dict([*_numbered("model", model.variables), *_numbered("update", rule.variables)])


def _numbered(name: str, variables: list[Any]) -> list[tuple[str, Any]]:
    return [(_key(name, index), variable) for index, variable in enumerate(variables)]


def _key(name: str, index: int) -> str:
    return f"{name}/{index:04d}"
