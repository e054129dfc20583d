"""What probabilities of labels say, in every task that answers by labels.

Names, scores, where they were most wrong, and what an export tells of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import NDArray

from toolkit.metrics.bootstrap import intervals
from toolkit.metrics.classification import (
    MultiLabelScorer,
    SingleLabelScorer,
    confusion_matrix,
    per_class,
)
from toolkit.tasks.base import Tensors

if TYPE_CHECKING:
    from toolkit.data.table import Table
    from toolkit.recipe import EvaluateOptions

HARDEST = 20
Floats = NDArray[Any]
Scorer = SingleLabelScorer | MultiLabelScorer


class Labelling:
    """One label for each example, or several at once.

    Probabilities are ``(examples, labels)``; the right labels are numbers, ``(examples,)``, or,
    where there may be several, ``(examples, labels)`` of 0 and 1.

    Args:
        names: the labels, in the order of the probabilities' columns.
        threshold: from which probability a label is given; None where an example has one label.
        separator: between the names of several labels.
    """

    def __init__(
        self, names: list[str], threshold: float | None = None, separator: str = ","
    ) -> None:
        self.names = names
        self.threshold = threshold
        self.separator = separator

    def predicted(self, probabilities: Floats) -> NDArray[np.int64]:
        """Label numbers ``(examples,)``, or ``(examples, labels)`` of 0 and 1."""
        if self.threshold is None:
            return np.asarray(probabilities.argmax(1), np.int64)
        return np.asarray(probabilities >= self.threshold, np.int64)

    def scorer(self, probabilities: Floats, labels: Floats) -> Scorer:
        """What scores any resample of the examples."""
        if self.threshold is None:
            return SingleLabelScorer(probabilities, labels)
        return MultiLabelScorer(probabilities, labels, self.threshold)

    def report(
        self,
        probabilities: Floats,
        labels: Floats,
        chosen: EvaluateOptions,
        scorer: Scorer | None = None,
        groups: NDArray[Any] | None = None,
    ) -> dict[str, Any]:
        """Scores with intervals, those of each label, and the confusion matrix.

        Args:
            probabilities: the answers.
            labels: the right ones.
            chosen: how it is judged.
            scorer: in place of :meth:`scorer`.
            groups: of each example, by number, where the intervals are over groups.
        """
        scorer = scorer or self.scorer(probabilities, labels)
        report: dict[str, Any] = {"scores": scorer()}
        if chosen.bootstrap:
            report["intervals"] = intervals(
                scorer,
                len(labels),
                resamples=chosen.bootstrap,
                confidence=chosen.confidence,
                groups=groups,
            )
        predicted = self.predicted(probabilities)
        report["per_class"] = per_class(predicted, labels, self.names)
        if self.threshold is None:
            matrix = confusion_matrix(predicted, labels, len(self.names))
            report["confusion_matrix"] = {"labels": self.names, "counts": matrix.tolist()}
        return report

    def hardest(
        self, probabilities: Floats, labels: Floats, table: Table
    ) -> tuple[NDArray[np.int64], list[dict[str, Any]]]:
        """The errors that the model was surest of: their rows, and what was said of each.

        Args:
            probabilities: the answers.
            labels: the right ones.
            table: whose rows they are of.
        """
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
                "where": table.where(int(row)),
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

    def named(self, probabilities: Any) -> Tensors:
        """The same in a graph: ``label`` and ``score``, or ``labels``; ``probabilities``."""
        if self.threshold is not None:
            given = tf.cast(probabilities >= self.threshold, tf.int32)
            return {"labels": given, "probabilities": probabilities}
        return {
            "label": tf.gather(tf.constant(self.names), tf.argmax(probabilities, axis=-1)),
            "score": tf.reduce_max(probabilities, axis=-1),
            "probabilities": probabilities,
        }

    def meanings(self) -> dict[str, str]:
        """What :meth:`named` gives, for a user of an export."""
        outputs = {"probabilities": "probability of each label, in the order of `labels`, 0 to 1"}
        if self.threshold is not None:
            outputs["labels"] = "1 for each label that is given, in the order of `labels`, else 0"
        else:
            outputs["label"] = "name of the likeliest label"
            outputs["score"] = "its probability, 0 to 1"
        return outputs
