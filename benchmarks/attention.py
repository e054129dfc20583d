"""Attention and the decoder stack against what Keras offers, on whatever the machine is.

    python benchmarks/attention.py [self] [blocked] [decoder] [local]

Prints JSON lines; times are milliseconds of forward and backward pass, memory is MiB beyond what
the process held before the first step.
"""

import json
import os
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import keras
import tensorflow as tf

from benchmarks import timing
from toolkit import layers
from toolkit.layers.tensorflow_blocked_attention import blocked_attention

HEADS, SIZE = 4, 64
WORDS, DIM, ROWS, STEPS = 8000, 256, 64, 32


def differentiated(
    function: Callable[..., Any], weights: list[Any], inputs: list[Any], xla: bool
) -> Callable[[], Any]:
    """Forward and backward pass, by the weights and by the inputs, as one graph."""

    @tf.function(jit_compile=xla)
    def step(*values: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(values)
            output = function(*values)
            loss = tf.reduce_sum(output * output)
        return tape.gradient(loss, [*weights, *values])

    return lambda: step(*inputs)[-1].numpy()


def modes(make: Callable[[bool], Callable[[], Any]], name: str) -> dict[str, Callable[[], Any]]:
    """The step as a graph and under XLA."""
    return {f"{name} graph": make(False), f"{name} xla": make(True)}


def both_modes(case: str, ours: Any, reference: Any, repeats: int) -> None:
    """One line per mode, and one of the best against the best."""
    medians = timing.in_turn({**modes(ours, "ours"), **modes(reference, "reference")}, repeats)
    for mode in ("graph", "xla"):
        pair = medians[f"ours {mode}"], medians[f"reference {mode}"]
        timing.report(case, mode, **timing.result(*pair))
    best = (min(medians[f"{who} {m}"] for m in ("graph", "xla")) for who in ("ours", "reference"))
    timing.report(case, "best", **timing.result(*best))


def self_attention() -> None:
    for batch, length in ((64, 32), (8, 512)):
        x = tf.random.normal((batch, length, DIM))
        ours = layers.MultiHeadAttention(HEADS)
        reference = keras.layers.MultiHeadAttention(HEADS, SIZE)
        ours(x), reference(x, x)

        def step(layer: Any, call: Any, x: Any = x) -> Any:
            return lambda xla: differentiated(call, layer.trainable_variables, [x], xla)

        both_modes(
            f"self-attention {batch}x{length}x{DIM}",
            step(ours, ours),
            step(reference, lambda x, layer=reference: layer(x, x)),
            repeats=15,
        )


def heads(length: int) -> list[Any]:
    return [tf.random.normal((1, HEADS, length, SIZE), stddev=0.3) for _ in range(3)]


def plain(query: Any, key: Any, value: Any) -> Any:
    return tf.matmul(tf.nn.softmax(tf.matmul(query, key, transpose_b=True)), value)


def blocks(query: Any, key: Any, value: Any) -> Any:
    return blocked_attention(query, key, value, None, False, 512, 512)


def local(length: int) -> Callable[[], Any]:
    layer = layers.LocalAttention(HEADS, window=256)
    x = tf.random.normal((1, length, HEADS * SIZE))
    layer(x[:, :512])
    return differentiated(layer, layer.trainable_variables, [x], xla=False)


def memory(kind: str, length: int) -> float:
    """Peak memory of one step, measured in a process of its own."""
    return float(timing.in_process(__file__, "--memory", kind, str(length))["mib"])


def print_memory(kind: str, length: int) -> None:
    if kind == "local":
        step = local(length)
    else:
        function = plain if kind.startswith("plain") else blocks
        step = differentiated(function, [], heads(length), kind.endswith("xla"))
    before = timing.peak_memory()
    step()
    print(json.dumps({"mib": timing.peak_memory() - before}))


def blocked() -> None:
    inputs = heads(8192)
    runs = {
        name: differentiated(function, [], inputs, xla=False)
        for name, function in (("ours", blocks), ("reference", plain))
    }
    medians = timing.in_turn(runs, repeats=3, warm_up=1)
    timing.report("blocked attention 8192", "graph", **timing.result(*medians.values()))
    for mode in ("graph", "xla"):
        ours, reference = memory(f"blocked {mode}", 8192), memory(f"plain {mode}", 8192)
        timing.report(
            "blocked attention 8192 memory",
            mode,
            ours_mib=round(ours),
            reference_mib=round(reference),
            ratio=round(reference / ours, 1),
        )


def local_growth() -> None:
    lengths = (4096, 8192, 16384, 32768)
    times = timing.in_turn({str(n): local(n) for n in lengths}, repeats=7)
    sizes = {str(n): memory("local", n) for n in lengths}
    for short, long in pairwise(lengths):
        timing.report(
            f"local attention {short} to {long}",
            "graph",
            time_ratio=round(times[str(long)] / times[str(short)], 2),
            memory_ratio=round(sizes[str(long)] / sizes[str(short)], 2),
            ours_ms=round(times[str(long)], 1),
            ours_mib=round(sizes[str(long)]),
        )


class OurDecoder(keras.Model):
    """Embedding, three decoder layers and the tied softmax, from this toolkit."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = layers.TokenEmbedding(WORDS, DIM, scale=True)
        self.decode = layers.TransformerDecoder(
            3, HEADS, 4 * DIM, positions="sinusoidal", norm="post"
        )

    def call(self, tokens: Any) -> Any:
        """Logits (rows, steps, words)."""
        return self.embed.logits(self.decode(self.embed(tokens)))

    def loss_of(self, tokens: Any) -> Any:
        """Mean cross-entropy, without holding the logits."""
        hidden = self.decode(self.embed(tokens))
        weights = tf.fill(tokens.shape, 1 / (ROWS * STEPS))
        return layers.tied_cross_entropy(hidden, self.embed.table, tokens, weights)


class KerasDecoder(keras.Model):
    """The same function from Keras's layers."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = keras.layers.ReversibleEmbedding(WORDS, DIM)
        self.attention = [keras.layers.MultiHeadAttention(HEADS, SIZE) for _ in range(3)]
        self.wide = [keras.layers.Dense(4 * DIM, activation="relu") for _ in range(3)]
        self.narrow = [keras.layers.Dense(DIM) for _ in range(3)]
        self.norms = [keras.layers.LayerNormalization(epsilon=1e-6) for _ in range(6)]
        self.positions = layers.SinusoidalPositions()

    def call(self, tokens: Any) -> Any:
        """Logits (rows, steps, words)."""
        x = self.positions(self.embed(tokens) * DIM**0.5)
        for number in range(3):
            first, second = self.norms[2 * number : 2 * number + 2]
            x = first(x + self.attention[number](x, x, use_causal_mask=True))
            x = second(x + self.narrow[number](self.wide[number](x)))
        return self.embed(x, reverse=True)

    def loss_of(self, tokens: Any) -> Any:
        """Mean cross-entropy."""
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tokens, self(tokens))
        return tf.reduce_mean(losses)


