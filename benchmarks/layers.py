"""Recurrent layers against `keras.layers` and `torch.nn`: a training step, ours and theirs in turn.

    python -m benchmarks.layers [--cells lstm gru] [--steps 20 100 400] [--repeats 9]

Each line of output is one comparison: forward and backward through a layer of 256 units on a batch
of 64 sequences of 128 features, all outputs used, gradients by the weights and by the inputs.
"halves" computes two halves of the batch side by side, as `toolkit fit` does on a CPU, against
Keras at its best of graph mode and XLA; "best" takes ours at its best too, "torch" is `torch.nn`
against that. Each side runs in a process of its own, with the threads it chooses.
"""

import argparse
import importlib.util
import os
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.timing import Apart, in_turn, report, result
from toolkit import layers
from toolkit.training.distribution import distribute

BATCH, FEATURES, UNITS = 64, 128, 256
OURS = {"lstm": layers.LSTM, "gru": layers.GRU, "rnn": layers.SimpleRNN}
KERAS = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU, "rnn": keras.layers.SimpleRNN}


def gradients_of(layer: Any, inputs: tf.Tensor) -> Any:
    """By the inputs, then by the weights."""
    weights = [weight.value for weight in layer.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        loss = tf.reduce_sum(tf.square(layer(inputs)))
    return tape.gradient(loss, [inputs, *weights])


def training_step(layer: Any, inputs: np.ndarray, jit_compile: bool) -> Callable[[], Any]:
    """Forward and backward of a Keras layer; waits for the result."""
    layer.build(inputs.shape)
    constant = tf.constant(inputs)

    @tf.function(jit_compile=jit_compile)
    def gradients() -> Any:
        return gradients_of(layer, constant)

    return lambda: gradients()[0].numpy()[0, 0, 0]


def torch_step(cell: str, inputs: np.ndarray) -> Callable[[], Any]:
    """The same with torch."""
    import torch

    kinds = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}
    layer = kinds[cell](FEATURES, UNITS, batch_first=True)
    constant = torch.tensor(inputs, requires_grad=True)

    def step() -> Any:
        layer.zero_grad()
        constant.grad = None
        outputs, _ = layer(constant)
        torch.square(outputs).sum().backward()
        return constant.grad[0, 0, 0].item()

    return step


def halved_step(layer: Any, inputs: np.ndarray) -> Callable[[], Any]:
    """The same in halves of the batch side by side, as the toolkit trains on a CPU."""
    layer.build(inputs.shape)
    halves = [tf.constant(half) for half in np.split(inputs, 2)]

    @tf.function
    def gradients() -> Any:
        (one, *ones), (two, *twos) = (gradients_of(layer, half) for half in halves)
        return [tf.concat([one, two], 0), *map(tf.add, ones, twos)]

    return lambda: gradients()[0].numpy()[0, 0, 0]


def make_step(side: str, mode: str, cell: str, steps: int) -> Callable[[], Any]:
    """What one side runs, made in its own process."""
    inputs = np.random.default_rng(0).standard_normal((BATCH, steps, FEATURES)).astype("float32")
    if side == "torch":
        return torch_step(cell, inputs)
    if mode == "halves":
        distribute("cpu")  # gives each half its part of the cores
    layer = (OURS if side == "ours" else KERAS)[cell](UNITS, return_sequences=True)
    if mode == "halves":
        return halved_step(layer, inputs)
    return training_step(layer, inputs, mode == "xla")


def compare_cell(cell: str, steps: int, repeats: int) -> None:
    """All comparisons of one cell at one length."""
    cases = [("ours", "halves"), *product(("ours", "keras"), ("graph", "xla"))]
    if importlib.util.find_spec("torch"):
        cases.append(("torch", "graph"))
    runs = {case: Apart(make_step, *case, cell, steps) for case in cases}
    medians = in_turn(runs, repeats)
    for run in runs.values():
        run.close()
    name = f"{cell}_{steps}"
    report(name, "graph", **result(medians["ours", "graph"], medians["keras", "graph"]))
    report(name, "xla", **result(medians["ours", "xla"], medians["keras", "xla"]))
    ours, theirs = (
        min(time for (side, _), time in medians.items() if side == wanted)
        for wanted in ("ours", "keras")
    )
    report(name, "halves", **result(medians["ours", "halves"], theirs))
    report(name, "best", **result(ours, theirs))
    if ("torch", "graph") in medians:
        report(name, "torch", **result(ours, medians["torch", "graph"]))


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the comparisons asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--cells", nargs="+", default=["lstm", "gru"], choices=list(OURS))
    parser.add_argument("--steps", nargs="+", type=int, default=[20, 100, 400])
    parser.add_argument("--repeats", type=int, default=9)
    asked = parser.parse_args(arguments)
    os.environ["OMP_WAIT_POLICY"] = "passive"  # or torch's threads spin on into the others' time
    for cell in asked.cells:
        for steps in asked.steps:
            compare_cell(cell, steps, asked.repeats)


if __name__ == "__main__":
    main()
