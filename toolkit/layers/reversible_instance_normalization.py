"""Reversible instance normalisation of series (RevIN)."""

from typing import Any, Literal, get_args

import keras
from keras import ops

from toolkit.layers.arguments import Shape, Tensor, check_choice

Center = Literal["mean", "last"]


@keras.saving.register_keras_serializable(package="toolkit")
class ReversibleInstanceNormalization(keras.layers.Layer):
    """Take each series' own level and scale away, and give them back to the forecast.

    ```
    normalised = (x - center) / scale * gamma + beta      scale = sqrt(Var_t[x] + epsilon)
    forecast   = (y - beta) / gamma * scale + center
    ```

    One call normalises, a second call with `statistics` of the first gives the scale back:

        normalised, statistics = layer(series, return_statistics=True)
        forecast = layer(model(normalised), statistics=statistics)

    Shapes: series `(batch, time, channels)`; statistics `(batch, 2, channels)`, the center and
    the scale, float32, in the series' unit; a forecast `(batch, steps, channels)`, or with more
    axes after the channels, such as quantiles.

    Computed in float32 whatever the dtype policy. The normalised series has the policy's dtype;
    the forecast is float32, since a level of many digits would be lost in half precision.

    Masking: masked steps and NaN values (missing, per channel) enter no statistic; both become 0,
    which is the center, in the normalised series. A channel with no value at all has center 0 and
    scale 1. The mask goes through.

    Args:
        center: `"mean"`, or `"last"`: the last value that is there, for series that drift.
        affine: learn `gamma` and `beta`, one of each per channel.
        epsilon: added to the variance; a constant series has the scale `sqrt(epsilon)`.

    Raises:
        ArgumentError: an unknown `center`.

    Example:
        >>> import numpy as np
        >>> layer = ReversibleInstanceNormalization()
        >>> series = 100 + np.random.default_rng(0).normal(size=(2, 48, 3)).astype("float32")
        >>> normalised, statistics = layer(series, return_statistics=True)
        >>> bool(np.allclose(layer(normalised, statistics=statistics), series))
        True

    Reference: Kim et al., "Reversible Instance Normalization for Accurate Time-Series Forecasting
    against Distribution Shift", ICLR 2022, section 3; subtracting the last value: Zeng et al.,
    "Are Transformers Effective for Time Series Forecasting?", arXiv 2205.13504 (NLinear).
    """

    def __init__(
        self,
        center: Center = "mean",
        affine: bool = True,
        epsilon: float = 1e-5,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        check_choice(get_args(Center), center=center)
        self.supports_masking = True
        self.center = center
        self.affine = affine
        self.epsilon = epsilon

    def build(self, series_shape: Shape) -> None:
        """One `gamma` and one `beta` per channel."""
        if self.affine:
            self.gamma = self._per_channel("gamma", "ones", series_shape)
            self.beta = self._per_channel("beta", "zeros", series_shape)

    def call(
        self,
        series: Tensor,
        statistics: Tensor | None = None,
        mask: Tensor | None = None,
        return_statistics: bool = False,
    ) -> Tensor:
        """Normalise `series`, or with `statistics` turn a forecast back into the series' unit."""
        series = ops.cast(series, "float32")
        if statistics is not None:
            return self._denormalise(series, statistics)
        present = ops.logical_not(ops.isnan(series))
        if mask is not None:
            present = ops.logical_and(present, mask[..., None])
        statistics = self._statistics(series, present)
        normalised = self._normalise(series, present, statistics)
        return (normalised, statistics) if return_statistics else normalised

    def compute_mask(self, series: Tensor, mask: Tensor | None = None) -> Tensor:
        """The mask of the series; the statistics have none."""
        return mask

    def compute_output_spec(
        self,
        series: Tensor,
        statistics: Tensor | None = None,
        mask: Tensor | None = None,
        return_statistics: bool = False,
    ) -> Tensor:
        """The series' shape; the policy's dtype, or float32 for a forecast and statistics."""
        if statistics is not None:
            return keras.KerasTensor(series.shape, "float32")
        normalised = keras.KerasTensor(series.shape, self.compute_dtype)
        if not return_statistics:
            return normalised
        shape = (series.shape[0], 2, series.shape[2])
        return normalised, keras.KerasTensor(shape, "float32")

    def _per_channel(self, name: str, initializer: str, series_shape: Shape) -> Any:
        # Not cast to a half-precision policy's dtype: it meets float32 series.
        return self.add_weight(
            name=name, shape=(series_shape[2],), initializer=initializer, autocast=False
        )

    def _statistics(self, series: Tensor, present: Tensor) -> Tensor:
        """Center and scale over the values that are there, `(batch, 2, channels)`."""
        series = ops.where(present, series, 0.0)
        weight = ops.cast(present, "float32")
        number = ops.sum(weight, axis=1, keepdims=True)
        mean = ops.sum(series, axis=1, keepdims=True) / ops.maximum(number, 1.0)
        variance = ops.sum(weight * ops.square(series - mean), axis=1, keepdims=True)
        scale = ops.sqrt(variance / ops.maximum(number, 1.0) + self.epsilon)
        scale = ops.where(number > 0, scale, 1.0)
        center = mean if self.center == "mean" else last_value(series, present)
        return ops.concatenate([center, scale], axis=1)

    def _normalise(self, series: Tensor, present: Tensor, statistics: Tensor) -> Tensor:
        center, scale = ops.split(statistics, 2, axis=1)
        # The center stands in for what is missing, or NaN would reach the gradients.
        normalised = (ops.where(present, series, center) - center) / scale
        if self.affine:
            normalised = normalised * self.gamma + self.beta
        return ops.cast(ops.where(present, normalised, 0.0), self.compute_dtype)

    def _denormalise(self, forecast: Tensor, statistics: Tensor) -> Tensor:
        beyond = [1] * (len(forecast.shape) - 3)

        def along_channels(values: Tensor) -> Tensor:
            return ops.reshape(values, (-1, 1, forecast.shape[2], *beyond))

        if self.affine:
            forecast = (forecast - along_channels(self.beta)) / along_channels(self.gamma)
        center, scale = ops.split(ops.cast(statistics, "float32"), 2, axis=1)
        return forecast * along_channels(scale) + along_channels(center)


def last_value(series: Tensor, present: Tensor) -> Tensor:
    """The last value that is there in each channel, `(batch, 1, channels)`; 0 if none is."""
    steps = ops.arange(ops.shape(series)[1])[None, :, None]
    last = ops.max(ops.where(present, steps, 0), axis=1, keepdims=True)
    return ops.take_along_axis(series, last, axis=1)
