"""Builders of video classifiers: from clips of frames to ``(batch, clips, classes)`` logits.

Frames are ``(batch, clips, frames, height, width, 3)`` with values from 0 to 255. Clips are
several looks at one video; the answer is the mean over them. Each model reads them alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import keras
from keras import ops

from toolkit import layers
from toolkit.layers.arguments import Shape, Tensor

Reads = Literal["rgb", "differences", "both"]
Encoder = Callable[[Any], Any]
"""From ``(clips, frames, height, width, channels)`` to one vector a clip, ``(clips, dim)``."""

ATTENTION = "frame_attention"  # the layer that weighs frames, where a model has one
MOTION, MOTION_LOGITS = "motion", "motion_logits"  # those of the regression, likewise


@keras.saving.register_keras_serializable(package="toolkit")
class Unfolded(keras.layers.Layer):
    """``(batch * clips, ...)`` as ``(batch, clips, ...)``, as in a second input."""

    def call(self, answers: Tensor, clips: Tensor) -> Tensor:
        """The answers of each row's clips side by side."""
        return ops.reshape(answers, (-1, ops.shape(clips)[1], *answers.shape[1:]))

    def compute_output_shape(self, answers_shape: Shape, clips_shape: Shape) -> Shape:
        """``(batch, clips, ...)``."""
        return (*clips_shape[:2], *answers_shape[1:])


def classifier(
    encoder: Encoder,
    num_classes: int,
    num_frames: int,
    frame_size: int,
    reads: Reads,
    dropout: float,
    seed: int,
    name: str,
    standardised: bool = True,
    motion: bool = False,
) -> keras.Model:
    """Build what reads the frames, the encoder and softmax logits.

    With `motion` the encoder adds to the logits of a logistic regression on
    :class:`toolkit.layers.MotionStatistics`, which few videos suffice for. That is not trained but
    to be set to its optimum.

    Args:
        encoder: from the channels of a clip to one vector.
        num_classes: logits of a video.
        num_frames: of a clip.
        frame_size: height and width.
        reads: the colours, what changes from frame to frame, or both (then six channels).
        dropout: of the encoder's vector.
        seed: of the dropout.
        name: of the model.
        standardised: give the encoder channels of mean 0 and variance 1, not 0 to 255.
        motion: begin with the regression.

    Returns:
        A model from ``{"frames": (batch, clips, num_frames, frame_size, frame_size, 3)}`` to
        ``(batch, clips, num_classes)`` logits.
    """
    shape = (num_frames, frame_size, frame_size, 3)
    frames = keras.Input((None, *shape), dtype="float32", name="frames")
    pixels = clips = ops.reshape(frames, (-1, *shape))
    if standardised:  # roughly, until the data has told how
        clips = keras.layers.Rescaling(1 / 64, offset=-2.0, name="rescale")(clips)
    if reads != "rgb":
        clips = layers.FrameDifferences(keep_frames=reads == "both", name="differences")(clips)
    if standardised:  # by the data: differences are far smaller than colours
        clips = layers.BatchNormalization(
            momentum=0.95, center=False, scale=False, name="standardise"
        )(clips)
    vector = keras.layers.Dropout(dropout, seed=seed, name="vector_dropout")(encoder(clips))
    logits = keras.layers.Dense(num_classes, dtype="float32", name="logits")(vector)
    if motion:
        logits = keras.layers.Add(dtype="float32", name="sum")(
            [motion_logits(pixels, num_classes), logits]
        )
    return keras.Model({"frames": frames}, Unfolded(name="by_clip")(logits, frames), name=name)


def motion_logits(clips: Any, num_classes: int) -> Any:
    """Logits of a logistic regression on statistics of motion, ``(clips, num_classes)``."""
    statistics = layers.MotionStatistics(dtype="float32", name=MOTION)(clips)
    return keras.layers.Dense(
        num_classes,
        kernel_initializer="zeros",
        trainable=False,
        dtype="float32",
        name=MOTION_LOGITS,
    )(statistics)


def with_attention(model: keras.Model) -> keras.Model | None:
    """The same model with a second output, the weight of each frame; None where it has none.

    Returns:
        A model that gives ``logits`` and ``weights``, ``(batch, clips, frames)``.
    """
    layer = next((each for each in model.layers if each.name == ATTENTION), None)
    if layer is None:
        return None
    weights = Unfolded(name="weights_by_clip")(layer.output[1], model.input["frames"])
    return keras.Model(model.input, {"logits": model.output, "weights": weights})


# -- time over the vectors of frames ----------------------------------------------------------


def recurrent_encoder(
    image: Encoder,
    cell: str,
    units: int,
    num_layers: int,
    bidirectional: bool,
    pooling: str,
    dropout: float,
    seed: int,
) -> Encoder:
    """A vector for each frame, recurrent layers over them, their states pooled.

    Reference: Donahue et al., "Long-term Recurrent Convolutional Networks", arXiv 1411.4389; with
    attention over the states.
    """

    def encode(clips: Any) -> Any:
        stack = layers.RecurrentStack(
            num_layers,
            units,
            cell=cell,
            bidirectional=bidirectional,
            dropout=dropout,
            seed=seed,
            return_sequences=True,
            name="recurrence",
        )
        return pool(stack(image(clips)), pooling)

    return encode


def transformer_encoder(
    image: Encoder, num_layers: int, num_heads: int, pooling: str, dropout: float, seed: int
) -> Encoder:
    """A vector for each frame, a pre-norm Transformer over them, its states pooled."""

    def encode(clips: Any) -> Any:
        vectors = image(clips)
        stack = layers.TransformerEncoder(
            num_layers,
            num_heads,
            intermediate_dim=2 * vectors.shape[-1],
            positions="learned",
            max_length=vectors.shape[1],
            dropout=dropout,
            activation_dropout=dropout,
            seed=seed,
            name="transformer",
        )
        return pool(stack(vectors), pooling)

    return encode


def mean_encoder(image: Encoder, pooling: str) -> Encoder:
    """A vector for each frame, pooled: time is up to the vectors."""
    return lambda clips: pool(image(clips), pooling)


def pool(states: Any, pooling: str) -> Any:
    """One vector for ``(clips, frames, dim)``: by attention, or the mean beside the maximum."""
    if pooling == "attention":
        pooled, _ = layers.AttentionPooling(name=ATTENTION)(states, return_attention_scores=True)
        return pooled
    return layers.MaskedPooling("mean_max", name="pooling")(states)
