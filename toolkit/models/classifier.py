"""Builders of text classifiers: from ids to ``(batch, members, classes)`` logits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import keras
from keras import ops

from toolkit import layers

Attention = Literal["additive", "dot", "multi_head", "none"]


class Words(NamedTuple):
    """Token ids whose vectors an encoder may ask for."""

    ids: Any
    mask: Any
    embedding: layers.TokenEmbedding
    dropout: float
    seed: int

    def vectors(self) -> Any:
        """Their vectors ``(batch, time, embedding_dim)``, with dropout."""
        dropout = keras.layers.Dropout(self.dropout, seed=self.seed, name="embedding_dropout")
        return dropout(self.embedding(self.ids))


Encoder = Callable[[Words], Any]  # to one vector a text


def bag(num_classes: int, ngrams: dict[str, int], name: str) -> keras.Model:
    """Build bags of n-grams, one for each kind of n-grams; solved, not trained by steps.

    Args:
        num_classes: logits of a text.
        ngrams: name of each input of n-gram ids, and how many ids there are.
        name: of the model.

    Returns:
        A model from ``{name: (batch, ngrams)}`` ids to ``(batch, kinds, classes)`` logits.
    """
    inputs = {kind: keras.Input((None,), dtype="int32", name=kind) for kind in ngrams}
    logits = [
        layers.NGramBag(size, num_classes, trainable=False, name=f"{kind}_bag")(inputs[kind])
        for kind, size in ngrams.items()
    ]
    return keras.Model(inputs, ops.stack(logits, axis=1), name=name)


def network(
    encoder: Encoder,
    num_classes: int,
    vocabulary_size: int,
    embedding_dim: int,
    dropout: float,
    token_dropout: float,
    seed: int,
    name: str,
) -> keras.Model:
    """Build embedding, encoder and softmax logits.

    Args:
        encoder: from words to one vector a text.
        num_classes: logits of a text.
        vocabulary_size: token ids are below this; 0 is padding.
        embedding_dim: width of the word vectors.
        dropout: of the word vectors and of the encoder's vector.
        token_dropout: share of the words withheld in training.
        seed: of the dropouts.
        name: of the model.

    Returns:
        A model from ``{"token_ids": (batch, time)}`` to ``(batch, 1, classes)`` logits.
    """
    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    mask = ops.not_equal(token_ids, 0)
    ids = layers.TokenDropout(token_dropout, seed=seed, name="token_dropout")(token_ids)
    embedding = layers.TokenEmbedding(
        vocabulary_size, embedding_dim, initializer="uniform", name="embedding"
    )
    vector = encoder(Words(ids, mask, embedding, dropout, seed + 1))
    vector = keras.layers.Dropout(dropout, seed=seed + 2, name="vector_dropout")(vector)
    logits = keras.layers.Dense(num_classes, dtype="float32", name="logits")(vector)
    return keras.Model({"token_ids": token_ids}, ops.expand_dims(logits, 1), name=name)


def cnn_encoder(filters: int, kernel_sizes: Sequence[int]) -> Encoder:
    """Convolutions of several widths, and the maximum over time of each filter."""

    def encode(words: Words) -> Any:
        convolution = layers.TextConvolution(filters, tuple(kernel_sizes), name="convolution")
        return convolution(words.vectors(), mask=words.mask)

    return encode


def recurrent_encoder(
    cell: str,
    units: int,
    num_layers: int,
    bidirectional: bool,
    attention: Attention,
    dropout: float,
    seed: int,
) -> Encoder:
    """Recurrent layers, their states pooled into one vector."""

    def encode(words: Words) -> Any:
        stack = layers.RecurrentStack(
            num_layers,
            units,
            cell=cell,
            bidirectional=bidirectional,
            dropout=dropout,
            seed=seed,
            return_sequences=True,
            name="stack",
        )
        reader = layers.TokenRecurrence(
            words.embedding, stack, words.dropout, words.seed, name="recurrence"
        )
        return pool(reader(words.ids, mask=words.mask), words.mask, attention)

    return encode


def pool(states: Any, mask: Any, attention: Attention) -> Any:
    """One vector for ``(batch, time, dim)`` states.

    ``none``: their mean beside their maximum. ``additive``: weights of a learnt query (Bahdanau's
    score). ``dot``: the last state asks (Luong's). ``multi_head``: the states attend to each
    other, then mean and maximum.
    """
    if attention == "additive":
        return layers.AttentionPooling(name="attention")(states, mask=mask)
    if attention == "dot":
        last = layers.MaskedPooling("last", name="last")(states, mask=mask)
        context = layers.DotAttention(name="attention")(
            keras.layers.Reshape((1, states.shape[-1]))(last), states, padding_mask=mask
        )
        context = keras.layers.Reshape((states.shape[-1],))(context)
        return keras.layers.Concatenate()([last, context])
    if attention == "multi_head":
        attended = layers.MultiHeadAttention(4, name="attention")(states, padding_mask=mask)
        states = keras.layers.Add()([states, attended])
    return layers.MaskedPooling("mean_max", name="pooling")(states, mask=mask)


def transformer_encoder(
    num_layers: int, num_heads: int, intermediate_dim: int, dropout: float, seed: int
) -> Encoder:
    """A pre-norm Transformer encoder, the mean of its states beside their maximum."""

    def encode(words: Words) -> Any:
        encoder = layers.TransformerEncoder(
            num_layers,
            num_heads,
            intermediate_dim=intermediate_dim,
            positions="rotary",
            dropout=dropout,
            activation_dropout=dropout,
            seed=seed,
            name="encoder",
        )
        states = encoder(words.vectors(), padding_mask=words.mask)
        return pool(states, words.mask, "none")

    return encode


def hybrid_encoder(num_layers: int, num_heads: int, dropout: float, seed: int) -> Encoder:
    """Blocks of recurrence and attention, the mean of their states beside their maximum."""

    def encode(words: Words) -> Any:
        vectors = words.vectors()
        for i in range(num_layers):
            block = layers.RecurrentAttention(
                num_heads, dropout=dropout, seed=seed + i, name=f"block_{i}"
            )
            vectors = block(vectors, mask=words.mask)
        return pool(vectors, words.mask, "none")

    return encode
