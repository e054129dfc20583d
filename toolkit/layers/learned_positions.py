"""Learned position embedding."""

import keras
from keras import ops

from toolkit.errors import ArgumentError
from toolkit.layers.arguments import Shape, Tensor, check_positive


@keras.saving.register_keras_serializable(package="toolkit")
class LearnedPositions(keras.layers.Layer):
    """Adds one learned vector per position.

    Shapes:
        input and output: (batch, length, dim) with length + offset <= max_length. A mask passes
        through.

    Args:
        max_length: number of positions that have a vector.
        initializer: of the table (max_length, dim).

    Raises:
        ArgumentError: the input is longer than `max_length`, where its length is known.

    Example:
        >>> import numpy as np
        >>> LearnedPositions(max_length=16)(np.zeros((2, 10, 8), "float32")).shape.as_list()
        [2, 10, 8]

    Reference: Gehring et al., "Convolutional Sequence to Sequence Learning"
    (arXiv 1705.03122), section 3.1.
    """

    def __init__(
        self, max_length: int, initializer: str = "random_normal", **kwargs: object
    ) -> None:
        super().__init__(**kwargs)
        check_positive(max_length=max_length)
        self.max_length = max_length
        self.initializer = initializer
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        """One table (max_length, dim)."""
        shape = (self.max_length, input_shape[-1])
        self.table = self.add_weight(shape=shape, initializer=self.initializer, name="table")

    def call(self, inputs: Tensor, offset: int | Tensor = 0) -> Tensor:
        """The inputs plus their positions' vectors.

        Args:
            inputs: (batch, length, dim).
            offset: position of the first step; a number or a scalar tensor.
        """
        known = inputs.shape[1]
        if known is not None and known > self.max_length:
            raise ArgumentError(
                f"Expected at most max_length={self.max_length} steps. Received: length={known}"
            )
        positions = ops.arange(ops.shape(inputs)[1]) + offset
        return inputs + ops.take(ops.cast(self.table, inputs.dtype), positions, axis=0)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """As the input."""
        return input_shape
