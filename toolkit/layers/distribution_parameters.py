"""Parameters of a distribution around a forecast."""

from typing import Any, Literal, get_args

import keras
from keras import ops

from toolkit.layers.arguments import Shape, Tensor, check_choice

Family = Literal["normal", "student_t", "negative_binomial"]
SIZES = {"normal": 1, "student_t": 2, "negative_binomial": 1}
SMALL = 1e-4  # of a deviation or a dispersion, so that no likelihood is without bound


@keras.saving.register_keras_serializable(package="toolkit")
class DistributionParameters(keras.layers.Layer):
    """What a distribution has besides its mean, which is the forecast.

    ```
    normal             deviation  = softplus(raw_0) * scale^exponent_0
    student_t          the same, the distribution's scale; degrees = 2 + softplus(raw_1)
    negative_binomial  dispersion = softplus(raw_0):  variance = mean + dispersion * mean^2
    ```
    `raw` is a weight for each step, channel and parameter, plus what a network adds. More than two
    degrees of freedom keep the variance finite.

    Shapes: forecast `(batch, steps, channels)`, scale `(batch, 1, channels)`, what a network adds
    `(batch, steps, channels, parameters)`; output `(batch, steps, channels, parameters)`.

    Masking: none.

    Args:
        family: `"normal"`, `"student_t"` or `"negative_binomial"`.

    Raises:
        ArgumentError: an unknown family.

    Example:
        >>> import numpy as np
        >>> forecast, scale = np.zeros((2, 5, 3), "float32"), np.ones((2, 1, 3), "float32")
        >>> DistributionParameters("student_t")(forecast, scale).shape.as_list()
        [2, 5, 3, 2]

    Reference: Salinas et al., "DeepAR", arXiv 1704.04110, section 3.1.
    """

    def __init__(self, family: Family, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_choice(get_args(Family), family=family)
        self.family = family
        self.size = SIZES[family]

    def build(self, forecast_shape: Shape, scale_shape: Shape, added_shape: Shape = ()) -> None:
        """A raw value for each step, channel and parameter; for deviations the exponent."""
        del scale_shape, added_shape
        shape = (*forecast_shape[1:], self.size)
        self.raw = self.add_weight(name="raw", shape=shape, initializer="zeros")
        if self.family != "negative_binomial":
            self.exponent = self.add_weight(name="exponent", shape=(), initializer="zeros")

    def call(self, forecast: Tensor, scale: Tensor, added: Tensor | None = None) -> Tensor:
        """The parameters."""
        raw = self.raw + ops.zeros_like(forecast)[..., None]
        raw = raw if added is None else raw + added
        positive = ops.softplus(raw) + SMALL
        if self.family == "negative_binomial":
            return positive
        stretch = ops.exp(ops.log(ops.maximum(scale, 1e-3))[..., None] * self.exponent)
        deviation = positive[..., :1] * stretch
        return ops.concatenate([deviation, 2 + positive[..., 1:]], axis=-1)

    def compute_output_shape(
        self, forecast_shape: Shape, scale_shape: Shape, added_shape: Shape = ()
    ) -> Shape:
        """`(batch, steps, channels, parameters)`."""
        return (*forecast_shape, self.size)
