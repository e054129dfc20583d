"""Values for the gaps of a series."""

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
        steps = ops.arange(ops.shape(series)[1], dtype="int32")[None, :, None]
        count = ops.shape(series)[1]
        before = ops.where(present, steps, -1)
        after = ops.where(present, steps, count)
        last = ops.max(before, axis=1, keepdims=True)
        if self.method == "last":
            final = ops.take_along_axis(known, ops.maximum(last, 0), axis=1)
            return ops.where(present, known, final)
        before = ops.associative_scan(ops.maximum, before, axis=1)
        after = ops.associative_scan(ops.minimum, after, reverse=True, axis=1)
        first = ops.min(ops.where(present, steps, count), axis=1, keepdims=True)
        left = ops.where(before < 0, first, before)
        right = ops.where(after >= count, last, after)
        left = ops.clip(left, 0, count - 1)
        right = ops.clip(right, 0, count - 1)
        share = ops.cast(steps - left, "float32") / ops.cast(
            ops.maximum(right - left, 1), "float32"
        )
        share = ops.clip(share, 0.0, 1.0)
        low = ops.take_along_axis(known, left, axis=1)
        high = ops.take_along_axis(known, right, axis=1)
        return ops.where(present, known, low + share * (high - low))
