"""Parts of a model that are not trained, or not from the beginning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras


@dataclass(frozen=True)
class FrozenStage:
    """A model in two: what training leaves as it is, and the rest.

    Attributes:
        first: from the model's inputs to features.
        rest: from the features, a mapping, to the model's outputs; it has the model's weights.
    """

    first: keras.Model
    rest: keras.Model


@dataclass(frozen=True)
class LateStage:
    """Weights that are trained from some epoch on.

    Attributes:
        weights: trainable variables of the model.
        epochs: for which they stay as they are.
        rate: share of the learning rate that they get then.
    """

    weights: list[Any]
    epochs: int
    rate: float
