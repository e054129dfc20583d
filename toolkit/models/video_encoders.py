"""Encoders of clips for :mod:`toolkit.models.video`: over each frame, or over space and time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from toolkit import layers
from toolkit.models import video

# -- vectors of frames ------------------------------------------------------------------------


def image_encoder(filters: Sequence[int], shift: float = 0.0) -> video.Encoder:
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
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x) if activation else x


def _shifted(frames: Any, num_frames: int, share: float, name: str) -> Any:
    clips = ops.reshape(frames, (-1, num_frames, *frames.shape[1:]))
    clips = layers.TemporalShift(share, name=name)(clips)
    return ops.reshape(clips, (-1, *frames.shape[1:]))


# -- space and time at once -------------------------------------------------------------------


def volume_encoder(filters: Sequence[int], factorised: bool) -> video.Encoder:
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


def convolutional_lstm_encoder(filters: Sequence[int], units: int) -> video.Encoder:
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
) -> video.Encoder:
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
            activation_dropout=dropout,
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
        return video.pool(stack("time", num_time_layers, moments, 1)(vectors), "mean_max")

    return encode
