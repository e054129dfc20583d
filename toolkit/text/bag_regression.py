"""Logistic regression on bags of n-grams, solved to its optimum.

The problem is convex, and most n-grams are rare: stochastic steps that suit a network neither
reach its optimum nor keep rare n-grams small. The strength of the regularisation is what predicts
held-out texts best.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from toolkit.ragged import Ragged
from toolkit.text.naive_bayes import log_count_ratios

STRENGTHS = (3.0, 10.0, 30.0, 100.0, 300.0)  # inverse of the regularisation
FEW = 50  # texts: from fewer, nothing can be held out
HELD_OUT = 0.2
SEARCHED = 400_000  # texts times classes: of more, a part is what the strength is chosen by
PAYS = 0.02  # share of the loss that counting repeats has to save
MAX_ITERATIONS = 100

Tick = Callable[[str, int, int], None]


class Solution(NamedTuple):
    """What :class:`toolkit.layers.NGramBag` is set to."""

    scale: NDArray[np.float32]  # (size,)
    kernel: NDArray[np.float32]  # (size, classes)
    bias: NDArray[np.float32]  # (classes,)
    strength: float
    repeats: bool  # whether an n-gram counts as often as it is there


def solve(
    ngrams: Ragged,
    labels: NDArray[Any],
    num_classes: int,
    size: int,
    weights: NDArray[np.float64],
    tick: Tick = lambda *_: None,
    *,
    by_rarity: bool = True,
) -> Solution:
    """Fit on all texts, with the strength that does best on a fifth of them held out.

    The strength is the inverse of how large weights are expected to be, whatever the number of
    texts, so that a part of very many texts tells it. The same fifth tells whether n-grams count
    more where they are repeated: for a text's topic they do, for its sentiment they do not.

    Args:
        ngrams: n-gram ids of each text, increasing, repeated ones repeated.
        labels: ``(texts,)`` class numbers, or ``(texts, classes)`` of 0 and 1 for several at once.
        num_classes: number of classes.
        size: ids are below this.
        weights: what each text counts, ``(texts,)``.
        tick: told ``(what, done, total)``.
        by_rarity: whether rare n-grams weigh more; see :func:`scales`.
    """
    several = labels.ndim == 2
    classes = labels if several else np.eye(num_classes)[labels]
    rows = np.arange(len(labels))
    if classes.size > SEARCHED:
        rows = _share(classes, SEARCHED / classes.size, least=1)
    held = _share(classes[rows], HELD_OUT if len(rows) >= FEW else 0.0)
    distinct = without_repeats(ngrams)
    strength, repeats = 10.0, False
    if len(held):
        learnt = np.delete(np.arange(len(rows)), held)
        scale = scales(distinct.take(rows[learnt]), classes[rows[learnt]], size, by_rarity)
        fits, tried = Fits(several, num_classes), 0

        def loss(ngrams: Ragged, strength: float) -> float:
            nonlocal tried
            tick("fits of the n-grams", tried := tried + 1, len(STRENGTHS) + 2)
            features = unit_rows(ngrams.take(rows), scale)
            features = features[:, np.flatnonzero(features.getnnz(axis=0))]
            known, judged = rows[learnt], rows[held]
            fits.fit(features[learnt], labels[known], weights[known], strength)
            return fits.loss(features[held], classes[judged], weights[judged])

        losses: list[float] = []
        for each in STRENGTHS:
            losses.append(loss(distinct, each))
            if losses[-1] > min(losses):
                break
        strength = STRENGTHS[int(np.argmin(losses))]
        if len(distinct.values) < len(ngrams.values):
            repeats = loss(ngrams, strength) < min(losses) * (1 - PAYS)
    scale = scales(distinct, classes, size, by_rarity)
    fits = Fits(several, num_classes)
    fits.fit(unit_rows(ngrams if repeats else distinct, scale), labels, weights, strength)
    tick("fits of the n-grams", 1, 1)
    return Solution(scale, *fits.solution(), strength, repeats)


class Fits:
    """Regularised fits.

    Args:
        several: whether a text may have several classes: one regression a class instead of one
            softmax over all.
        num_classes: number of classes.
    """

    def __init__(self, several: bool, num_classes: int) -> None:
        self.several, self.num_classes = several, num_classes
        count = num_classes if several else 1
        self.models = [LogisticRegression(max_iter=MAX_ITERATIONS) for _ in range(count)]
        self.constant: dict[int, float] = {}

    def fit(
        self, features: Any, labels: NDArray[Any], weights: NDArray[np.float64], strength: float
    ) -> None:
        """Minimise ``|w|^2 / 2 + strength * sum(weights * loss)``."""
        for number, model in enumerate(self.models):
            targets = labels[:, number] if self.several else labels
            self.constant.pop(number, None)
            if len(np.unique(targets)) < 2:  # a class that all or none have
                share = (targets.sum() + 1) / (len(targets) + 2)
                self.constant[number] = float(np.log(share / (1 - share)))
                continue
            _fit_quietly(model.set_params(C=strength), features, targets, weights)

    def solution(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return weights ``(size, classes)`` and bias ``(classes,)``."""
        if self.several:
            columns = [self._column(number) for number in range(self.num_classes)]
            size = max(len(column) for column, _ in columns)
            kernel = np.zeros((size, self.num_classes))
            for number, (column, _) in enumerate(columns):
                kernel[: len(column), number] = column
            return kernel.astype(np.float32), np.array([b for _, b in columns], np.float32)
        (model,) = self.models
        kernel, bias = model.coef_.T, model.intercept_
        if kernel.shape[1] == 1:  # of two classes scikit-learn fits the difference
            kernel, bias = np.hstack([-kernel, kernel]) / 2, np.array([-bias[0], bias[0]]) / 2
        return kernel.astype(np.float32), bias.astype(np.float32)

    def _column(self, number: int) -> tuple[NDArray[Any], float]:
        if number in self.constant:
            return np.zeros(1), self.constant[number]
        return self.models[number].coef_[0], float(self.models[number].intercept_[0])

    def loss(self, features: Any, classes: NDArray[Any], weights: NDArray[np.float64]) -> float:
        """Return the weighted mean log loss in nats."""
        kernel, bias = self.solution()
        logits = features[:, : len(kernel)] @ kernel + bias
        if self.several:
            each = (np.logaddexp(0, logits) - logits * classes).sum(1)
        else:
            each = np.logaddexp.reduce(logits, axis=1) - (logits * classes).sum(1)
        return float((each * weights).sum() / weights.sum())


