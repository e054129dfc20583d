"""Words, their mean vector, a label."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from tests.tiny_task.options import Options
from toolkit.data.columns import texts
from toolkit.data.store import Ragged, StoredExamples
from toolkit.data.table import Table
from toolkit.tasks.base import Decision, Monitor, Task
from toolkit.text.vocabulary import Vocabulary


class TinyTask(Task[Options]):
    """One label a text."""

    options_type = Options

    def prepare(self, splits: Any) -> None:
        words = [word for text in texts(splits.train, "text") for word in text.split()]
        counts = pd.Series(words).value_counts()
        self.vocabulary = Vocabulary.fit([(str(w), int(n)) for w, n in counts.items()], 1000)
        self.labels = sorted(set(texts(splits.train, self.options.data.label)))
        self.decisions["vocabulary_size"] = Decision(len(self.vocabulary), "every word of train")

    def save(self, directory: Path) -> None:
        self.vocabulary.save(directory / "words.txt")
        (directory / "labels.json").write_text(json.dumps(self.labels))

    def load(self, directory: Path) -> None:
        self.vocabulary = Vocabulary.load(directory / "words.txt")
        self.labels = json.loads((directory / "labels.json").read_text())

    def raw(self, table: Table) -> dict[str, Any]:
        return {"text": np.array(texts(table, self.options.data.text), dtype=object)}

    def examples(self, table: Table, *, targets: bool = True) -> StoredExamples:
        ids = self.preprocess({"text": tf.constant(self.raw(table)["text"])})["token_ids"]
        stored = Ragged.join([(ids.flat_values.numpy(), ids.row_lengths().numpy())])
        labels = texts(table, self.options.data.label) if targets else []
        known = {"label": np.array([self.labels.index(x) for x in labels], np.int32)}
        return StoredExamples(
            {"token_ids": stored}, known if targets else {}, np.ones(len(table)), ("token_ids",)
        )

    def preprocess(self, raw: dict[str, Any]) -> dict[str, Any]:
        return {"token_ids": self.vocabulary(tf.strings.split(raw["text"]))}

    def build_model(self) -> keras.Model:
        inputs = {"token_ids": keras.Input((None,), dtype="int32", name="token_ids")}
        vectors = keras.layers.Embedding(len(self.vocabulary), self.options.model.units)(
            inputs["token_ids"]
        )
        mask = keras.ops.cast(keras.ops.expand_dims(inputs["token_ids"], -1) > 0, "float32")
        total = keras.ops.sum(mask * vectors, axis=1)
        mean = total / keras.ops.maximum(keras.ops.sum(mask, axis=1), 1.0)
        return keras.Model(inputs, keras.layers.Dense(len(self.labels))(mean))

    def loss(self, outputs: Any, targets: dict[str, Any], weights: Any) -> Any:
        each = keras.losses.sparse_categorical_crossentropy(
            targets["label"], outputs, from_logits=True
        )
        return keras.ops.sum(weights * each)

    @property
    def monitor(self) -> Monitor:
        return Monitor("accuracy", "max")

    def recommended(self) -> dict[str, Decision]:
        return {
            "epochs": Decision(2, "it is tiny"),
            "batch_size": Decision(8, "it is tiny"),
            "learning_rate": Decision(0.05, "it is tiny"),
        }

    def answer(self, model: keras.Model, inputs: dict[str, Any]) -> dict[str, Any]:
        return {"probabilities": tf.nn.softmax(model(inputs, training=False))}

    def score(self, answers: Mapping[str, Any], examples: Any) -> dict[str, float]:
        right = examples.target("label") == answers["probabilities"].argmax(axis=1)
        return {"accuracy": float(np.mean(right))}

    def predictions(self, answers: Mapping[str, Any]) -> pd.DataFrame:
        probabilities = answers["probabilities"]
        best = probabilities.argmax(axis=1)
        return pd.DataFrame(
            {
                "prediction": [self.labels[i] for i in best],
                "score": probabilities.max(axis=1),
            }
        )

    def signature(self) -> dict[str, tf.TensorSpec]:
        return {"text": tf.TensorSpec([None], tf.string)}

    def named(self, answers: dict[str, Any]) -> dict[str, Any]:
        best = tf.argmax(answers["probabilities"], axis=1)
        return {
            "label": tf.gather(tf.constant(self.labels), best),
            "probabilities": answers["probabilities"],
        }

    def card(self) -> dict[str, Any]:
        return {
            "outputs": {"label": "the class", "probabilities": "of each class, 0 to 1"},
            "labels": self.labels,
            "rules": ["An empty text is answered like one without known words."],
            "example": {"text": ["a good day"]},
        }
