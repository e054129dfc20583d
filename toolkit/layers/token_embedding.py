"""Token embedding whose table can also give the logits."""

import keras
from keras import ops

from toolkit.errors import ArgumentError
from toolkit.layers.arguments import Shape, Tensor, check_positive


@keras.saving.register_keras_serializable(package="toolkit")
class TokenEmbedding(keras.layers.Layer):
    """A learned vector per token; in reverse, a score per token.

    Forward: table[token_ids], times sqrt(hidden_dim) if `scale`. Reverse (the tied softmax):
    hidden table'.

    Shapes:
        token_ids: integers (batch, length) or (batch,).
        output: (batch, length, hidden_dim) or (batch, hidden_dim).
        reverse: (..., hidden_dim) to logits (..., vocabulary_size).

    Masking:
        With `mask_zero`, id 0 is padding and the output carries the mask token_ids != 0.

    Args:
        vocabulary_size: number of tokens.
        hidden_dim: length of a vector.
        scale: multiply by sqrt(hidden_dim), as a table that is tied and drawn small wants.
        mask_zero: id 0 is padding.
        initializer: of the table; by default normal with deviation hidden_dim ** -0.5.

    Raises:
        ArgumentError: a size is not a positive integer, or token ids are not integers.

    Example:
        >>> import numpy as np
        >>> embedding = TokenEmbedding(vocabulary_size=100, hidden_dim=8, scale=True)
        >>> vectors = embedding(np.array([[5, 7, 0]]))
        >>> vectors.shape.as_list(), embedding.logits(vectors).shape.as_list()
        ([1, 3, 8], [1, 3, 100])

    References: Vaswani et al. (arXiv 1706.03762), section 3.4; Press and Wolf, "Using the Output
    Embedding to Improve Language Models" (arXiv 1608.05859).
    """

    def __init__(
        self,
        vocabulary_size: int,
        hidden_dim: int,
        scale: bool = False,
        mask_zero: bool = False,
        initializer: str | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        check_positive(vocabulary_size=vocabulary_size, hidden_dim=hidden_dim)
        self.vocabulary_size = vocabulary_size
        self.hidden_dim = hidden_dim
        self.scale = scale
        self.mask_zero = mask_zero
        self.initializer = initializer
        self.supports_masking = True

    def build(self, inputs_shape: Shape) -> None:
        """One table (vocabulary_size, hidden_dim)."""
        small = keras.initializers.RandomNormal(stddev=self.hidden_dim**-0.5)
        self.table = self.add_weight(
            shape=(self.vocabulary_size, self.hidden_dim),
            initializer=self.initializer or small,
            autocast=False,  # only the rows taken are cast
            name="table",
        )

    def call(self, inputs: Tensor, reverse: bool = False) -> Tensor:
        """Vectors of token ids, or logits of vectors when `reverse`."""
        if reverse:
            return ops.matmul(inputs, ops.transpose(ops.cast(self.table, self.compute_dtype)))
        if not is_integer(inputs):
            raise ArgumentError(
                'Expected integer token ids, such as keras.Input((None,), dtype="int32"). '
                f"Received: dtype={inputs.dtype}"
            )
        vectors = ops.cast(ops.take(self.table, inputs, axis=0), self.compute_dtype)
        return vectors * self.hidden_dim**0.5 if self.scale else vectors

    def logits(self, hidden: Tensor) -> Tensor:
        """(..., hidden_dim) to (..., vocabulary_size): a score for each token."""
        return self(hidden, reverse=True)

    def compute_mask(self, inputs: Tensor, previous_mask: Tensor | None = None) -> Tensor | None:
        """token_ids != 0 with `mask_zero`; what came in otherwise and in reverse."""
        if self.mask_zero and is_integer(inputs):
            return ops.not_equal(inputs, 0)
        return previous_mask

    def compute_output_shape(self, inputs_shape: Shape, reverse: bool = False) -> Shape:
        """(..., hidden_dim), or (..., vocabulary_size) in reverse."""
        if reverse:
            return (*inputs_shape[:-1], self.vocabulary_size)
        return (*inputs_shape, self.hidden_dim)

    def compute_output_spec(self, inputs: Tensor, reverse: bool = False) -> keras.KerasTensor:
        """The output's shape in the compute dtype."""
        shape = self.compute_output_shape(inputs.shape, reverse)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)


def is_integer(x: Tensor) -> bool:
    """Whether the tensor holds integers."""
    return "int" in str(keras.backend.standardize_dtype(x.dtype))
