"""Clips as log-mel frames: computed once and held in memory, or anew for each batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.data.audio import Wave
from toolkit.data.examples import Batch, Examples, Feature
from toolkit.data.store import StoredExamples
from toolkit.ragged import Ragged
from toolkit.tasks.speech.waves import stack

Read = Callable[[int], Wave]
Compute = Callable[[Mapping[str, NDArray[Any]]], Mapping[str, Any]]  # raw inputs to frames
CHUNK = 64  # clips whose frames are computed at once


def compute_frames(read: Read, rows: Sequence[int], compute: Compute) -> Ragged:
    """Log-mel frames of some clips, in their order."""
    parts = []
    for start in range(0, len(rows), CHUNK):
        waves = [read(row) for row in rows[start : start + CHUNK]]
        features = compute(stack(waves))["features"]
        parts.append((features.flat_values.numpy(), features.row_lengths().numpy()))
    return Ragged.join(parts)


def in_memory(
    features: Ragged, targets: Mapping[str, Feature], weights: NDArray[np.float64] | None
) -> StoredExamples:
    """Examples whose frames are held in memory."""
    counts = np.asarray(features.lengths, np.int32)
    inputs: dict[str, Feature] = {"features": features, "num_frames": counts}
    ragged = tuple(name for name, value in targets.items() if isinstance(value, Ragged))
    return StoredExamples(inputs, targets, weights, ("features", *ragged))


class ClipExamples(Examples):
    """Examples whose clips are decoded and turned into frames each time a batch asks for them.

    Args:
        read: gives a clip.
        compute: turns raw inputs into frames.
        most_frames: ``(examples,)``, the most that each clip has.
        rest: the targets and weights, with the lengths of frames as a stand-in.
    """

    def __init__(
        self, read: Read, compute: Compute, most_frames: NDArray[np.int64], rest: StoredExamples
    ) -> None:
        self.read = read
        self.compute = compute
        self.most_frames = most_frames
        self.rest = rest

    def __len__(self) -> int:
        return len(self.most_frames)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Frames at most, then the lengths of what is to be learnt."""
        return np.concatenate([self.most_frames[:, None], self.rest.lengths], axis=1)

    @property
    def weights(self) -> NDArray[np.float64]:
        """What each example counts in the loss."""
        return self.rest.weights

    def batch(self, rows: NDArray[np.int64], shape: tuple[int, ...]) -> Batch:
        """Decode ``rows``."""
        frames = compute_frames(self.read, rows.tolist(), self.compute)
        rest = self.rest.batch(rows, shape[1:])
        inputs = {
            "features": frames.padded(np.arange(len(rows)), shape[0]),
            "num_frames": frames.lengths.astype(np.int32),
        }
        return Batch(inputs, rest.targets, rest.weights)

    def target(self, name: str) -> Feature:
        """One target of all examples."""
        return self.rest.target(name)


def on_demand(
    read: Read,
    compute: Compute,
    most_frames: NDArray[np.int64],
    targets: Mapping[str, Feature],
    weights: NDArray[np.float64] | None,
) -> ClipExamples:
    """Examples whose clips are read when they are asked for."""
    ragged = tuple(name for name, value in targets.items() if isinstance(value, Ragged))
    rest = StoredExamples({"num_frames": most_frames}, targets, weights, ragged)
    return ClipExamples(read, compute, most_frames, rest)
