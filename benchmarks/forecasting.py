"""Forecasting: speed of the patch Transformer, memory of windows, quantiles against a ridge.

    python -m benchmarks.forecasting [speed] [memory] [quantiles]

speed: training windows per second of `transformer` against the same network written with Keras's
own layers, and against NeuralForecast's PatchTST where it is installed. memory: the peak of a
training on a million rows of ten series with a context of 720. quantiles ($TOOLKIT_DATA): weighted
quantile loss on ETTh1 against that of the ridge with the quantiles of its training residuals, and
coverage by channel. Each line of output is one comparison in JSON.
"""

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import ops

import toolkit
from benchmarks.timing import compare, peak_memory, report
from toolkit.models import forecaster

CONTEXT, AHEAD, CHANNELS, BATCH = 336, 96, 7, 32
LENGTH, STEP, LAYERS, HEADS, DIM, WIDE = 16, 8, 3, 4, 16, 128  # PatchTST's sizes for ETTh1
LEVELS = (0.1, 0.5, 0.9)
HORIZONS = (96, 192, 336, 720)


def ours() -> keras.Model:
    network = forecaster.transformer(LENGTH, STEP, LAYERS, HEADS, DIM, WIDE, 0.2, 0)
    return forecaster.build(CONTEXT, AHEAD, CHANNELS, LEVELS, network=network)


def by_hand() -> keras.Model:
    """The same network with Keras's own layers."""
    target = keras.Input((CONTEXT, CHANNELS), name="target")
    series = ops.reshape(ops.transpose(target, (0, 2, 1)), (-1, CONTEXT))
    mean = ops.mean(series, axis=1, keepdims=True)
    scale = ops.std(series, axis=1, keepdims=True) + 1e-5
    series = ops.concatenate([(series - mean) / scale] + [series[:, -1:]] * STEP, axis=1)
    count = 1 + (CONTEXT + STEP - LENGTH) // STEP
    patches = ops.stack([series[:, i * STEP : i * STEP + LENGTH] for i in range(count)], axis=1)
    x = keras.layers.Dense(DIM)(patches)
    x = x + keras.layers.Embedding(count, DIM)(ops.arange(count))
    for _ in range(LAYERS):
        attended = keras.layers.MultiHeadAttention(HEADS, DIM // HEADS, dropout=0.2)(x, x)
        x = keras.layers.LayerNormalization()(x + keras.layers.Dropout(0.2)(attended))
        hidden = keras.layers.Dense(WIDE, activation="gelu")(x)
        hidden = keras.layers.Dense(DIM)(keras.layers.Dropout(0.2)(hidden))
        x = keras.layers.LayerNormalization()(x + keras.layers.Dropout(0.2)(hidden))
    flat = keras.layers.Dense(AHEAD * (1 + len(LEVELS)))(keras.layers.Flatten()(x))
    flat = ops.reshape(flat, (-1, AHEAD, 1 + len(LEVELS))) * scale[..., None] + mean[..., None]
    outputs = ops.reshape(flat, (-1, CHANNELS, AHEAD, 1 + len(LEVELS)))
    return keras.Model({"target": target}, ops.transpose(outputs, (0, 2, 1, 3)))


def training_step(model: keras.Model) -> Callable[[], Any]:
    random = np.random.default_rng(0)
    inputs = {
        "target": tf.constant(random.standard_normal((BATCH, CONTEXT, CHANNELS)), tf.float32),
        "scale": tf.ones((BATCH, 2, CHANNELS)),
    }
    inputs = {name: inputs[name] for name in model.input}
    ahead = tf.constant(random.standard_normal((BATCH, AHEAD, CHANNELS, 1)), tf.float32)
    optimizer = keras.optimizers.Adam(1e-4)
    optimizer.build(model.trainable_variables)

    @tf.function
    def step() -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(inputs, training=True) - ahead))
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(loss, [v.value for v in variables]), variables)
        return loss

    return lambda: step().numpy()


