"""The machines on n-grams: their features, their optimum, their odd cases."""

import numpy as np
import pytest

from toolkit.layers import NGramBag
from toolkit.ragged import Ragged
from toolkit.text import bag_svm
from toolkit.text.bag_svm import Solution, solve, unit_rows, without_repeats

ROWS = [[1, 2], [], [2], [3, 1, 2], []]


def ragged(rows: list[list[int]]) -> Ragged:
    values = np.array([i for row in rows for i in row], np.int32)
    return Ragged(values, np.cumsum([0, *map(len, rows)]).astype(np.int64))


def test_rows_have_unit_length() -> None:
    scale = np.array([0, 3, 4, 1], np.float32)
    want = np.zeros((5, 4))
    for row, ids in zip(want, ROWS, strict=True):
        row[ids] = scale[ids] / max(np.linalg.norm(scale[ids]), 1e-6)
    np.testing.assert_allclose(unit_rows(ragged(ROWS), scale).toarray(), want, rtol=1e-6)


def data(num_classes: int, texts: int = 120) -> tuple[Ragged, np.ndarray]:
    """Each class has a word of its own beside common ones; a tenth of the labels is wrong."""
    random = np.random.default_rng(0)
    labels = np.arange(texts) % num_classes
    rows = [[1 + label, *random.choice(np.arange(10, 20), 3, replace=False)] for label in labels]
    labels[::10] = (labels[::10] + 1) % num_classes
    return ragged(rows), labels


def probabilities(solution: Solution, ngrams: Ragged) -> np.ndarray:
    logits = unit_rows(ngrams, solution.scale) @ solution.kernel + solution.bias
    return np.exp(logits) / np.exp(logits).sum(1, keepdims=True)


@pytest.mark.parametrize("num_classes", [2, 3])
def test_the_gradient_vanishes_at_the_solution(
    num_classes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bag_svm, "MAX_ITERATIONS", 10_000)
    ngrams, labels = data(num_classes)
    weights = np.where(labels == 0, 2.0, 1.0)
    solution = solve(ngrams, labels, num_classes, 20, weights)
    features = unit_rows(ngrams, solution.scale)
    sides = np.where(np.eye(num_classes)[labels] > 0, 1.0, -1.0)
    # two classes share a machine, half of whose margin speaks for each
    halves = 2 if num_classes == 2 else 1
    kernel, bias = (halves * part / solution.factor for part in (solution.kernel, solution.bias))
    slack = np.maximum(0, 1 - sides * (features @ kernel + bias)) * sides * weights[:, None]
    np.testing.assert_allclose(kernel, 2 * solution.strength * features.T @ slack, atol=2e-2)
    np.testing.assert_allclose(bias, 2 * solution.strength * slack.sum(0), atol=4e-2)


def test_margins_become_logits_by_the_factor_of_least_loss() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(size=(4000, 3)) * 2
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    classes = np.eye(3)[[random.choice(3, p=each) for each in chances]]
    loss, factor = bag_svm.calibrated(logits / 5, classes, False, np.ones(4000))
    assert factor == pytest.approx(5, rel=0.1)
    assert loss == pytest.approx(-np.log((chances * classes).sum(1)).mean(), rel=0.01)


def test_it_learns_and_is_told_how_far_it_is() -> None:
    ngrams, labels = data(3)
    told: list[tuple[str, int, int]] = []
    solution = solve(ngrams, labels, 3, 20, np.ones(120), lambda *each: told.append(each))
    assert (probabilities(solution, ngrams).argmax(1) == labels).mean() >= 0.9
    assert told[-1][1] == told[-1][2]


def test_several_labels_and_one_that_never_occurs() -> None:
    ngrams, labels = data(2)
    several = np.stack([labels == 0, labels == 1, np.zeros(120)], 1).astype(np.float32)
    solution = solve(ngrams, several, 3, 20, np.ones(120))
    logits = unit_rows(ngrams, solution.scale) @ solution.kernel + solution.bias
    assert ((logits[:, :2] > 0) == several[:, :2]).mean() >= 0.9
    assert np.all(logits[:, 2] < -4)


@pytest.mark.parametrize("telling", [True, False])
def test_repeats_count_where_they_tell(telling: bool) -> None:
    random = np.random.default_rng(0)
    labels = np.arange(400) % 2
    rows = []
    for label in labels:
        own, other = (1, 2) if label else (2, 1)
        row = [own] * (3 if telling else 1) + [other] * (random.random() < 0.7 * telling)
        rows.append(sorted([*row, *[random.integers(10, 15)] * random.integers(1, 9)]))
    given = ragged(rows)
    solution = solve(given, labels, 2, 20, np.ones(400))
    assert solution.repeats == telling
    np.testing.assert_array_equal(given.values, ragged(rows).values)  # left as they are
    layer = NGramBag(20, 2)
    layer.build((None, None))
    layer.set_solution(solution.scale, solution.kernel, solution.bias, solution.repeats)
    ngrams = ragged(rows) if telling else without_repeats(ragged(rows))
    want = unit_rows(ngrams, solution.scale) @ solution.kernel + solution.bias
    padded = ragged(rows).padded(np.arange(400), 16)
    np.testing.assert_allclose(layer(padded), want, atol=1e-5)
    assert (np.argmax(want, axis=1) == labels).mean() >= 0.95


def test_without_repeats() -> None:
    got = without_repeats(ragged([[1, 1, 2], [2, 2], [], [3], [3, 3]]))
    assert [list(part) for part in np.split(got.values, got.splits[1:-1])] == [
        [1, 2], [2], [], [3], [3],
    ]  # fmt: skip
    assert len(without_repeats(ragged([[], []]))) == 2


def test_few_texts() -> None:
    solution = solve(ragged([[1], [2]]), np.array([0, 1]), 2, 3, np.ones(2))
    assert solution.kernel[1, 0] > 0 > solution.kernel[1, 1]


def test_the_strength_of_many_texts_and_classes_is_that_of_a_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ngrams, labels = data(3, 3000)
    labels[:2] = 3  # a class too small for its share
    whole = solve(ngrams, labels, 4, 20, np.ones(3000))
    monkeypatch.setattr(bag_svm, "SEARCHED", 3000)
    seen = []
    margins = bag_svm.margins
    monkeypatch.setattr(
        bag_svm,
        "margins",
        lambda features, *each: (seen.append(features.shape[0]), margins(features, *each))[1],
    )
    part = solve(ngrams, labels, 4, 20, np.ones(3000))
    assert len({*seen[:-1]}) == 1
    assert seen[0] <= 0.8 * 750 + 4
    assert seen[-1] == 3000
    assert part.kernel.shape == whole.kernel.shape == (20, 4)
    assert (probabilities(part, ngrams).argmax(1) == labels).mean() >= 0.89
