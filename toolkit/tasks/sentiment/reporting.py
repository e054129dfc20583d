"""What probabilities of labels say: names, scores, and where they were most wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.metrics.bootstrap import intervals
from toolkit.metrics.classification import (
    MultiLabelScorer,
    SingleLabelScorer,
    confusion_matrix,
    per_class,
)
from toolkit.tasks.sentiment.pooling import pooled

if TYPE_CHECKING:
    from toolkit.recipe import EvaluateOptions

HARDEST = 20
Floats = NDArray[Any]


class Labelling:
    """One label for each text, or several at once.

    Args:
        names: the labels, in the order of the probabilities' columns.
        threshold: from which probability a label is given; None where a text has one label.
        separator: between the names of several labels.
    """

    def __init__(self, names: list[str], threshold: float | None, separator: str) -> None:
        self.names = names
        self.threshold = threshold
        self.separator = separator

    def predicted(self, probabilities: Floats) -> NDArray[np.int64]:
        """Label numbers ``(texts,)``, or ``(texts, labels)`` of 0 and 1."""
        if self.threshold is None:
            return np.asarray(probabilities.argmax(1), np.int64)
        return np.asarray(probabilities >= self.threshold, np.int64)

    def scorer(self, probabilities: Floats, labels: Floats) -> SingleLabelScorer | MultiLabelScorer:
        """What scores any resample of the texts."""
        if self.threshold is None:
            return SingleLabelScorer(probabilities, labels)
        return MultiLabelScorer(probabilities, labels, self.threshold)

    def members(
        self, logits: Floats, labels: Floats, powers: dict[str, float]
    ) -> dict[str, dict[str, float]]:
        """What each of several models counts, and its scores by itself.

        Args:
            logits: ``(texts, members, labels)``.
            labels: the right ones.
            powers: by the members' names, in their order.
        """
        several = self.threshold is not None
        found = {}
        for number, (name, power) in enumerate(powers.items()):
            alone = np.asarray(pooled(logits[:, number : number + 1], np.ones(1), several))
            found[name] = {"power": float(power), **self.scorer(alone, labels)()}
        return found

    def report(
        self, probabilities: Floats, labels: Floats, chosen: EvaluateOptions
    ) -> dict[str, Any]:
        """Scores with intervals, those of each label, and the confusion matrix."""
        scorer = self.scorer(probabilities, labels)
        report: dict[str, Any] = {"scores": scorer()}
        if chosen.bootstrap:
            report["intervals"] = intervals(
                scorer, len(labels), resamples=chosen.bootstrap, confidence=chosen.confidence
            )
        predicted = self.predicted(probabilities)
        report["per_class"] = per_class(predicted, labels, self.names)
        if self.threshold is None:
            matrix = confusion_matrix(predicted, labels, len(self.names))
            report["confusion_matrix"] = {"labels": self.names, "counts": matrix.tolist()}
        return report

    def hardest(
        self, probabilities: Floats, labels: Floats
    ) -> tuple[NDArray[np.int64], list[dict[str, Any]]]:
        """The errors that the model was surest of: their rows, and what was said of each."""
        predicted = self.predicted(probabilities)
        if self.threshold is None:
            wrong = predicted != labels
            right = probabilities[np.arange(len(labels)), labels]
        else:
            wrong = (predicted != labels).any(1)
            right = np.where(labels == 1, probabilities, 1 - probabilities).min(1)
        rows = np.flatnonzero(wrong)[np.argsort(right[wrong], kind="stable")][:HARDEST]
        return rows, [
            {
                "label": self.written(labels[row]),
                "prediction": self.written(predicted[row]),
                "probability_of_label": round(float(right[row]), 4),
            }
            for row in rows
        ]

    def written(self, label: Any) -> str:
        """The name of a label number, or the names of a row of 0 and 1."""
        if self.threshold is None:
            return self.names[int(label)]
        given = (name for name, one in zip(self.names, label, strict=True) if one)
        return self.separator.join(given)

    def predictions(self, probabilities: Floats) -> pd.DataFrame:
        """``prediction``, ``score`` (its probability) and the probability of each label."""
        sure = probabilities.max(1)
        if self.threshold is not None:
            sure = np.maximum(probabilities, 1 - probabilities).min(1)
        answers = [self.written(label) for label in self.predicted(probabilities)]
        columns = {f"probability_{name}": probabilities[:, i] for i, name in enumerate(self.names)}
        return pd.DataFrame({"prediction": answers, "score": sure, **columns})
