"""Training and decoding speed of speech models, against a hand-written Keras script.

    TOOLKIT_DATA=... python benchmarks/speech.py [--repeats 5]

The reference is what a Keras user writes after the tutorials: clips padded to one second in
tf.data, their log-mel spectrograms computed by tf.signal for every batch; two convolutions; two
keras.layers.LSTM in both directions; pooling; Model.fit. Ours is the recipe's crnn of the same
sizes and the engine of `toolkit fit`, once with its augmentation and once without. Where torch is
installed, the same network in torch is another reference. All train in turn on spoken digits, each
in a process of its own with its own threads: the reference has TensorFlow's default. Then
the real-time factor of answers: seconds of work for a second of sound, frames included, and of
decoding alone, by the likeliest path and by a beam. Prints lines of JSON.
"""

import argparse
import importlib.util
import os
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # torch's threads spin into others' time

import keras
import numpy as np
import pandas as pd
import soundfile
import tensorflow as tf
from timing import Apart, rates_in_turn, report

import toolkit.api.fitting as fitting
from toolkit.models import ctc
from toolkit.recipe import TrainOptions
from toolkit.training.distribution import distribute
from toolkit.training.engine import Engine
from toolkit.training.evaluation import evaluate_answers
from toolkit.training.fit import build
from toolkit.training.optimizers import UpdateRule, make_optimizer
from toolkit.training.settings import settle

RATE, BATCH, STRETCH, BINS, UNITS, FILTERS = 8000, 32, 20, 40, 128, 32


def frame_of_digits() -> pd.DataFrame:
    root = os.path.join(os.environ["TOOLKIT_DATA"], "fsdd")
    frame = pd.read_csv(os.path.join(root, "clips.csv"), dtype=str)
    return frame.assign(path=[os.path.join(root, path) for path in frame["path"]])


