"""Support vector machines on bags of n-grams, solved to their optimum.

The problem is convex, and most n-grams are rare: stochastic steps that suit a network neither
reach its optimum nor keep rare n-grams small. A machine for each class (Wang and Manning, ACL
2012, the squared hinge) is solved by coordinates of the dual (Hsieh et al., ICML 2008), several
times as fast as logistic regression and on texts as good or better. Its margins become logits by
one factor. Strength and factor are what predicts held-out texts best.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import minimize_scalar
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC

from toolkit.ragged import Ragged
from toolkit.text.naive_bayes import log_count_ratios

STRENGTHS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)  # inverse of the regularisation
USUAL_STRENGTH, USUAL_FACTOR = 0.3, 3.0  # where nothing can be held out
FACTORS = (0.05, 50.0)
FEW = 50  # texts: from fewer, nothing can be held out
HELD_OUT = 0.2
SEARCHED = 1_000_000  # texts times classes: of more, a part is what the strength is chosen by
MAX_ITERATIONS = 100  # passes over the texts: more change no answer
PAYS = 0.02  # share of the loss that counting repeats has to save

Tick = Callable[[str, int, int], None]


class Solution(NamedTuple):
    """What :class:`toolkit.layers.NGramBag` is set to, and how it was found."""

    scale: NDArray[np.float32]  # (size,)
    kernel: NDArray[np.float32]  # (size, classes)
    bias: NDArray[np.float32]  # (classes,)
    repeats: bool  # whether an n-gram counts as often as it is there
    strength: float
    factor: float  # from margins to logits


class Trial(NamedTuple):
    """How a strength does on texts held out."""

    loss: float
    factor: float
    strength: float


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
    distinct = without_repeats(ngrams)
    rows = np.arange(len(labels))
    if classes.size > SEARCHED:
        rows = _share(classes, SEARCHED / classes.size, least=1)
    held = _share(classes[rows], HELD_OUT if len(rows) >= FEW else 0.0)
    best, repeats = Trial(np.inf, USUAL_FACTOR, USUAL_STRENGTH), False
    if len(held):
        known, judged = np.delete(rows, held), rows[held]
        scale = scales(distinct.take(known), classes[known], size, by_rarity)

        def parts(ngrams: Ragged) -> list[Any]:
            return [unit_rows(ngrams.take(part), scale) for part in (known, judged)]

        def trial(number: int, features: list[Any], strength: float) -> Trial:
            tick("fits of the n-grams", number, len(STRENGTHS) + 2)
            learnt, asked = features
            kernel, bias = margins(learnt, classes[known], several, weights[known], strength)
            found = asked @ kernel + bias
            return Trial(*calibrated(found, classes[judged], several, weights[judged]), strength)

        features = parts(distinct)
        for number, strength in enumerate(STRENGTHS, start=1):
            found = trial(number, features, strength)
            if found.loss > best.loss:
                break
            best = found
        if len(distinct.values) < len(ngrams.values):
            found = trial(len(STRENGTHS) + 1, parts(ngrams), best.strength)
            repeats = found.loss < best.loss * (1 - PAYS)
            best = found if repeats else best
    scale = scales(distinct, classes, size, by_rarity)
    whole = unit_rows(ngrams if repeats else distinct, scale)
    kernel, bias = margins(whole, classes, several, weights, best.strength)
    tick("fits of the n-grams", 1, 1)
    return Solution(
        scale,
        (best.factor * kernel).astype(np.float32),
        (best.factor * bias).astype(np.float32),
        repeats,
        best.strength,
        best.factor,
    )


def margins(
    features: Any,
    classes: NDArray[Any],
    several: bool,
    weights: NDArray[np.float64],
    strength: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A machine for each class: weights ``(size, classes)`` and bias ``(classes,)``.

    Each minimises ``|w, b|^2 / 2 + strength * sum(weights * max(0, 1 - y (x w + b)) ** 2)``, y
    being 1 in the class and -1 outside. Of two classes that exclude each other one machine tells
    both: half its margin speaks for the one, half against the other.
    """
    features = features.astype(np.float64)  # what the solver works in
    if classes.shape[1] == 2 and not several:
        w, b = _machine(features, classes[:, 1], weights, strength)
        return np.stack([-w, w], axis=1) / 2, np.array([-b, b]) / 2
    kernel, bias = np.zeros((features.shape[1], classes.shape[1])), np.zeros(classes.shape[1])
    for number, inside in enumerate(classes.T):
        kernel[:, number], bias[number] = _machine(features, inside, weights, strength)
    return kernel, bias


def _machine(
    features: Any, inside: NDArray[Any], weights: NDArray[np.float64], strength: float
) -> tuple[NDArray[np.float64], float]:
    inside = inside > 0
    if inside.all() or not inside.any():  # a class that all or none have
        return np.zeros(features.shape[1]), 1.0 if inside.all() else -1.0
    machine = LinearSVC(C=strength, dual=True, random_state=0, max_iter=MAX_ITERATIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # close is as good here
        machine.fit(features, inside, weights)
    return machine.coef_[0], float(machine.intercept_[0])


def calibrated(
    margins: NDArray[Any], classes: NDArray[Any], several: bool, weights: NDArray[np.float64]
) -> tuple[float, float]:
    """The least mean log loss, in nats, of logits that are a multiple of margins, and the factor.

    One factor for all, a temperature (Guo et al., ICML 2017).
    """

    def loss(logarithm: float) -> float:
        logits = np.exp(logarithm) * margins
        if several:
            each = (np.logaddexp(0, logits) - logits * classes).sum(1)
        else:
            each = np.logaddexp.reduce(logits, axis=1) - (logits * classes).sum(1)
        return float((each * weights).sum() / weights.sum())

    found = minimize_scalar(loss, bounds=tuple(np.log(FACTORS)), method="bounded")
    return float(found.fun), float(np.exp(found.x))


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
