"""Training and prediction speed on long reviews, against a hand-written Keras script.

    TOOLKIT_DATA=... python benchmarks/sentiment.py [lstm] [transformer] [--rows 3000]

The reference is what a Keras user writes: TextVectorization padded to 400 words, cached; Embedding;
keras.layers.LSTM in both directions or MultiHeadAttention blocks; mean and maximum pooling; batch
64; Model.fit, with and without XLA, the better one counts. Ours is the recipe's model and the
engine of `toolkit fit`: the same sizes, the same 400 tokens at most, batch 64. Both train in turn,
a stretch of batches each, several times, in processes of their own with their own threads: the
reference has TensorFlow's default. Both answer in the batches that are best for them: ours in
those of `toolkit predict`, 64 texts of like length, the reference in 256. Prints one line of JSON
for training and one for prediction, in examples per second.
"""

import argparse
import os
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from timing import Apart, rates_in_turn, report

import toolkit.api.fitting as fitting
from toolkit.recipe import TrainOptions
from toolkit.training.distribution import distribute
from toolkit.training.engine import Engine
from toolkit.training.evaluation import Evaluator
from toolkit.training.fit import build
from toolkit.training.optimizers import UpdateRule, make_optimizer
from toolkit.training.settings import settle

WORDS, WIDTH, UNITS, LENGTH, BATCH = 20_000, 128, 128, 400, 64
STRETCH = 6  # batches timed at a time
MODELS = {
    "lstm": {"type": "lstm", "embedding_dim": WIDTH, "units": UNITS, "bag": False},
    "transformer": {
        "type": "transformer",
        "embedding_dim": WIDTH,
        "num_layers": 2,
        "num_heads": 4,
        "intermediate_dim": 256,
        "bag": False,
    },
}


def pooled(states, mask):
    inside = keras.ops.cast(mask, "float32")[..., None]
    mean = keras.ops.sum(states * inside, 1) / keras.ops.maximum(keras.ops.sum(inside, 1), 1)
    return keras.layers.Concatenate()([mean, keras.ops.max(states + (inside - 1) * 1e9, 1)])


def transformer_block(x, mask):
    attention = keras.layers.MultiHeadAttention(4, WIDTH // 4, dropout=0.3)
    normed = keras.layers.LayerNormalization()(x)
    x = x + attention(normed, normed, attention_mask=mask[:, None, :])
    normed = keras.layers.LayerNormalization()(x)
    inner = keras.layers.Dense(256, activation="relu")(normed)
    return x + keras.layers.Dropout(0.3)(keras.layers.Dense(WIDTH)(inner))


def reference_model(kind: str, xla: bool) -> keras.Model:
    ids = keras.Input((LENGTH,), dtype="int64")
    mask = keras.ops.not_equal(ids, 0)
    x = keras.layers.Embedding(WORDS, WIDTH)(ids)
    if kind == "transformer":
        x = x + keras.layers.Embedding(LENGTH, WIDTH)(keras.ops.arange(LENGTH))
        for _ in range(2):
            x = transformer_block(x, mask)
    else:
        x = keras.layers.Dropout(0.5)(x)
        lstm = keras.layers.LSTM(UNITS, return_sequences=True)
        x = keras.layers.Bidirectional(lstm)(x, mask=mask)
    logits = keras.layers.Dense(2)(keras.layers.Dropout(0.5)(pooled(x, mask)))
    model = keras.Model(ids, logits)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss, jit_compile=xla)
    return model


class Reference:
    """The script a Keras user writes."""

    def __init__(self, frame: pd.DataFrame, kind: str, xla: bool) -> None:
        vectorize = keras.layers.TextVectorization(WORDS, output_sequence_length=LENGTH)
        written = frame["review"].astype(object).to_numpy()
        vectorize.adapt(written)
        labels = (frame["label"] == "pos").to_numpy(np.int32)
        cached = tf.data.Dataset.from_tensor_slices((written, labels)).batch(256)
        cached = cached.map(lambda x, y: (vectorize(x), y), num_parallel_calls=2).unbatch().cache()
        self.size = len(frame)
        self.batches = cached.shuffle(self.size).batch(BATCH, drop_remainder=True).repeat()
        self.plain = cached.batch(256).prefetch(2)
        self.model = reference_model(kind, xla)
        for _ in cached:  # fill the cache
            pass

    def train(self) -> int:
        """Train on a stretch of batches and say on how many texts."""
        self.model.fit(self.batches, steps_per_epoch=STRETCH, verbose=0)
        return STRETCH * BATCH

    def predict(self) -> int:
        """Answer some texts and say how many."""
        self.model.predict(self.plain.take(4), verbose=0)
        return min(self.size, 4 * 256)


class Ours:
    """The recipe and the engine of `toolkit fit`."""

    def __init__(self, frame: pd.DataFrame, kind: str, xla: bool) -> None:
        self.distribution = distribute()
        prepared = fitting.prepare(
            {
                "task": "sentiment",
                "data": {
                    "train": frame,
                    "validation": frame[:1024],
                    "test": frame[:64],
                    "text": "review",
                    "label": "label",
                    "vocabulary": {"size": WORDS},
                    "sequence_length": LENGTH,
                },
                "model": MODELS[kind],
            }
        )
        self.task = prepared.task
        options = TrainOptions(batch_size=BATCH)
        settings = settle(options, self.task, prepared.train, 0)
        self.model = build(self.task.build_model, self.distribution)
        rule = UpdateRule(make_optimizer(options.optimizer), self.model.trainable_variables)
        self.engine = Engine(
            self.task, self.model, rule, prepared.train, settings.plan, self.distribution, xla=xla
        )
        self.validation = prepared.validation
        self.evaluator = Evaluator(self.task, self.model, self.distribution)
        self.step = 0

    def train(self) -> int:
        """Train on a stretch of batches and say on how many texts."""
        rates = np.full(STRETCH, 1e-3, np.float32)
        self.engine.take(self.step, rates, np.zeros(1, np.float32))
        self.step += STRETCH
        return STRETCH * BATCH

    def predict(self) -> int:
        """Answer the validation texts and say how many."""
        self.evaluator(self.validation)
        return len(self.validation)


def side(make: type, verb: str, frame: pd.DataFrame, kind: str, xla: bool) -> Callable[[], int]:
    """What one side does, in the process that this is called in."""
    run: Callable[[], int] = getattr(make(frame, kind, xla), verb)
    return run


def compare(kind: str, frame: pd.DataFrame, repeats: int) -> None:
    for verb in ("train", "predict"):
        runs = {
            f"{name}_{mode}": Apart(side, make, verb, frame, kind, mode == "xla")
            for name, make in (("ours", Ours), ("reference", Reference))
            for mode in ("graph", "xla")
        }
        rates = rates_in_turn(runs, repeats)
        best = {
            side: max(rate for name, rate in rates.items() if name.startswith(side))
            for side in ("ours", "reference")
        }
        report(
            f"{kind} {verb}",
            "examples per second",
            **{name: round(rate, 1) for name, rate in rates.items()},
            ratio=round(best["ours"] / best["reference"], 2),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=["lstm", "transformer"])
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    path = os.path.join(os.environ["TOOLKIT_DATA"], "imdb", "train.csv.gz")
    frame = pd.read_csv(path).sample(arguments.rows, random_state=0).reset_index(drop=True)
    for kind in arguments.models:
        compare(kind, frame, arguments.repeats)


if __name__ == "__main__":
    main()
