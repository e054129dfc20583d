"""Preprocessed features in memory, gathered by row number."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from toolkit.data.examples import Arrays, Batch, Examples
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
        inputs: Mapping[str, Ragged | NDArray[np.generic]],
        targets: Mapping[str, Ragged | NDArray[np.generic]],
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

        def gather(features: dict[str, Ragged | NDArray[np.generic]]) -> Arrays:
            return {
                name: feature.padded(rows, lengths[name])
                if isinstance(feature, Ragged)
                else feature[rows]
                for name, feature in features.items()
            }

        weights = self._weights[rows].astype(np.float32)
        return Batch(gather(self.inputs), gather(self.targets), weights)


def _lengths(feature: Ragged | NDArray[np.generic]) -> NDArray[np.int64]:
    assert isinstance(feature, Ragged), "a padded axis needs a ragged feature"
    return np.maximum(feature.lengths, 1)  # layers need a step, if only of padding
