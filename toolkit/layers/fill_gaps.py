"""Values for the gaps of a series."""

import math
from typing import Any, Literal, get_args

import keras
from keras import ops

from toolkit.layers.arguments import Shape, Tensor, check_choice

Method = Literal["interpolate", "last"]


@keras.saving.register_keras_serializable(package="toolkit")
class FillGaps(keras.layers.Layer):
    """Put values where NaN says that there is none.

    `interpolate`: the line between the values before and after; before the first value that one,
    after the last that one. `last`: the last value of the series, in every gap, so that a gap says
    nothing once the last value is taken away. A series without any value becomes 0.

    Shapes: `(batch, time, channels)` in and out, float32 whatever the dtype policy.

    Masking: the mask is not looked at; it goes through.

    Args:
        method: `"interpolate"` or `"last"`.

    Raises:
        ArgumentError: an unknown method.

    Example:
        >>> import numpy as np
        >>> series = np.array([[[1.0], [np.nan], [3.0]]], "float32")
        >>> FillGaps()(series).numpy().ravel().tolist()
        [1.0, 2.0, 3.0]
    """

    def __init__(self, method: Method = "interpolate", **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        check_choice(get_args(Method), method=method)
        self.supports_masking = True
        self.method = method

    def call(self, series: Tensor, mask: Tensor | None = None) -> Tensor:
        """The series without gaps."""
        series = ops.cast(series, "float32")
        present = ops.logical_not(ops.isnan(series))
        whole = ops.all(present)
        return ops.cond(whole, lambda: series, lambda: self._filled(series, present))

    def compute_mask(self, series: Tensor, mask: Tensor | None = None) -> Tensor:
        """The mask of the series."""
        return mask

    def compute_output_spec(self, series: Tensor, mask: Tensor | None = None) -> Tensor:
        """As the input, float32."""
        return keras.KerasTensor(series.shape, "float32")

    def compute_output_shape(self, series_shape: Shape) -> Shape:
        """As the input."""
        return series_shape

    def _filled(self, series: Tensor, present: Tensor) -> Tensor:
        known = ops.where(present, series, 0.0)
        steps = ops.cast(ops.arange(ops.shape(series)[1]), "float32")[None, :, None]
        place = ops.where(present, steps, -1.0)  # -1: none
        before, left = self._carried(known, place)
        after, right = (
            ops.flip(one, axis=1)
            for one in self._carried(ops.flip(known, axis=1), ops.flip(place, axis=1))
        )
        if self.method == "last":
            return ops.where(present, known, before[:, -1:])
        before, left = ops.where(left < 0, after, before), ops.where(left < 0, right, left)
        after, right = ops.where(right < 0, before, after), ops.where(right < 0, left, right)
        share = (steps - left) / ops.maximum(right - left, 1.0)
        line = before + ops.clip(share, 0.0, 1.0) * (after - before)
        return ops.where(present, known, line)

    def _carried(self, values: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
        """Each step's last value so far and where it is from, by reaching back twice as far."""
        time = ops.shape(values)[1]
        doublings = math.ceil(math.log2(time)) if isinstance(time, int) and time > 1 else 17
        for doubling in range(doublings):
            reach = 2**doubling
            lacking = place < 0

            def earlier(x: Tensor, fill: float, reach: int = reach) -> Tensor:
                return ops.concatenate([ops.full_like(x, fill)[:, :reach], x[:, :-reach]], axis=1)

            values = ops.where(lacking, earlier(values, 0.0), values)
            place = ops.where(lacking, earlier(place, -1.0), place)
        return values, place