def reference_model() -> keras.Model:
    frames = keras.Input((98, BINS))
    image = keras.ops.expand_dims(frames, -1)
    for stride in ((2, 2), (1, 2)):
        image = keras.layers.Conv2D(FILTERS, 3, stride, "same", activation="relu")(image)
    steps = keras.layers.Reshape((49, FILTERS * BINS // 4))(image)
    steps = keras.layers.Dense(UNITS)(steps)
    for _ in range(2):
        lstm = keras.layers.LSTM(UNITS, return_sequences=True)
        steps = keras.layers.Bidirectional(lstm)(steps)
        steps = keras.layers.Dropout(0.2)(steps)
    logits = keras.layers.Dense(10)(keras.layers.GlobalMaxPooling1D()(steps))
    model = keras.Model(frames, logits)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss, jit_compile=False)
    return model


class Reference:
    """The script a Keras user writes."""

    def __init__(self, frame: pd.DataFrame, seconds: float) -> None:
        weights = tf.signal.linear_to_mel_weight_matrix(BINS, 129, RATE, 20.0, RATE / 2)

        def clip(path, label):
            samples, _ = tf.audio.decode_wav(tf.io.read_file(path), 1, RATE)
            return samples[:, 0], label

        def features(samples, label):
            spectrum = tf.abs(tf.signal.stft(samples, 200, 80, 256)) ** 2
            return tf.math.log(tf.matmul(spectrum, weights) + 1e-6), label

        labels = frame["label"].astype(int).to_numpy()
        clips = tf.data.Dataset.from_tensor_slices((frame["path"].to_list(), labels))
        clips = clips.map(clip, num_parallel_calls=2).cache().shuffle(len(frame))
        batches = clips.batch(BATCH, drop_remainder=True).map(features, num_parallel_calls=2)
        self.batches = batches.repeat().prefetch(2)
        self.model = reference_model()
        self.seconds = seconds
        for _ in clips:  # fill the cache
            pass

    def __call__(self) -> float:
        """Train on a stretch of batches and say on how many seconds of sound."""
        self.model.fit(self.batches, steps_per_epoch=STRETCH, verbose=0)
        return STRETCH * BATCH * self.seconds


class Ours:
    """The recipe and the engine of `toolkit fit`."""

    def __init__(self, frame: pd.DataFrame, seconds: float, augment: bool) -> None:
        self.distribution = distribute()
        data = {"train": frame, "label": "label", "split": {"column": "split"}}
        prepared = fitting.prepare(
            {
                "task": "speech",
                "data": data if augment else {**data, "augment": None},
                "model": {"type": "crnn", "members": 1, "units": UNITS, "filters": FILTERS},
            }
        )
        self.task = prepared.task
        options = TrainOptions(batch_size=BATCH)
        settings = settle(options, self.task, prepared.train, 0)
        self.model = build(self.task.build_model, self.distribution)
        rule = UpdateRule(make_optimizer(options.optimizer), self.model.trainable_variables)
        self.engine = Engine(
            self.task, self.model, rule, prepared.train, settings.plan, self.distribution
        )
        self.test = prepared.splits.test
        self.seconds, self.step = seconds, 0

    def __call__(self) -> float:
        """Train on a stretch of batches and say on how many seconds of sound."""
        rates = np.full(STRETCH, 1e-3, np.float32)
        self.engine.take(self.step, rates, np.zeros(1, np.float32))
        self.step += STRETCH
        return STRETCH * BATCH * self.seconds

    def answer(self) -> float:
        """Decode, compute frames and answer the test clips; the real-time factor."""
        start = time.perf_counter()
        examples = self.task.examples(self.test, targets=False)
        evaluate_answers(self.task, self.model, examples, distribution=self.distribution)
        return (time.perf_counter() - start) / (len(self.test) * self.seconds)


def clip_seconds(frame: pd.DataFrame) -> float:
    """The mean length of a clip."""
    sizes = [os.path.getsize(path) - 44 for path in frame["path"]]
    return float(np.mean(sizes)) / 2 / RATE


def decoding(width: int, repeats: int) -> float:
    """Seconds of decoding for a second of sound: 8 clips of 10 s, 30 tokens, 50 steps a second."""
    logits = np.random.default_rng(0).normal(0, 3, (8, 500, 30)).astype("float32")
    counts = np.full(8, 500, np.int32)

    @tf.function
    def decode(logits, counts):
        if width == 1:
            return ctc.greedy(logits, counts)
        return ctc.prefix_beam(logits, counts, width)

    decode(tf.constant(logits), tf.constant(counts))
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        decode(tf.constant(logits), tf.constant(counts))[1].numpy()
        times.append(time.perf_counter() - start)
    return float(np.median(times)) / 80


def torch_training(frame: pd.DataFrame, seconds: float) -> Callable[[], float]:
    """The reference's network and features in torch, its clips held in memory."""
    from torch_references import Recogniser, RecogniserTraining

    clips = np.zeros((len(frame), RATE), np.float32)
    for row, path in zip(clips, frame["path"], strict=True):
        samples = soundfile.read(path, dtype="float32")[0][:RATE]
        row[: len(samples)] = samples
    weights = tf.signal.linear_to_mel_weight_matrix(BINS, 129, RATE, 20.0, RATE / 2).numpy()
    model = Recogniser(weights, FILTERS, UNITS, 10)
    labels = frame["label"].astype(int).to_list()
    return RecogniserTraining(model, clips, labels, BATCH, STRETCH, seconds)


def compare(runs: dict[str, Callable[[], float]], reference: str, repeats: int) -> None:
    """Training in turn; a line of how much sound a second each gets through."""
    rates = rates_in_turn(runs, repeats, warm_up=1)
    figures = {name: round(rate, 1) for name, rate in rates.items()}
    ratio = round(rates["ours"] / rates[reference], 2)
    report("crnn train", "seconds of sound per second", **figures, ratio=ratio)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    frame = frame_of_digits()
    seconds = clip_seconds(frame)
    train = frame[frame["split"] == "train"]
    runs = {
        "ours": Apart(Ours, frame, seconds, False),
        "ours_augmented": Apart(Ours, frame, seconds, True),
        "reference": Apart(Reference, train, seconds),
    }
    compare(runs, "reference", repeats)
    if importlib.util.find_spec("torch"):
        torch = Apart(torch_training, train, seconds)
        compare({"ours": runs["ours"], "torch": torch}, "torch", repeats)
    plain = Ours(frame, seconds, augment=False)
    plain.answer()
    report("crnn answers", "real-time factor", ours=round(plain.answer(), 5))
    for width in (1, 16):
        report("ctc decoding", "real-time factor", width=width, ours=decoding(width, repeats))


if __name__ == "__main__":
    main()
