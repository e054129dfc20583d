"""Token dropout: words withheld at random, so that a model does not lean on one of them."""

from typing import Any

import keras
from keras import ops

from toolkit.layers.arguments import Shape, Tensor, check_rate


@keras.saving.register_keras_serializable(package="toolkit")
class TokenDropout(keras.layers.Layer):
    """Replaces token ids by the unknown token's at random, in training only.

    Shapes: integer ids of any shape to the same shape.

    Masking: padding (id 0) stays padding, so masks do not change.

    Args:
        rate: share of the tokens replaced.
        unknown_id: the id that stands for any word.
        seed: of the choice.

    Raises:
        ArgumentError: a rate outside [0, 1).

    Example:
        >>> import numpy as np
        >>> TokenDropout(0.5, seed=1)(np.array([[5, 6, 0]])).numpy()
        array([[5, 6, 0]])

    Reference: Iyyer et al., "Deep Unordered Composition Rivals Syntactic Methods for Text
    Classification", ACL 2015, section 3.1 (word dropout).
    """

    def __init__(
        self, rate: float, unknown_id: int = 1, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        check_rate(rate=rate)
        self.supports_masking = True
        self.rate = rate
        self.unknown_id = unknown_id
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, token_ids: Tensor, training: bool = False) -> Tensor:
        """The ids, some of them `unknown_id` in training."""
        if not training or not self.rate:
            return token_ids
        draw = keras.random.uniform(ops.shape(token_ids), seed=self.seed_generator)
        withheld = ops.logical_and(draw < self.rate, ops.not_equal(token_ids, 0))
        return ops.where(withheld, ops.cast(self.unknown_id, token_ids.dtype), token_ids)

    def compute_output_spec(self, token_ids: Tensor, training: bool = False) -> keras.KerasTensor:
        """Ids as they came."""
        return keras.KerasTensor(token_ids.shape, token_ids.dtype)

    def compute_output_shape(self, token_ids_shape: Shape) -> Shape:
        """The same shape."""
        return token_ids_shape
