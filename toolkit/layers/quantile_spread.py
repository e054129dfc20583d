"""Quantiles around a forecast that never cross."""

import itertools
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from toolkit.errors import ArgumentError
from toolkit.layers.arguments import Shape, Tensor


@keras.saving.register_keras_serializable(package="toolkit")
class QuantileSpread(keras.layers.Layer):
    """Quantiles as distances from a forecast, added up outwards from the middle.

    ```
    median = forecast + shift                     where 0.5 is among the levels
    q_k    = q_(k nearer to the middle) +- softplus(raw_k) * scale^exponent_k
    ```
    Every distance is positive, so quantiles are in the order of their levels. `raw` is a weight
    for each step, channel and level, plus what a network adds. The forecast gets no gradient from
    here: it stays what its own loss makes of it.

    Shapes: forecast `(batch, steps, channels)`, scale `(batch, 1, channels)`, what a network adds
    `(batch, steps, channels, levels)`; output `(batch, steps, channels, levels)`.

    Masking: none.

    Args:
        levels: increasing, between 0 and 1.

    Raises:
        ArgumentError: levels that are not.

    Example:
        >>> import numpy as np
        >>> forecast, scale = np.zeros((2, 5, 3), "float32"), np.ones((2, 1, 3), "float32")
        >>> QuantileSpread((0.1, 0.5, 0.9))(forecast, scale).shape.as_list()
        [2, 5, 3, 3]
    """

    def __init__(self, levels: Sequence[float], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        levels = tuple(levels)
        rising = all(a < b for a, b in itertools.pairwise(levels))
        if not levels or not rising or levels[0] <= 0 or levels[-1] >= 1:
            raise ArgumentError(
                f"levels: Expected increasing numbers between 0 and 1. Received: levels={levels}"
            )
        self.levels = levels
        self.below = sum(level < 0.5 for level in levels)
        self.above = sum(level > 0.5 for level in levels)

    def build(self, forecast_shape: Shape, scale_shape: Shape, added_shape: Shape = ()) -> None:
        """A raw distance for each step, channel and level, an exponent for each level."""
        del scale_shape, added_shape
        shape = (*forecast_shape[1:], len(self.levels))
        self.raw = self.add_weight(name="raw", shape=shape, initializer="zeros")
        self.exponents = self.add_weight(
            name="exponents", shape=(len(self.levels),), initializer="zeros"
        )

    def call(self, forecast: Tensor, scale: Tensor, added: Tensor | None = None) -> Tensor:
        """The quantiles, the lowest level first."""
        raw = self.raw if added is None else self.raw + added
        stretch = ops.exp(ops.log(ops.maximum(scale, 1e-3))[..., None] * self.exponents)
        middle = ops.stop_gradient(forecast)[..., None]
        if self.below + self.above < len(self.levels):
            middle = middle + (raw * stretch)[..., self.below : self.below + 1]
        distance = ops.softplus(raw) * stretch
        parts = []
        if self.below:
            inner = ops.flip(distance[..., : self.below], axis=-1)
            parts.append(middle - ops.flip(ops.cumsum(inner, axis=-1), axis=-1))
        if self.below + self.above < len(self.levels):
            parts.append(middle + ops.zeros_like(distance[..., :1]))
        if self.above:
            outer = distance[..., len(self.levels) - self.above :]
            parts.append(middle + ops.cumsum(outer, axis=-1))
        return ops.concatenate(parts, axis=-1)

    def compute_output_shape(
        self, forecast_shape: Shape, scale_shape: Shape, added_shape: Shape = ()
    ) -> Shape:
        """`(batch, steps, channels, levels)`."""
        return (*forecast_shape, len(self.levels))
