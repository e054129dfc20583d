"""Stochastic depth."""

import keras
from keras import ops

from toolkit.layers.arguments import Shape, Tensor, check_rate


@keras.saving.register_keras_serializable(package="toolkit")
class StochasticDepth(keras.layers.Layer):
    """In training drops a residual branch for whole examples, and scales what it keeps.

    Shapes:
        input and output: (batch, ...). A mask passes through.

    Args:
        rate: probability that an example loses the branch, in [0, 1).
        seed: of the draws.

    Raises:
        ArgumentError: a rate outside [0, 1).

    Example:
        >>> import numpy as np
        >>> y = StochasticDepth(0.5, seed=1)(np.ones((4, 2), "float32"), training=True)
        >>> sorted(set(np.ravel(y).tolist()))
        [0.0, 2.0]

    Reference: Huang et al., "Deep Networks with Stochastic Depth" (arXiv 1603.09382), with the
    kept branches scaled in training rather than all of them in inference.
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: object) -> None:
        super().__init__(**kwargs)
        check_rate(rate=rate)
        self.rate = rate
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed) if rate else None
        self.supports_masking = True

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """The inputs, or in training zeros for some of the examples."""
        if not training or not self.rate:
            return inputs
        shape = (ops.shape(inputs)[0],) + (1,) * (len(inputs.shape) - 1)
        draw = keras.random.uniform(shape, dtype="float32", seed=self.seed_generator)
        kept = ops.cast(draw >= self.rate, inputs.dtype)
        return inputs * kept / (1 - self.rate)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """As the input."""
        return input_shape
