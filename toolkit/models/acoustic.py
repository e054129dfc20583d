"""Builders of acoustic models: log-mel frames to a label, or to tokens at each step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol

import keras
from keras import ops

from toolkit import layers
from toolkit.layers.mfcc import dct_matrix

Encoder = Callable[[Any, Any], Any]  # (steps, mask) to encoded steps
Normalize = Literal["clip", "bins"]
LOWEST = -3.0  # deviations below the mean
STRIDES = {1: (1, 1), 2: (2, 1), 4: (2, 2)}  # of the convolutions, by subsampling


def classifier(
    encoder: Encoder,
    front: AnyFront,
    num_classes: int,
    dropout: float,
    seed: int,
    name: str,
) -> keras.Model:
    """Build a model from frames to ``(batch, 1, classes)`` logits.

    The steps are pooled by learnt weights, beside their maximum.

    Args:
        encoder: from ``(batch, steps, dim)`` and their mask to encoded steps.
        front: what comes before it.
        num_classes: logits of a clip.
        dropout: of the pooled vector.
        seed: of the dropout.
        name: of the model.

    Returns:
        A model of ``{"features": (batch, frames, bins), "num_frames": (batch,)}``.
    """
    inputs, steps, num_steps = front.build()
    mask = step_mask(steps, num_steps)
    encoded = encoder(steps, mask)
    pooled = [
        layers.AttentionPooling(name="attention_pooling")(encoded, mask=mask),
        layers.MaskedPooling("max", name="max_pooling")(encoded, mask=mask),
    ]
    vector = keras.layers.Concatenate(name="vector")(pooled)
    vector = keras.layers.Dropout(dropout, seed=seed, name="vector_dropout")(vector)
    logits = keras.layers.Dense(num_classes, dtype="float32", name="logits")(vector)
    return keras.Model(inputs, ops.expand_dims(logits, 1), name=name)


def recognizer(
    encoder: Encoder,
    front: AnyFront,
    num_tokens: int,
    dropout: float,
    seed: int,
    name: str,
    encoded_too: bool = False,
) -> keras.Model:
    """Build a model from frames to logits at each step, for CTC.

    Args:
        encoder: as in :func:`classifier`, and so are the others.
        front: what comes before it.
        num_tokens: logits of a step, the blank (0) included.
        dropout: of the encoded steps.
        seed: of the dropout.
        name: of the model.
        encoded_too: also give the steps that the logits are made of, for a decoder.

    Returns:
        A model of ``features`` and ``num_frames`` to ``{"logits": (batch, steps, tokens),
        "num_steps": (batch,)}``, and ``encoded`` ``(batch, steps, dim)`` if asked.
    """
    inputs, steps, num_steps = front.build()
    encoded = encoder(steps, step_mask(steps, num_steps))
    encoded = keras.layers.Dropout(dropout, seed=seed, name="encoded_dropout")(encoded)
    logits = keras.layers.Dense(num_tokens, dtype="float32", name="logits")(encoded)
    outputs = {"logits": logits, "num_steps": num_steps}
    return keras.Model(inputs, outputs | ({"encoded": encoded} if encoded_too else {}), name=name)


class AnyFront(Protocol):
    """What comes before an encoder."""

    def build(self) -> tuple[dict[str, Any], Any, Any]:
        """Return the model's inputs, the steps ``(batch, steps, dim)`` and how many are real."""


class Front:
    """Normalisation and subsampling of the frames before an encoder.

    Args:
        num_mel_bins: bands of a frame.
        num_coefficients: of the cosine transform; None: the bands themselves.
        normalize: over a clip, all bands together or each on its own.
        filters: of two 3 x 3 convolutions over time and frequency; 0: none.
        subsampling: frames per step: 1, 2 or 4.
        width: of a step after the convolutions.
        statistics: ``(2, num_mel_bins)`` mean and deviation of each band, to normalise by instead
            of the clip's own; the convolutions then look back only, so that sound can be
            recognised while it comes in.
    """

    def __init__(
        self,
        num_mel_bins: int,
        num_coefficients: int | None,
        normalize: Normalize,
        filters: int,
        subsampling: int,
        width: int,
        statistics: Any = None,
    ) -> None:
        self.num_mel_bins = num_mel_bins
        self.num_coefficients = num_coefficients
        self.normalize = normalize
        self.filters = filters
        self.subsampling = subsampling
        self.width = width
        self.statistics = statistics

    def build(self) -> tuple[dict[str, Any], Any, Any]:
        """Return the model's inputs, the steps ``(batch, steps, dim)`` and how many are real."""
        inputs = {
            "features": keras.Input((None, self.num_mel_bins), dtype="float32", name="features"),
            "num_frames": keras.Input((), dtype="int32", name="num_frames"),
        }
        num_frames = inputs["num_frames"]
        frames = inputs["features"]
        mask = step_mask(frames, num_frames)
        if self.num_coefficients is not None:
            frames = ops.matmul(frames, dct_matrix(self.num_mel_bins, self.num_coefficients))
        if self.statistics is None:
            frames = normalized(frames, mask, self.normalize)
        else:
            frames = steadily_normalized(frames, self.statistics) * zero_after(frames, num_frames)
        if self.filters:
            return inputs, *self._convolved(frames, num_frames)
        return inputs, *self._stacked(frames, num_frames)

    def _convolved(self, frames: Any, num_frames: Any) -> tuple[Any, Any]:
        image = ops.expand_dims(frames, -1)
        before = 1 if self.statistics is None else 2
        for number, stride in enumerate(STRIDES[self.subsampling], start=1):
            name = f"convolution_{number}"
            image = convolution(image, num_frames, self.filters, stride, name, before)
            num_frames = (num_frames + stride - 1) // stride
        bands, filters = image.shape[2:]
        steps = keras.layers.Reshape((-1, bands * filters), name="steps")(image)
        steps = keras.layers.Dense(self.width, name="projection")(steps)
        return layers.LayerNormalization(name="projection_norm")(steps), num_frames

    def _stacked(self, frames: Any, num_frames: Any) -> tuple[Any, Any]:
        """Neighbouring frames side by side, projected."""
        count = self.subsampling
        frames = ops.pad(frames * zero_after(frames, num_frames), [[0, 0], [0, count - 1], [0, 0]])
        steps = keras.layers.Conv1D(self.width, count, strides=count, name="steps")(frames)
        return steps, (num_frames + count - 1) // count


