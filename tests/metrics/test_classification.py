"""Scores against small cases worked out by hand."""

import numpy as np
import pytest
from sklearn import metrics

from toolkit.metrics.bootstrap import intervals, paired_difference, resampled
from toolkit.metrics.classification import (
    Calibration,
    MultiLabelScorer,
    SingleLabelScorer,
    confusion_matrix,
    per_class,
)


def test_single_label() -> None:
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.7, 0.3]])
    scores = SingleLabelScorer(probabilities, np.array([0, 0, 1, 1]))()
    assert scores["accuracy"] == 0.75
    assert scores["f1"] == pytest.approx((0.8 + 2 / 3) / 2)
    assert scores["roc_auc"] == 0.75
    assert scores["log_loss"] == pytest.approx(-np.log([0.9, 0.6, 0.8, 0.3]).mean())


@pytest.mark.parametrize("classes", [2, 5])
def test_single_label_against_scikit_learn_with_ties_and_resamples(classes: int) -> None:
    random = np.random.default_rng(classes)
    probabilities = np.round(random.dirichlet(np.ones(classes), 60), 1)
    labels = random.integers(0, classes, 60)
    scorer = SingleLabelScorer(probabilities, labels)
    for rows in [np.arange(60), random.integers(0, 60, 60)]:
        scores = scorer(np.bincount(rows, minlength=60).astype(float))
        drawn, true = probabilities[rows], labels[rows]
        one_hot = np.eye(classes)[true]
        assert scores["roc_auc"] == pytest.approx(metrics.roc_auc_score(one_hot, drawn))
        predicted = drawn.argmax(1)
        assert scores["f1"] == pytest.approx(
            metrics.f1_score(true, predicted, labels=np.unique(true), average="macro")
        )


def test_absent_classes_do_not_break_scores() -> None:
    probabilities = np.array([[0.9, 0.1, 0.0], [0.6, 0.4, 0.0]])
    scores = SingleLabelScorer(probabilities, np.array([0, 0]))()
    assert scores["f1"] == 1
    assert "roc_auc" not in scores


def test_multi_label() -> None:
    probabilities = np.array([[0.9, 0.2], [0.4, 0.8]])
    scores = MultiLabelScorer(probabilities, np.array([[1, 0], [1, 1]]))()
    assert scores["accuracy"] == 0.5
    assert scores["f1_micro"] == pytest.approx(0.8)
    assert scores["roc_auc"] == 1  # of the second label; the first has no negative


def test_multi_label_against_scikit_learn() -> None:
    random = np.random.default_rng(1)
    probabilities, labels = random.random((50, 4)), random.integers(0, 2, (50, 4))
    scores = MultiLabelScorer(probabilities, labels)()
    predicted = probabilities >= 0.5
    assert scores["roc_auc"] == pytest.approx(metrics.roc_auc_score(labels, probabilities))
    for name, average in (("f1", "macro"), ("f1_micro", "micro")):
        assert scores[name] == pytest.approx(metrics.f1_score(labels, predicted, average=average))


def test_calibration_error() -> None:
    confidence = np.array([0.8, 0.8, 0.8, 0.8, 0.8])
    assert Calibration(confidence, np.array([1, 1, 1, 1, 0], bool))() == pytest.approx(0)
    assert Calibration(confidence, np.zeros(5, bool))() == pytest.approx(0.8)


def test_confusion_and_classes() -> None:
    predicted, labels = np.array([0, 1, 1]), np.array([0, 0, 1])
    assert confusion_matrix(predicted, labels, 2).tolist() == [[1, 1], [0, 1]]
    scores = per_class(predicted, labels, ["no", "yes"])
    assert scores["no"] == {"precision": 1, "recall": 0.5, "f1": pytest.approx(2 / 3), "support": 2}


def test_interval_covers_the_mean() -> None:
    values = np.random.default_rng(0).random(400) < 0.8
    low, high = intervals(lambda n: {"accuracy": float(n @ values / n.sum())}, 400)["accuracy"]
    assert low < values.mean() < high
    assert 0.05 < high - low < 0.12  # 2 * 1.96 * sqrt(0.8 * 0.2 / 400) = 0.078


def test_groups_are_drawn_together() -> None:
    groups = np.array(["a", "a", "b", "c", "c", "c"])
    for rows in resampled(6, 20, groups):
        counts = np.bincount(rows, minlength=6)
        assert counts[0] == counts[1]
        assert counts[3] == counts[4] == counts[5]


def test_paired_bootstrap() -> None:
    first = np.array([1.0] * 90 + [0.0] * 10)
    second = np.array([1.0] * 80 + [0.0] * 20)
    mean, interval, p = paired_difference(first, second)
    assert mean == pytest.approx(0.1)
    assert interval.low > 0
    assert p < 0.01