def neuralforecast_step() -> Callable[[], Any] | None:
    """A training step of NeuralForecast's PatchTST at the same sizes, or None."""
    try:
        import torch
        from neuralforecast.losses.pytorch import MQLoss
        from neuralforecast.models import PatchTST
    except ImportError:
        return None
    model = PatchTST(
        h=AHEAD, input_size=CONTEXT, patch_len=LENGTH, stride=STEP, encoder_layers=LAYERS,
        n_heads=HEADS, hidden_size=DIM, linear_hidden_size=WIDE, loss=MQLoss(quantiles=LEVELS),
    )  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters(), 1e-4)
    series = torch.randn(BATCH * CHANNELS, CONTEXT, 1)
    ahead = torch.randn(BATCH * CHANNELS, AHEAD, 1)

    def step() -> float:
        optimizer.zero_grad()
        loss = torch.mean((model({"insample_y": series}) - ahead) ** 2)
        loss.backward()
        optimizer.step()
        return float(loss)

    return step


def speed() -> None:
    mine = training_step(ours())
    for name, theirs in (("keras", training_step(by_hand())), ("neural", neuralforecast_step())):
        if theirs is None:
            report("patch transformer", name, skipped="NeuralForecast is not installed")
            continue
        found = compare(mine, theirs, repeats=15)
        report("patch transformer", name, windows_per_second=round(1e3 * BATCH / found["ours_ms"]),
               **found)  # fmt: skip


def memory(rows: int = 1_000_000) -> None:
    start = peak_memory()
    random = np.random.default_rng(0)
    values = random.standard_normal((rows, 10)).astype(np.float32)
    values += np.sin(2 * np.pi * np.arange(rows) / 24)[:, None]
    frame = pd.DataFrame(values, columns=[f"s{i}" for i in range(10)])
    frame["date"] = pd.date_range("1900-01-01", periods=rows, freq="h")
    with tempfile.TemporaryDirectory() as folder:
        toolkit.fit(
            task={"type": "forecasting", "context_length": 720, "prediction_length": 24},
            data={"train": frame, "split": {"validation": 3000, "test": 3000}},
            model="linear",
            train={"steps": 100, "batch_size": 32, "compile": "none"},
            export="none",
            run=Path(folder) / "run",
        )
    report("memory", "1M rows x 10, context 720", libraries_mib=round(start),
           peak_mib=round(peak_memory()))  # fmt: skip


def quantiles() -> None:
    """Ours as trained, against the start: the ridge with its training residuals' quantiles."""
    if "TOOLKIT_DATA" not in os.environ:
        report("quantiles", "ETTh1", skipped="TOOLKIT_DATA is not set")
        return
    for horizon in HORIZONS:
        sections: dict[str, Any] = {
            "task": {"prediction_length": horizon, "context_length": 336},
            "model": "linear",
        }
        prepared = toolkit.prepare("recipes/forecasting/etth1_96.yaml", **sections)
        task = prepared.task
        start = task.build_model()
        task.initialise(start, prepared.train)
        with tempfile.TemporaryDirectory() as folder:
            run = toolkit.fit("recipes/forecasting/etth1_96.yaml", export="none",
                              run=Path(folder) / "run", **sections)  # fmt: skip
            test = task.examples(prepared.splits.test)
            answers = [
                np.asarray(task.answer(start, test.batch(rows, ()).inputs)["forecast"])
                for rows in np.array_split(np.arange(len(test)), 40)
            ]
            ridge = task.score({"forecast": np.concatenate(answers)}, test)
            scores = run.report["scores"]
            medians = {name: round(scores[name], 4) for name in ("mae", "mae_of_median")}
            coverage = {n: round(s["coverage_80"], 3) for n, s in run.report["by_series"].items()}
        report("quantiles", f"ETTh1 {horizon}", ours_wql=round(scores["wql"], 5),
               ridge_wql=round(ridge["wql"], 5), ours_coverage=round(scores["coverage_80"], 3),
               ridge_coverage=round(ridge["coverage_80"], 3), **medians,
               by_channel=coverage)  # fmt: skip


def main() -> None:
    parts = {"speed": speed, "memory": memory, "quantiles": quantiles}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*parts, []], default=[])
    for name in parser.parse_args().parts or list(parts):
        parts[name]()


if __name__ == "__main__":
    main()
