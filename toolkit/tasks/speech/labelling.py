"""A label for a clip: what is fitted, learnt, answered and scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from keras import ops
from numpy.typing import NDArray

from toolkit.data.columns import texts
from toolkit.data.examples import Examples
from toolkit.data.labels import class_weights, encode_labels, example_weights, label_names
from toolkit.data.roles import Role
from toolkit.tasks.base import Monitor, Tensors
from toolkit.tasks.labels import Labelling

if TYPE_CHECKING:
    from toolkit.data.table import Table
    from toolkit.tasks.speech.options import Options


class LabelOutput:
    """One label of several for each clip.

    Args:
        options: the recipe's.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.labels: list[str] = []
        self.weights: NDArray[np.float64] = np.zeros(0)

    @property
    def role(self) -> Role:
        """The label's role."""
        return next(role for role in self.options.roles() if role.name == "label")

    @property
    def size(self) -> int:
        """Logits of an answer."""
        return len(self.labels)

    def fit(self, table: Table, others: Sequence[Table] = ()) -> None:
        """Find the labels and what an example of each counts."""
        del others  # labels that training lacks were refused before
        self.labels = label_names(table, self.role)
        encoded = encode_labels(table, self.role, self.labels)
        self.weights = class_weights(self.options.task.class_weights, encoded, self.labels)

    def state(self) -> dict[str, Any]:
        """Plain data for the run directory."""
        return {"labels": self.labels, "weights": self.weights.tolist()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take what :meth:`state` gave."""
        self.labels, self.weights = list(state["labels"]), np.array(state["weights"])

    def targets(self, table: Table) -> tuple[dict[str, Any], NDArray[np.float64]]:
        """``label`` numbers and weights of a table's rows."""
        encoded = encode_labels(table, self.role, self.labels)
        return {"label": encoded}, example_weights(encoded, self.weights)

    def loss(self, outputs: Any, targets: Tensors, weights: Any) -> Any:
        """Cross-entropy in nats, smoothed, the mean of all networks side by side.

        Of two labels where clips were mixed.
        """
        logits = _log_probabilities(outputs)
        smoothing = self.options.train.label_smoothing
        right = _at(logits, targets["label"])
        if "second" in targets:
            share = targets["share"][:, None]
            right = share * right + (1 - share) * _at(logits, targets["second"])
        losses = -(1 - smoothing) * right - smoothing * ops.mean(logits, axis=-1)
        return ops.sum(ops.mean(losses, axis=1) * weights)

    # -- answers ------------------------------------------------------------------------------

    @property
    def monitor(self) -> Monitor:
        """Log loss: of few validation clips the accuracy is soon 1 and says no more.

        Macro F1 where classes are balanced on purpose.
        """
        plain = self.options.task.class_weights == "none"
        return Monitor("log_loss", "min") if plain else Monitor("f1", "max")

    def answer(self, outputs: Any) -> Tensors:
        """``probabilities``, ``(batch, labels)``: of several networks the geometric mean."""
        return {"probabilities": ops.softmax(ops.mean(_log_probabilities(outputs), axis=1))}

    validate = answer

    def score(self, answers: Mapping[str, NDArray[Any]], examples: Examples) -> dict[str, float]:
        """Accuracy, macro F1, ROC-AUC, log loss and calibration error."""
        labels = np.asarray(examples.target("label"))
        return self.labelling.scorer(answers["probabilities"], labels)()

    def report(
        self, answers: Mapping[str, NDArray[Any]], examples: Examples, table: Table
    ) -> dict[str, Any]:
        """Scores with intervals, of each label and speaker, confusion matrix, hardest errors."""
        probabilities = answers["probabilities"]
        labels = np.asarray(examples.target("label"))
        report = self.labelling.report(probabilities, labels, self.options.evaluate)
        if self.options.data.speaker is not None:
            speakers = texts(table, self.options.data.speaker)
            right = self.labelling.predicted(probabilities) == labels
            report["per_speaker"] = _by_speaker(speakers, right)
        report["hardest_errors"] = self.labelling.hardest(probabilities, labels, table)[1]
        return report

    @property
    def labelling(self) -> Labelling:
        """What probabilities say, in names."""
        return Labelling(self.labels)

    def predictions(self, answers: Mapping[str, NDArray[Any]]) -> pd.DataFrame:
        """``prediction``, ``score`` (its probability) and the probability of each label."""
        return self.labelling.predictions(answers["probabilities"])

    def named(self, answers: Tensors) -> Tensors:
        """``label`` (its name), ``score`` and ``probabilities``."""
        return self.labelling.named(answers["probabilities"])

    def meanings(self) -> dict[str, str]:
        """What the exported outputs are."""
        return self.labelling.meanings()


def _log_probabilities(outputs: Any) -> Any:
    """``(batch, members, labels)``; a model of the user's own may have no axis of members."""
    logits = outputs if len(outputs.shape) == 3 else ops.expand_dims(outputs, 1)
    return ops.log_softmax(ops.cast(logits, "float32"), axis=-1)


def _at(log_probabilities: Any, label: Any) -> Any:
    """``(batch, members)`` log-probabilities of each row's label."""
    place = ops.cast(ops.reshape(label, (-1, 1, 1)), "int32")
    place = ops.repeat(place, log_probabilities.shape[1], axis=1)
    return ops.take_along_axis(log_probabilities, place, axis=-1)[..., 0]


def _by_speaker(speakers: list[str], right: NDArray[np.bool_]) -> dict[str, dict[str, float]]:
    names = np.array(speakers, object)
    return {
        name: {
            "clips": float((names == name).sum()),
            "accuracy": float(right[names == name].mean()),
        }
        for name in sorted(set(speakers))
    }
