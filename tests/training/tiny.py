"""A task small enough to train in a second, with everything that makes training hard.

Lengths differ, weights differ, the last batch is short, and dropout and augmentation are on
when asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from toolkit.data.store import StoredExamples
from toolkit.ragged import Ragged
from toolkit.tasks.base import Decision, Monitor, Task

VOCABULARY, CLASSES, DIM = 40, 3, 16


def tiny_examples(rows: int = 45, seed: int = 0) -> StoredExamples:
    """Token rows whose class is that of their commonest third of the vocabulary."""
    random = np.random.default_rng(seed)
    lengths = random.integers(3, 9, rows)
    labels = random.integers(0, CLASSES, rows)
    tokens = random.integers(1, VOCABULARY, lengths.sum())
    favoured = np.repeat(labels, lengths) * 12 + random.integers(1, 13, lengths.sum())
    tokens = np.where(random.random(len(tokens)) < 0.6, favoured, tokens).astype(np.int32)
    splits = np.concatenate([[0], np.cumsum(lengths)])
    return StoredExamples(
        {"tokens": Ragged(tokens, splits)},
        {"label": labels.astype(np.int32)},
        weights=lengths.astype(np.float64),
        axes=("tokens",),
    )


def recurrent(dropout: float) -> keras.Model:
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    values = keras.layers.Embedding(VOCABULARY, DIM, mask_zero=True)(tokens)
    values = keras.layers.LSTM(DIM)(values)
    values = keras.layers.Dropout(dropout)(values)
    return keras.Model({"tokens": tokens}, keras.layers.Dense(CLASSES, dtype="float32")(values))


def attentive(dropout: float) -> keras.Model:
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    values = keras.layers.Embedding(VOCABULARY, DIM, mask_zero=True)(tokens)
    attended = keras.layers.MultiHeadAttention(2, DIM // 2, dropout=dropout)(values, values)
    values = keras.layers.LayerNormalization()(values + attended)
    mask = keras.ops.cast(keras.ops.not_equal(tokens, 0), "float32")[..., None]
    values = keras.ops.sum(values * mask, axis=1) / keras.ops.sum(mask, axis=1)
    return keras.Model({"tokens": tokens}, keras.layers.Dense(CLASSES, dtype="float32")(values))


def pooled(dropout: float) -> keras.Model:
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    values = keras.layers.Embedding(VOCABULARY, DIM)(tokens)
    values = keras.layers.Dropout(dropout)(keras.layers.GlobalMaxPooling1D()(values))
    return keras.Model({"tokens": tokens}, keras.layers.Dense(CLASSES, dtype="float32")(values))


def normalised(dropout: float) -> keras.Model:
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    values = keras.layers.Embedding(VOCABULARY, DIM)(tokens)
    values = keras.layers.GlobalAveragePooling1D()(values)
    values = keras.layers.BatchNormalization(momentum=0.5)(values)
    values = keras.layers.Dropout(dropout)(values)
    return keras.Model({"tokens": tokens}, keras.layers.Dense(CLASSES, dtype="float32")(values))


MODELS = {
    "pooled": pooled,
    "recurrent": recurrent,
    "attentive": attentive,
    "normalised": normalised,
}


class Tiny(Task[Any]):
    """Classes of token rows; each row counts by its length."""

    def __init__(
        self, model: str = "pooled", dropout: float = 0.0, augments: bool = False, **rates: Any
    ) -> None:
        super().__init__(options=None)
        self.model = model
        self.dropout = dropout
        self.augments = augments
        self.rates = {"learning_rate": 0.05, **rates}

    def build_model(self) -> keras.Model:
        return MODELS[self.model](self.dropout)

    def augment(self, inputs: Any, targets: Any, seeds: Any) -> Any:
        if not self.augments:
            return inputs, targets
        tokens = inputs["tokens"]
        width = tf.shape(tokens)[1]
        drawn = tf.map_fn(
            lambda seed: tf.random.stateless_uniform([width], seed),
            seeds,
            fn_output_signature=tf.float32,
        )
        noisy = tf.where((drawn < 0.1) & (tokens > 0), 1, tokens)
        return {"tokens": noisy}, targets

    def loss(self, outputs: Any, targets: Any, weights: Any) -> Any:
        each = keras.losses.sparse_categorical_crossentropy(
            targets["label"], outputs, from_logits=True
        )
        return tf.reduce_sum(weights * each)

    def recommended(self) -> dict[str, Decision]:
        return {name: Decision(value, "tiny") for name, value in self.rates.items()}

    @property
    def monitor(self) -> Monitor:
        return Monitor("accuracy", "max")

    def answer(self, model: keras.Model, inputs: Any) -> dict[str, Any]:
        return {"logits": model(inputs, training=False)}

    def score(self, answers: Mapping[str, Any], examples: Any) -> dict[str, float]:
        found = answers["logits"].argmax(axis=1)
        return {"accuracy": float(np.mean(found == examples.targets["label"]))}

    def prepare(self, splits: Any) -> None: ...

    def save(self, directory: Any) -> None: ...

    def load(self, directory: Any) -> None: ...

    def raw(self, table: Any) -> Any: ...

    def examples(self, table: Any, *, targets: bool = True) -> Any: ...

    def preprocess(self, raw: Any) -> Any: ...

    def predictions(self, answers: Any) -> Any: ...

    def signature(self) -> Any: ...

    def named(self, answers: Any) -> Any: ...

    def card(self) -> Any: ...
