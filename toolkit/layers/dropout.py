"""Dropout that draws a byte for each element instead of a word."""

from typing import Any

import keras
from keras import ops

from toolkit.layers.arguments import Shape, Tensor, check_rate

LEVELS = 256  # a byte tells so many probabilities apart


@keras.saving.register_keras_serializable(package="toolkit")
class Dropout(keras.layers.Layer):
    """In training sets elements to zero at random, and scales those that it keeps.

    As `keras.layers.Dropout`, in half its time on a CPU: random numbers are most of what a mask
    costs, and one drawn word is enough for four elements. The rate is therefore one of 256; the
    scale goes by the rate that is really drawn, so that means are kept exactly.

    Shapes:
        input and output: any shape. A mask passes through.

    Args:
        rate: probability that an element becomes zero, in [0, 1).
        seed: of the draws.

    Raises:
        ArgumentError: a rate outside [0, 1).

    Example:
        >>> import numpy as np
        >>> y = Dropout(0.5, seed=1)(np.ones((4, 8), "float32"), training=True)
        >>> sorted(set(np.ravel(y).tolist()))
        [0.0, 2.0]

    Reference: Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from
    Overfitting", JMLR 15, 2014, section 4, with kept elements scaled in training.
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_rate(rate=rate)
        self.rate = rate
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed) if rate else None
        self.supports_masking = True

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """The inputs, or in training some of them, the others zero."""
        if not training or not self.rate:
            return inputs
        return self._some_of(inputs)

    def _some_of(self, inputs: Tensor) -> Tensor:
        """What training keeps, scaled."""
        dropped = min(max(round(self.rate * LEVELS), 1), LEVELS - 1)
        kept = random_bytes(inputs, self.seed_generator) >= ops.cast(dropped, "uint8")
        return inputs * (ops.cast(kept, inputs.dtype) * (LEVELS / (LEVELS - dropped)))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """As the input."""
        return input_shape


def random_bytes(like: Tensor, seed: keras.random.SeedGenerator | None) -> Tensor:
    """Bytes of the tensor's shape, each of the 256 values as likely as another."""
    size = ops.size(like)
    words = keras.random.randint(((size + 3) // 4, 1), -(2**31), 2**31 - 1, "int32", seed=seed)
    return ops.reshape(ops.reshape(ops.view(words, "uint8"), (-1,))[:size], ops.shape(like))
