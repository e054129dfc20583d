"""Stochastic depth."""

import keras
from keras import ops

from toolkit.layers.arguments import Tensor
from toolkit.layers.dropout import Dropout


@keras.saving.register_keras_serializable(package="toolkit")
class StochasticDepth(Dropout):
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

    def _some_of(self, inputs: Tensor) -> Tensor:
        """The branch of some of the examples, scaled."""
        shape = (ops.shape(inputs)[0],) + (1,) * (len(inputs.shape) - 1)
        draw = keras.random.uniform(shape, dtype="float32", seed=self.seed_generator)
        kept = ops.cast(draw >= self.rate, inputs.dtype)
        return inputs * kept / (1 - self.rate)