def scales(
    ngrams: Ragged, classes: NDArray[Any], size: int, by_rarity: bool = True
) -> NDArray[np.float32]:
    """How much each n-gram tells, ``(size,)``: of the classes, times how rare it is.

    The first is the root mean square over the classes of the naive Bayes log-count ratios (Wang
    and Manning, ACL 2012), the second, which helps words and hurts parts of words, the inverse
    document frequency ``1 + log((1 + texts) / (1 + texts with it))``.
    """
    ratios = log_count_ratios(ngrams, classes, size)
    told = np.sqrt(np.mean(np.square(ratios), axis=1))
    if by_rarity:
        texts = np.bincount(ngrams.values, minlength=size)
        told = told * (1 + np.log((1 + len(ngrams)) / (1 + texts)))
    return np.asarray(told, np.float32)


def unit_rows(ngrams: Ragged, scale: NDArray[np.float32]) -> Any:
    """Return ``(texts, size)`` sparse features: the scales of a text's n-grams, of unit length.

    As in :class:`toolkit.layers.NGramBag`, each place counts for the length as it does.
    """
    values = scale[ngrams.values]
    squares = np.add.reduceat(np.append(values, 0) ** 2, ngrams.splits[:-1])
    squares = np.where(ngrams.lengths > 0, squares, 1)
    lengths = np.sqrt(np.maximum(squares, 1e-12))
    data = values / np.repeat(lengths, ngrams.lengths)
    shape = (len(ngrams), len(scale))
    parts = (data.astype(np.float32), ngrams.values, ngrams.splits)
    rows = sparse.csr_matrix(parts, shape=shape, copy=True)
    rows.sum_duplicates()  # in place
    return rows


def without_repeats(ngrams: Ragged) -> Ragged:
    """The different ids of each row."""
    first = np.append(True, ngrams.values[1:] != ngrams.values[:-1])[: len(ngrams.values)]
    first[ngrams.splits[:-1][ngrams.lengths > 0]] = True
    places = np.append(0, np.cumsum(first))
    return Ragged(ngrams.values[first], places[ngrams.splits])


def _share(classes: NDArray[Any], share: float, least: int = 0) -> NDArray[np.int64]:
    """Row numbers of a share of each class's texts, in order."""
    first = classes.argmax(1)
    random = np.random.Generator(np.random.Philox(key=[0, len(classes)]))
    found = []
    for number in range(classes.shape[1]):
        rows = random.permutation(np.flatnonzero(first == number))
        found.append(rows[: max(int(share * len(rows)), least)])
    return np.sort(np.concatenate(found))


def _fit_quietly(
    model: LogisticRegression, features: Any, targets: Any, weights: NDArray[np.float64]
) -> None:
    """Fit without a warning where the last digit is not reached: close is as good here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(features, targets, weights)
