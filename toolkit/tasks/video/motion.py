"""Logistic regression on statistics of motion, solved to its optimum."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from toolkit.data.examples import Examples
from toolkit.models.video import MOTION, MOTION_LOGITS

STRENGTH = 0.3  # inverse of the regularisation: some dozens of numbers from few videos
MAX_ITERATIONS = 1000
UNSEEN = -10.0  # logit of a label that no training video has
BATCH = 16  # videos

Tick = Callable[[str, int, int], None]


def set_motion_logits(model: keras.Model, examples: Examples, tick: Tick) -> None:
    """Set the layer of the regression on statistics of motion, if the model has one.

    Each video counts as much as its weight says, however many clips are taken of it. With videos
    of one label only, the layer stays as it is.

    Args:
        model: of :mod:`toolkit.models.video`.
        examples: to learn from.
        tick: told ``(what, done, total)``.
    """
    layers = {layer.name: layer for layer in model.layers}
    label = np.asarray(examples.target("label"))
    if MOTION_LOGITS not in layers or len(np.unique(label)) < 2:
        return
    statistics = _statistics(keras.Model(model.input, layers[MOTION].output), examples, tick)
    clips = len(statistics) // len(label)
    mean, deviation = statistics.mean(0), np.maximum(statistics.std(0), 1e-6)
    solved = LogisticRegression(C=STRENGTH, max_iter=MAX_ITERATIONS).fit(
        (statistics - mean) / deviation,
        np.repeat(label, clips),
        np.repeat(examples.weights / clips, clips),
    )
    kernel, bias = solved.coef_.T / deviation[:, None], solved.intercept_
    bias = bias - mean @ kernel
    if kernel.shape[1] == 1:  # of two labels scikit-learn fits the difference
        kernel, bias = np.hstack([-kernel, kernel]) / 2, np.array([-bias[0], bias[0]]) / 2
    layer = layers[MOTION_LOGITS]
    whole_kernel, whole_bias = np.zeros(layer.kernel.shape), np.full(layer.bias.shape, UNSEEN)
    whole_kernel[:, solved.classes_], whole_bias[solved.classes_] = kernel, bias
    layer.kernel.assign(whole_kernel)
    layer.bias.assign(whole_bias)


def _statistics(model: keras.Model, examples: Examples, tick: Tick) -> NDArray[np.float64]:
    """Statistics of all clips, ``(videos * clips, statistics)``."""
    compute = tf.function(
        lambda frames: model({"frames": frames}), reduce_retracing=True, autograph=False
    )
    parts = []
    for start in range(0, len(examples), BATCH):
        rows = np.arange(start, min(start + BATCH, len(examples)))
        parts.append(np.asarray(compute(tf.constant(examples.batch(rows, ()).inputs["frames"]))))
        tick("videos whose motion is measured", int(rows[-1]) + 1, len(examples))
    return np.concatenate(parts).astype(np.float64)
