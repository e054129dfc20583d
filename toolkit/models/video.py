"""Builders of video classifiers: from clips of frames to ``(batch, clips, classes)`` logits.

Frames are ``(batch, clips, frames, height, width, 3)`` with values from 0 to 255. Clips are
several looks at one video; the answer is the mean over them. Each model reads them alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import keras
from keras import ops

from toolkit import layers
from toolkit.layers.arguments import Shape, Tensor

Reads = Literal["rgb", "differences", "both"]
Encoder = Callable[[Any], Any]
"""From ``(clips, frames, height, width, channels)`` to one vector a clip, ``(clips, dim)``."""

ATTENTION = "frame_attention"  # the layer that weighs frames, where a model has one


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
) -> keras.Model:
    """Build what reads the frames, the encoder and softmax logits.

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

    Returns:
        A model from ``{"frames": (batch, clips, num_frames, frame_size, frame_size, 3)}`` to
        ``(batch, clips, num_classes)`` logits.
    """
    shape = (num_frames, frame_size, frame_size, 3)
    frames = keras.Input((None, *shape), dtype="float32", name="frames")
    clips = ops.reshape(frames, (-1, *shape))
    if standardised:  # roughly, until the data has told how
        clips = keras.layers.Rescaling(1 / 64, offset=-2.0, name="rescale")(clips)
    if reads != "rgb":
        clips = layers.FrameDifferences(keep_frames=reads == "both", name="differences")(clips)
    if standardised:  # by the data: differences are far smaller than colours
        clips = keras.layers.BatchNormalization(
            momentum=0.95, center=False, scale=False, name="standardise"
        )(clips)
    vector = keras.layers.Dropout(dropout, seed=seed, name="vector_dropout")(encoder(clips))
    logits = keras.layers.Dense(num_classes, dtype="float32", name="logits")(vector)
    return keras.Model({"frames": frames}, Unfolded(name="by_clip")(logits, frames), name=name)


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


# -- vectors of frames ------------------------------------------------------------------------


def image_encoder(filters: Sequence[int], shift: float = 0.0) -> Encoder:
    """A small residual network over each frame: ``(clips, frames, dim)``.

    Each of the `filters` is a block that halves the frame. The vector is the mean over the last
    block's places beside their maximum: what moves is often small.

    Args:
        filters: of each block.
        shift: share of the channels that each block takes from the neighbouring frames; see
            :class:`toolkit.layers.TemporalShift`.
    """

    def encode(clips: Any) -> Any:
        num_frames = clips.shape[1]
        frames = ops.reshape(clips, (-1, *clips.shape[2:]))
        frames = _normalised(_convolution(frames, filters[0], 5, 2, "stem"), "stem")
        for number, width in enumerate(filters):
            if shift:
                frames = _shifted(frames, num_frames, shift, f"shift_{number}")
            frames = residual_block(frames, width, 1 if number == 0 else 2, f"block_{number}")
        mean = keras.layers.GlobalAveragePooling2D(name="mean")(frames)
        most = keras.layers.GlobalMaxPooling2D(name="maximum")(frames)
        vectors = ops.concatenate([mean, most], axis=-1)
        return ops.reshape(vectors, (-1, num_frames, vectors.shape[-1]))

    return encode


def residual_block(inputs: Any, filters: int, stride: int, name: str) -> Any:
    """Two 3 x 3 convolutions beside a skip (He et al., arXiv 1512.03385)."""
    x = _normalised(_convolution(inputs, filters, 3, stride, f"{name}_a"), f"{name}_a")
    x = _normalised(_convolution(x, filters, 3, 1, f"{name}_b"), f"{name}_b", activation=False)
    if stride > 1 or inputs.shape[-1] != filters:
        skip = keras.layers.AveragePooling2D(stride, padding="same", name=f"{name}_pool")(inputs)
        inputs = _convolution(skip, filters, 1, 1, f"{name}_skip")
    return keras.layers.ReLU(name=f"{name}_out")(keras.layers.Add(name=f"{name}_add")([x, inputs]))


def _convolution(x: Any, filters: int, size: int, stride: int, name: str) -> Any:
    layer = keras.layers.Conv2D(
        filters,
        size,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_convolution",
    )
    return layer(x)


def _normalised(x: Any, name: str, activation: bool = True) -> Any:
    x = keras.layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x) if activation else x


def _shifted(frames: Any, num_frames: int, share: float, name: str) -> Any:
    clips = ops.reshape(frames, (-1, num_frames, *frames.shape[1:]))
    clips = layers.TemporalShift(share, name=name)(clips)
    return ops.reshape(clips, (-1, *frames.shape[1:]))


# -- space and time at once -------------------------------------------------------------------


def volume_encoder(filters: Sequence[int], factorised: bool) -> Encoder:
    """Convolutions over space and time; each of the `filters` halves the frame.

    Args:
        filters: of each stage.
        factorised: one over space, then one over time, instead of both at once.

    References: Tran et al., "Learning Spatiotemporal Features with 3D Convolutional Networks",
    arXiv 1412.0767; (2+1)D: Tran et al., arXiv 1711.11248, section 3.5.
    """

    def encode(clips: Any) -> Any:
        x = _volume(clips, filters[0], (1, 5, 5), 2, "stem")
        for number, width in enumerate(filters):
            stride = 1 if number == 0 else 2
            if factorised:
                x = _volume(x, width, (1, 3, 3), stride, f"space_{number}")
                x = _volume(x, width, (3, 1, 1), 1, f"time_{number}")
            else:
                x = _volume(x, width, (3, 3, 3), stride, f"block_{number}")
        mean = keras.layers.GlobalAveragePooling3D(name="mean")(x)
        most = keras.layers.GlobalMaxPooling3D(name="maximum")(x)
        return keras.layers.Concatenate(name="pooled")([mean, most])

    return encode


def _volume(x: Any, filters: int, size: tuple[int, int, int], stride: int, name: str) -> Any:
    x = keras.layers.Conv3D(
        filters,
        size,
        strides=(1, stride, stride),
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_convolution",
    )(x)
    return _normalised(x, name)


def convolutional_lstm_encoder(filters: Sequence[int], units: int) -> Encoder:
    """Small maps of each frame, an LSTM whose products are convolutions, its last state pooled.

    Reference: Shi et al., "Convolutional LSTM Network", arXiv 1506.04214.
    """

    def encode(clips: Any) -> Any:
        frames = ops.reshape(clips, (-1, *clips.shape[2:]))
        frames = _normalised(_convolution(frames, filters[0], 5, 2, "stem"), "stem")
        for number, width in enumerate(filters):
            frames = residual_block(frames, width, 1 if number == 0 else 2, f"block_{number}")
        maps = ops.reshape(frames, (-1, clips.shape[1], *frames.shape[1:]))
        state = keras.layers.ConvLSTM2D(units, 3, padding="same", name="recurrence")(maps)
        mean = keras.layers.GlobalAveragePooling2D(name="mean")(state)
        most = keras.layers.GlobalMaxPooling2D(name="maximum")(state)
        return keras.layers.Concatenate(name="pooled")([mean, most])

    return encode


def tubelet_encoder(
    patch_size: int,
    patch_frames: int,
    dim: int,
    num_space_layers: int,
    num_time_layers: int,
    num_heads: int,
    dropout: float,
    seed: int,
) -> Encoder:
    """Tubelets as tokens, attention over space within a moment, then over the moments.

    Reference: Arnab et al., "ViViT: A Video Vision Transformer", arXiv 2103.15691, section 3.3,
    model 2 (factorised encoder).
    """

    def stack(name: str, num_layers: int, length: int, number: int) -> keras.layers.Layer:
        return layers.TransformerEncoder(
            num_layers,
            num_heads,
            intermediate_dim=2 * dim,
            positions="learned",
            max_length=length,
            dropout=dropout,
            seed=seed + number,
            name=name,
        )

    def encode(clips: Any) -> Any:
        size = (patch_frames, patch_size, patch_size)
        tokens = keras.layers.Conv3D(dim, size, strides=size, name="tubelets")(clips)
        moments, height, width = tokens.shape[1:4]
        places = ops.reshape(tokens, (-1, height * width, dim))
        places = stack("space", num_space_layers, height * width, 0)(places)
        vectors = layers.MaskedPooling("mean", name="places")(places)
        vectors = ops.reshape(vectors, (-1, moments, dim))
        return pool(stack("time", num_time_layers, moments, 1)(vectors), "mean_max")

    return encode
