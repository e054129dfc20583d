"""Recurrent layers against `keras.layers` and `torch.nn`: a training step, ours and theirs in turn.

    python -m benchmarks.layers [--cells lstm gru] [--steps 20 100 400] [--repeats 9]

Each line of output is one comparison: forward and backward through a layer of 256 units on a batch
of 64 sequences of 128 features, all outputs used, gradients by the weights and by the inputs.
"best" takes each side at its best of graph mode and XLA, "torch" is `torch.nn` against our best.
"""

import argparse
import importlib.util
import os
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.timing import compare, in_turn, report, result
from toolkit import layers

BATCH, FEATURES, UNITS = 64, 128, 256
OURS = {"lstm": layers.LSTM, "gru": layers.GRU, "rnn": layers.SimpleRNN}
KERAS = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU, "rnn": keras.layers.SimpleRNN}


def training_step(layer: Any, inputs: np.ndarray, jit_compile: bool) -> Callable[[], Any]:
    """Forward and backward of a Keras layer; waits for the result."""
    layer.build(inputs.shape)
    constant = tf.constant(inputs)
    weights = [weight.value for weight in layer.trainable_variables]

    @tf.function(jit_compile=jit_compile)
    def gradients() -> Any:
        with tf.GradientTape() as tape:
            tape.watch(constant)
            loss = tf.reduce_sum(tf.square(layer(constant)))
        return tape.gradient(loss, [constant, *weights])

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


def compare_cell(cell: str, steps: int, repeats: int) -> None:
    """All comparisons of one cell at one length."""
    inputs = np.random.default_rng(0).standard_normal((BATCH, steps, FEATURES)).astype("float32")
    runs = {
        (side, mode): training_step(
            kinds[cell](UNITS, return_sequences=True), inputs, mode == "xla"
        )
        for side, kinds in (("ours", OURS), ("keras", KERAS))
        for mode in ("graph", "xla")
    }
    medians = in_turn(runs, repeats)
    case = f"{cell}_{steps}"
    report(case, "graph", **result(medians["ours", "graph"], medians["keras", "graph"]))
    report(case, "xla", **result(medians["ours", "xla"], medians["keras", "xla"]))
    ours, theirs = (
        min(("graph", "xla"), key=lambda mode: medians[side, mode]) for side in ("ours", "keras")
    )
    report(case, "best", **result(medians["ours", ours], medians["keras", theirs]))
    if importlib.util.find_spec("torch"):  # apart: its threads would spin into Keras's time
        report(case, "torch", **compare(runs["ours", ours], torch_step(cell, inputs), repeats))


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
