"""Preprocessed features in memory, gathered by row number."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from toolkit.data.examples import SAMPLE_ROWS, Arrays, Batch, Examples, Feature, sample_rows
from toolkit.ragged import Ragged


class StoredExamples(Examples):
    """Examples held in memory after preprocessing.

    Args:
        inputs: model inputs by name, each :class:`Ragged` or an array ``(examples, ...)``.
        targets: what is to be learnt by name, likewise.
        weights: what each example counts in the loss, ``(examples,)``; 1 each by default.
        axes: names of the ragged features whose lengths are the padded axes; several features
            of one name list share an axis.
    """

    def __init__(
        self,
        inputs: Mapping[str, Feature],
        targets: Mapping[str, Feature],
        weights: NDArray[np.float64] | None = None,
        axes: tuple[str, ...] = (),
    ) -> None:
        self.inputs = dict(inputs)
        self.targets = dict(targets)
        self.axes = axes
        first = next(iter({**self.inputs, **self.targets}.values()))
        self._weights = np.ones(len(first)) if weights is None else weights
        features = {**self.targets, **self.inputs}
        columns = [_lengths(features[name]) for name in axes]
        self._lengths = np.stack(columns, 1) if columns else np.zeros((len(first), 0), np.int64)

    def __len__(self) -> int:
        return len(self._weights)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Lengths of the ragged features named by ``axes``."""
        return self._lengths

    @property
    def weights(self) -> NDArray[np.float64]:
        """What each example counts in the loss."""
        return self._weights

    def batch(self, rows: NDArray[np.int64], shape: tuple[int, ...]) -> Batch:
        """Gather ``rows`` with one vectorised read per feature."""
        lengths = dict(zip(self.axes, shape, strict=True))

        def gather(features: dict[str, Feature]) -> Arrays:
            return {
                name: feature.padded(rows, lengths[name])
                if isinstance(feature, Ragged)
                else feature[rows]
                for name, feature in features.items()
            }

        weights = self._weights[rows].astype(np.float32)
        return Batch(gather(self.inputs), gather(self.targets), weights)

    def target(self, name: str) -> Feature:
        """One target of all examples."""
        return self.targets[name]

    def sample(self, rows: int = SAMPLE_ROWS, seed: int = 0) -> StoredExamples:
        """The examples themselves, or ``rows`` of them."""
        if rows >= len(self):
            return self
        return self.taken(sample_rows(len(self), rows, seed))

    def taken(self, rows: NDArray[np.int64]) -> StoredExamples:
        """Some of the examples, in the order given."""
        inputs = {name: _taken(feature, rows) for name, feature in self.inputs.items()}
        targets = {name: _taken(feature, rows) for name, feature in self.targets.items()}
        return StoredExamples(inputs, targets, self._weights[rows], self.axes)


def _taken(feature: Feature, rows: NDArray[np.int64]) -> Feature:
    return feature.take(rows) if isinstance(feature, Ragged) else feature[rows]


def _lengths(feature: Feature) -> NDArray[np.int64]:
    assert isinstance(feature, Ragged), "a padded axis needs a ragged feature"
    return np.maximum(feature.lengths, 1)  # layers need a step, if only of padding
