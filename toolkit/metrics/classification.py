"""Scores of a classifier, from probabilities. One label of many, or several labels at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]


def single_label_scores(probabilities: Floats, labels: Ints) -> dict[str, float]:
    """Score one label for each example.

    Args:
        probabilities: ``(examples, classes)``, each row adding up to 1.
        labels: ``(examples,)`` numbers of the right classes.

    Returns:
        ``accuracy``; ``f1``, the mean over the classes that occur (macro F1); ``roc_auc``, the
        mean of one class against the rest over the classes that occur, absent where only one
        does; ``calibration_error``; ``log_loss``.
    """
    predicted = probabilities.argmax(1)
    present = np.unique(labels)
    scores = {
        "accuracy": float((predicted == labels).mean()),
        "f1": float(
            metrics.f1_score(labels, predicted, labels=present, average="macro", zero_division=0)
        ),
        "log_loss": log_loss(probabilities[np.arange(len(labels)), labels]),
        "calibration_error": calibration_error(probabilities.max(1), predicted == labels),
    }
    if len(present) > 1:
        one_hot = labels[:, None] == present
        scores["roc_auc"] = float(metrics.roc_auc_score(one_hot, probabilities[:, present]))
    return scores


def multi_label_scores(
    probabilities: Floats, labels: Ints, threshold: float = 0.5
) -> dict[str, float]:
    """Score several labels for each example.

    Args:
        probabilities: ``(examples, labels)``, each on its own.
        labels: ``(examples, labels)`` of 0 and 1.
        threshold: from where on a label is given.

    Returns:
        ``accuracy``, the share of examples with every label right (exact match); ``f1``, the mean
        over labels; ``f1_micro``, over all decisions; ``roc_auc``, the mean over the labels that
        some examples have and some have not; ``calibration_error``; ``log_loss``.
    """
    predicted = (probabilities >= threshold).astype(np.int64)
    right = np.where(labels == 1, probabilities, 1 - probabilities)
    mixed = (labels.min(0) == 0) & (labels.max(0) == 1)
    scores = {
        "accuracy": float((predicted == labels).all(1).mean()),
        "f1": float(metrics.f1_score(labels, predicted, average="macro", zero_division=0)),
        "f1_micro": float(metrics.f1_score(labels, predicted, average="micro", zero_division=0)),
        "log_loss": log_loss(right),
        "calibration_error": calibration_error(probabilities.ravel(), labels.ravel() == 1),
    }
    if mixed.any():
        scores["roc_auc"] = float(metrics.roc_auc_score(labels[:, mixed], probabilities[:, mixed]))
    return scores


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


def log_loss(right: Floats) -> float:
    """Mean negative log-probability of what was right, in nats."""
    return float(-np.log(np.clip(right, 1e-12, 1)).mean())


def calibration_error(confidence: Floats, correct: NDArray[np.bool_], bins: int = 15) -> float:
    """Expected calibration error: how far confidence is from accuracy, over equal-width bins.

    Reference: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 2.
    """
    place = np.clip((confidence * bins).astype(np.int64), 0, bins - 1)
    gap = np.bincount(place, confidence - correct, minlength=bins)
    return float(np.abs(gap).sum() / len(confidence))
