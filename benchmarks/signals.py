"""Log-mel spectrogram: ours against `tf.signal`; one JSON line for graph mode and one for XLA.

PYTHONPATH=. python benchmarks/signals.py
"""

from functools import partial

import tensorflow as tf

from benchmarks.timing import compare, report
from toolkit.layers import LogMelSpectrogram

BATCH, SECONDS, RATE = 32, 4, 16000


def reference(waveform: tf.Tensor, filterbank: tf.Tensor) -> tf.Tensor:
    """The same spectrogram as TensorFlow's own documentation makes it."""
    power = tf.square(tf.abs(tf.signal.stft(waveform, 400, 160, 512)))
    return tf.math.log(tf.maximum(tf.matmul(power, filterbank), 1e-6))


def main() -> None:
    layer = LogMelSpectrogram(RATE, frame_length=400, frame_step=160)
    waveform = tf.random.stateless_normal((BATCH, SECONDS * RATE), seed=(1, 2))
    theirs = partial(reference, filterbank=tf.constant(layer.filterbank))
    for mode in ("graph", "xla"):
        functions = [tf.function(f, jit_compile=mode == "xla") for f in (layer, theirs)]
        ours, other = (partial(function, waveform) for function in functions)
        difference = float(tf.reduce_max(tf.abs(ours() - other())))
        figures = compare(ours, other, repeats=25)
        report("log_mel 32 x 4 s", mode, **figures, largest_difference=difference)


if __name__ == "__main__":
    main()
