"""Scores of a classifier, from probabilities. One label of many, or several labels at once.

Each scorer looks at the answers once and can then score any resample of the examples, given as
how often each was drawn, fast enough for a thousand of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]
BINS = 15


class SingleLabelScorer:
    """Scores of one label for each example.

    ``accuracy``; ``f1``, the mean over the classes that occur (macro F1); ``roc_auc``, the mean of
    one class against the rest over the classes that occur, absent where only one does;
    ``calibration_error``; ``log_loss``.

    Args:
        probabilities: ``(examples, classes)``, each row adding up to 1.
        labels: ``(examples,)`` numbers of the right classes.
    """

    def __init__(self, probabilities: Floats, labels: Ints) -> None:
        examples, classes = probabilities.shape
        predicted = probabilities.argmax(1)
        self.classes = classes
        self.cells = labels * classes + predicted
        self.loss = log_loss(probabilities[np.arange(examples), labels])
        self.calibration = Calibration(probabilities.max(1), predicted == labels)
        one_vs_rest = range(1, 2) if classes == 2 else range(classes)
        self.areas = [AreaUnderCurve(probabilities[:, c], labels == c) for c in one_vs_rest]

    def __call__(self, counts: Floats | None = None) -> dict[str, float]:
        """Score, each example as often as ``counts`` says, ``(examples,)``; once by default."""
        counts = np.ones(len(self.cells)) if counts is None else counts
        total = counts.sum()
        matrix = np.bincount(self.cells, counts, minlength=self.classes**2)
        matrix = matrix.reshape(self.classes, self.classes)
        present = matrix.sum(1) > 0
        scores = {
            "accuracy": float(np.trace(matrix) / total),
            "f1": float(f1(np.diag(matrix), matrix.sum(0), matrix.sum(1))[present].mean()),
            "log_loss": float(counts @ self.loss / total),
            "calibration_error": self.calibration(counts),
        }
        return _with_area(scores, self.areas, counts)


class MultiLabelScorer:
    """Scores of several labels for each example.

    ``accuracy``, the share of examples with every label right (exact match); ``f1``, the mean
    over labels; ``f1_micro``, over all decisions; ``roc_auc``, the mean over the labels that some
    examples have and some have not; ``calibration_error``; ``log_loss``.

    Args:
        probabilities: ``(examples, labels)``, each on its own.
        labels: ``(examples, labels)`` of 0 and 1.
        threshold: from where on a label is given.
    """

    def __init__(self, probabilities: Floats, labels: Ints, threshold: float = 0.5) -> None:
        predicted, true = probabilities >= threshold, labels == 1
        self.exact = (predicted == true).all(1)
        self.hits = (predicted & true).astype(np.float64)
        self.predicted, self.true = predicted.astype(np.float64), true.astype(np.float64)
        self.loss = log_loss(np.where(true, probabilities, 1 - probabilities)).mean(1)
        self.calibration = Calibration(probabilities.ravel(), true.ravel())
        pairs = zip(probabilities.T, true.T, strict=True)
        self.areas = [AreaUnderCurve(score, mine) for score, mine in pairs]

    def __call__(self, counts: Floats | None = None) -> dict[str, float]:
        """Score, each example as often as ``counts`` says, ``(examples,)``; once by default."""
        counts = np.ones(len(self.exact)) if counts is None else counts
        hits, predicted, true = (counts @ each for each in (self.hits, self.predicted, self.true))
        scores = {
            "accuracy": float(counts @ self.exact / counts.sum()),
            "f1": float(f1(hits, predicted, true).mean()),
            "f1_micro": float(f1(hits.sum(), predicted.sum(), true.sum())),
            "log_loss": float(counts @ self.loss / counts.sum()),
            "calibration_error": self.calibration(np.repeat(counts, self.hits.shape[1])),
        }
        return _with_area(scores, self.areas, counts)


def _with_area(
    scores: dict[str, float], areas: list[AreaUnderCurve], counts: Floats
) -> dict[str, float]:
    each = [area(counts) for area in areas]
    mixed = [area for area in each if area is not None]
    return {**scores, "roc_auc": float(np.mean(mixed))} if mixed else scores


class AreaUnderCurve:
    """Area under the ROC curve: how often a positive scores above a negative, ties by half.

    Reference: Hanley and McNeil, "The Meaning and Use of the Area under a ROC Curve", 1982.

    Args:
        scores: ``(examples,)``.
        positive: ``(examples,)`` booleans.
    """

    def __init__(self, scores: Floats, positive: NDArray[np.bool_]) -> None:
        self.values, self.place = np.unique(scores, return_inverse=True)
        self.positive = positive

    def __call__(self, counts: Floats) -> float | None:
        """The area, each example counted so often; None without positives or negatives."""
        size = len(self.values)
        positives = np.bincount(self.place, counts * self.positive, minlength=size)
        negatives = np.bincount(self.place, counts * ~self.positive, minlength=size)
        pairs = positives.sum() * negatives.sum()
        below = np.cumsum(negatives) - negatives / 2
        return float(positives @ below / pairs) if pairs else None


class Calibration:
    """Expected calibration error: how far confidence is from accuracy, over equal-width bins.

    Reference: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 2.

    Args:
        confidence: ``(decisions,)``, 0 to 1.
        correct: ``(decisions,)`` booleans.
    """

    def __init__(self, confidence: Floats, correct: NDArray[np.bool_]) -> None:
        self.place = np.clip((confidence * BINS).astype(np.int64), 0, BINS - 1)
        self.gap = confidence - correct

    def __call__(self, counts: Floats | None = None) -> float:
        """The error, each decision counted so often."""
        counts = np.ones(len(self.gap)) if counts is None else counts
        gaps = np.bincount(self.place, counts * self.gap, minlength=BINS)
        return float(np.abs(gaps).sum() / counts.sum())


def f1(hits: Any, predicted: Any, true: Any) -> Any:
    """Harmonic mean of precision and recall; 0 where nothing is predicted and nothing true."""
    return 2 * hits / np.maximum(predicted + true, 1e-12)


def log_loss(right: Floats) -> Floats:
    """Negative log-probability of what was right, in nats."""
    return -np.log(np.clip(right, 1e-12, 1))


def per_class(predicted: Ints, labels: Ints, names: list[str]) -> dict[str, dict[str, float]]:
    """Return precision, recall, F1 and support of each class, by name.

    Args:
        predicted: ``(examples,)`` class numbers, or ``(examples, labels)`` of 0 and 1.
        labels: the same, right.
        names: of the classes.
    """
    numbers = list(range(len(names)))
    columns = metrics.precision_recall_fscore_support(
        labels, predicted, labels=numbers, zero_division=0
    )
    keys = ("precision", "recall", "f1", "support")
    return {
        name: {key: float(column[i]) for key, column in zip(keys, columns, strict=True)}
        for i, name in enumerate(names)
    }


def confusion_matrix(predicted: Ints, labels: Ints, num_classes: int) -> Ints:
    """Count examples by right class (row) and predicted class (column)."""
    counts = np.zeros((num_classes, num_classes), np.int64)
    np.add.at(counts, (labels, predicted), 1)
    return counts