def convolution(
    image: Any, num_frames: Any, filters: int, stride: int, name: str, before: int
) -> Any:
    """A 3 x 3 convolution of ``(batch, frames, bands, filters)`` that halves the bands.

    What lies after the real frames counts as zero, so that the frames of a clip do not depend on
    what it is padded to. Of the two other frames that a frame is seen with, ``before`` are earlier.
    """
    image = image * ops.expand_dims(zero_after(image[..., 0], num_frames), -1)
    image = ops.pad(image, [[0, 0], [before, 2 - before], [1, 1], [0, 0]])
    convolved = keras.layers.Conv2D(filters, 3, strides=(stride, 2), name=name)(image)
    return keras.layers.Activation("relu", name=f"{name}_relu")(convolved)


def normalized(frames: Any, mask: Any, how: Normalize) -> Any:
    """Real frames with mean 0 and deviation 1 over the clip: of all bands, or of each."""
    axes = (1, 2) if how == "clip" else (1,)
    weight = ops.cast(ops.expand_dims(mask, -1), "float32")
    bands = frames.shape[-1] if how == "clip" else 1
    count = ops.maximum(ops.sum(weight, axis=1, keepdims=True) * bands, 1.0)
    mean = ops.sum(frames * weight, axis=axes, keepdims=True) / count
    centred = (frames - mean) * weight
    variance = ops.sum(ops.square(centred), axis=axes, keepdims=True) / count
    return centred / ops.sqrt(variance + 1e-2)


def steadily_normalized(frames: Any, statistics: Any) -> Any:
    """Frames by the mean and deviation of each band, ``(2, bands)``; silence is not endless."""
    return ops.maximum((frames - statistics[0]) / statistics[1], LOWEST)


def step_mask(steps: Any, num_steps: Any) -> Any:
    """``(batch, steps)``, True on real steps."""
    counted = ops.cumsum(ops.ones_like(steps[:, :, 0], dtype="int32"), axis=1)
    return counted <= ops.expand_dims(num_steps, 1)


def zero_after(steps: Any, num_steps: Any) -> Any:
    """``(batch, steps, 1)``: 1 on real steps, 0 after them."""
    return ops.expand_dims(ops.cast(step_mask(steps, num_steps), "float32"), -1)


def recurrent_encoder(
    cell: str, units: int, num_layers: int, bidirectional: bool, dropout: float, seed: int
) -> Encoder:
    """Recurrent layers."""

    def encode(steps: Any, mask: Any) -> Any:
        stack = layers.RecurrentStack(
            num_layers,
            units,
            cell=cell,
            bidirectional=bidirectional,
            dropout=dropout,
            return_sequences=True,
            seed=seed,
            name="recurrence",
        )
        return stack(steps, mask=mask)

    return encode


def convolutional_encoder(
    filters: int, num_layers: int, kernel_size: int, dropout: float, seed: int
) -> Encoder:
    """Depthwise-separable convolutions, every second one dilated."""

    def encode(steps: Any, mask: Any) -> Any:
        for number in range(num_layers):
            block = layers.ConvolutionBlock(
                filters,
                kernel_size,
                dilation_rate=1 + number % 2,
                dropout=dropout,
                seed=seed + number,
                name=f"block_{number}",
            )
            steps = block(steps, mask=mask)
        return layers.LayerNormalization(name="encoded")(steps)

    return encode


def conformer_encoder(
    num_layers: int, num_heads: int, kernel_size: int, dropout: float, seed: int
) -> Encoder:
    """Conformer blocks."""

    def encode(steps: Any, mask: Any) -> Any:
        for number in range(num_layers):
            block = layers.ConformerBlock(
                num_heads,
                kernel_size=kernel_size,
                dropout=dropout,
                seed=seed + 10 * number,
                name=f"block_{number}",
            )
            steps = block(steps, mask=mask)
        return steps

    return encode


def transformer_encoder(num_layers: int, num_heads: int, dropout: float, seed: int) -> Encoder:
    """A pre-norm Transformer encoder with rotary positions."""

    def encode(steps: Any, mask: Any) -> Any:
        encoder = layers.TransformerEncoder(
            num_layers,
            num_heads,
            intermediate_dim=4 * steps.shape[-1],
            positions="rotary",
            dropout=dropout,
            activation_dropout=dropout,
            seed=seed,
            name="encoder",
        )
        return encoder(steps, padding_mask=mask)

    return encode