def training_step(model: Any, xla: bool) -> Callable[[], Any]:
    """Loss, gradients and Adam's update of a batch."""
    tokens = tf.random.uniform((ROWS, STEPS), 0, WORDS, tf.int32)
    model(tokens)
    optimizer = keras.optimizers.Adam(1e-4)
    optimizer.build(model.trainable_variables)

    @tf.function(jit_compile=xla)
    def step() -> Any:
        with tf.GradientTape() as tape:
            loss = model.loss_of(tokens)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    return lambda: step().numpy()


def floor() -> float:
    """Milliseconds of the step's matrix products alone, forward and backward."""
    tokens = ROWS * STEPS
    pairs = [(DIM, 3 * DIM), (DIM, DIM), (DIM, 4 * DIM), (4 * DIM, DIM)] * 3 + [(DIM, WORDS)]
    products = []
    for fan_in, fan_out in pairs:
        x, w = tf.random.normal((tokens, fan_in)), tf.random.normal((fan_in, fan_out))
        products.append((x, w, tf.random.normal((tokens, fan_out))))

    @tf.function
    def run() -> Any:
        out = []
        for x, w, g in products:
            out += [x @ w, tf.matmul(g, w, transpose_b=True), tf.matmul(x, g, transpose_a=True)]
        return out

    return timing.in_turn({"floor": lambda: run()[-1].numpy()}, repeats=9)["floor"]


def decoder() -> None:
    both_modes(
        "decoder stack, training step",
        lambda xla: training_step(OurDecoder(), xla),
        lambda xla: training_step(KerasDecoder(), xla),
        repeats=9,
    )
    timing.report("decoder stack, matrix products alone", "graph", ours_ms=round(floor(), 2))


CASES = {
    "self": self_attention,
    "blocked": blocked,
    "decoder": decoder,
    "local": local_growth,
}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--memory"]:
        print_memory(sys.argv[2], int(sys.argv[3]))
    else:
        for name in sys.argv[1:] or CASES:
            CASES[name]()
