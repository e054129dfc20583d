"""Recurrent layers over token ids."""

from typing import Any

import keras

from toolkit.layers.arguments import Shape, Tensor, check_rate
from toolkit.layers.bidirectional import same_layer
from toolkit.layers.cudnn_recurrence import cudnn_available
from toolkit.layers.recurrent_stack import RecurrentStack
from toolkit.layers.shared_rows import Inputs, SharedRows
from toolkit.layers.token_embedding import TokenEmbedding


@keras.saving.register_keras_serializable(package="toolkit")
class TokenRecurrence(keras.layers.Layer):
    """An embedding, dropout of its vectors, and a recurrent stack that reads them.

    The same as the three layers one after the other. But words repeat: outside training the stack
    meets each word of a batch once with its input weights, not each step, which is a third of the
    work of an LSTM as wide as its inputs. Dropout in training makes each step another vector.
    XLA compiles answers and training; a gradient by the embedding outside training cannot leave it,
    since the number of words is not known there.

    Args:
        embedding: the vectors of the tokens.
        recurrence: what reads them.
        dropout: rate of dropout on the vectors, each element on its own.
        seed: of the dropout.

    Call arguments:
        inputs: integers (batch, time).
        mask: boolean (batch, time), False at padding, which may stand anywhere.
        training: whether dropout applies.

    Returns:
        What the stack returns.

    Raises:
        ArgumentError: for a rate outside [0, 1), or ids that are not integers.

    Example:
        >>> import numpy as np
        >>> from toolkit.layers import RecurrentStack, TokenEmbedding, TokenRecurrence
        >>> layer = TokenRecurrence(TokenEmbedding(100, 8), RecurrentStack(1, 4))
        >>> layer(np.array([[5, 7, 5]])).shape
        TensorShape([1, 4])
    """

    def __init__(
        self,
        embedding: TokenEmbedding,
        recurrence: RecurrentStack,
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_rate(dropout=dropout)
        self.embedding = embedding
        self.recurrence = recurrence
        self.dropout = dropout
        self.seed = seed
        self.dropout_layer = keras.layers.Dropout(dropout, seed=seed, dtype=self.dtype_policy)
        self.supports_masking = True
        self.supports_jit = recurrence.supports_jit

    def build(self, inputs_shape: Shape) -> None:
        """Builds the embedding and the stack."""
        self.embedding.build(inputs_shape)
        self.recurrence.build((*inputs_shape, self.embedding.hidden_dim))

    def call(self, inputs: Tensor, mask: Tensor | None = None, training: bool = False) -> Any:
        """Reads the tokens."""
        return self.recurrence(self.vectors(inputs, training), mask=mask, training=training)

    def vectors(self, ids: Tensor, training: bool) -> Inputs:
        """The vectors of all steps, or of the words that they share."""
        if training or keras.backend.backend() != "tensorflow" or cudnn_available():
            return self.dropout_layer(self.embedding(ids), training=training)
        from toolkit.layers.tensorflow_recurrence import distinct

        words, places = distinct(ids)
        return SharedRows(self.embedding(words), places)

    def compute_mask(self, inputs: Tensor, previous_mask: Tensor | None) -> Any:
        """The mask of what the stack returns."""
        return self.recurrence.compute_mask(inputs, previous_mask)

    def compute_output_shape(self, inputs_shape: Shape) -> Any:
        """The shape of what the stack returns."""
        return self.recurrence.compute_output_shape((*inputs_shape, self.embedding.hidden_dim))

    def get_config(self) -> dict[str, Any]:
        """The configurations of both layers, which this one builds, and the dropout."""
        inner = {
            name: keras.saving.serialize_keras_object(same_layer(layer, layer.name))
            for name, layer in (("embedding", self.embedding), ("recurrence", self.recurrence))
        }
        return {**super().get_config(), **inner, "dropout": self.dropout, "seed": self.seed}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "TokenRecurrence":
        """A layer of the same configuration."""
        make = keras.saving.deserialize_keras_object
        inner = {name: make(config[name]) for name in ("embedding", "recurrence")}
        return cls(**{**config, **inner})
