"""Pretrained image networks as encoders of frames."""

from __future__ import annotations

import inspect
import sys
from typing import Any

import keras
from keras import ops

from toolkit.errors import RecipeError
from toolkit.models.video import Encoder


def pretrained_encoder(name: str, weights: str | None, trainable: bool) -> Encoder:
    """A pretrained network over each frame: ``(clips, frames, dim)``.

    Args:
        name: a network of ``keras.applications``, such as ``MobileNetV2``, or a keras-nlp image
            preset, by name or directory.
        weights: file of the ``keras.applications`` network's weights; random ones without.
        trainable: False leaves it as it is, its running statistics too.

    Raises:
        RecipeError: no such network or preset, or weights that do not fit it.
    """

    def encode(clips: Any) -> Any:
        frames = ops.reshape(clips, (-1, *clips.shape[2:]))
        make = getattr(keras.applications, name, None)
        if inspect.isfunction(make):
            network, frames = _application(make, name, weights, frames)
        else:
            network, frames = _preset(name, frames)
        network.trainable = trainable
        vectors = network(frames) if trainable else network(frames, training=False)
        if len(vectors.shape) == 4:
            vectors = keras.layers.GlobalAveragePooling2D(name="mean")(vectors)
        return ops.reshape(vectors, (-1, clips.shape[1], vectors.shape[-1]))

    return encode


def _application(make: Any, name: str, weights: str | None, frames: Any) -> tuple[Any, Any]:
    """The network without its head, and the frames as it wants them."""
    try:
        network = make(
            include_top=False, weights=None, input_shape=tuple(frames.shape[1:]), pooling="avg"
        )
        if weights is not None:
            network.load_weights(weights)
    except (OSError, ValueError) as error:
        raise RecipeError(
            f"model.backbone: {name} cannot be made for frames of {frames.shape[1]} x "
            f"{frames.shape[2]} with the weights {weights!r}. Expected a file of its weights "
            f"without the top. Received: {str(error).strip().splitlines()[0]}"
        ) from error
    prepared = sys.modules[make.__module__].preprocess_input(frames)
    return network, prepared


def _preset(name: str, frames: Any) -> tuple[Any, Any]:
    import keras_nlp

    try:
        network = keras_nlp.models.Backbone.from_preset(name)
        scaled = _scaled(keras_nlp.layers.ImageConverter.from_preset(name), frames)
    except Exception as error:  # the library raises many kinds, each with its own advice
        raise RecipeError(
            f"model.backbone: no such network. Expected a name of keras.applications, or the name "
            f"or directory of a keras-nlp image preset. Received: {name!r} ({error})."
        ) from error
    return network, scaled


def _scaled(converter: Any, frames: Any) -> Any:
    """Frames as a preset's converter scales them; their size stays."""
    if converter.scale is not None:
        frames = frames * ops.convert_to_tensor(converter.scale, "float32")
    if converter.offset is not None:
        frames = frames + ops.convert_to_tensor(converter.offset, "float32")
    return frames
