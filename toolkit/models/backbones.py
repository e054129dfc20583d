"""Pretrained image networks as encoders of frames."""

from __future__ import annotations

import inspect
import sys
from typing import Any

import keras
from keras import ops

from toolkit.errors import RecipeError
from toolkit.models.video import Encoder, Unfolded

VECTORS = "frame_vectors"  # the layer that gives a vector for each frame


def pretrained_encoder(
    name: str, weights: str | None, trainable: bool, frozen_first: bool = False
) -> Encoder:
    """A pretrained network over each frame: ``(clips, frames, dim)``.

    Args:
        name: a network of ``keras.applications``, such as ``MobileNetV2``, or a keras-nlp image
            preset, by name or directory.
        weights: file of the ``keras.applications`` network's weights; random ones without.
        trainable: False leaves it as it is, its running statistics too.
        frozen_first: it is trained from later on; its running statistics stay.

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
        learns = trainable and not frozen_first
        vectors = network(frames) if learns else network(frames, training=False)
        if len(vectors.shape) == 4:
            vectors = keras.layers.GlobalAveragePooling2D(name="mean")(vectors)
        vectors = ops.reshape(vectors, (-1, clips.shape[1], vectors.shape[-1]))
        return keras.layers.Identity(name=VECTORS)(vectors)

    return encode


def split(model: keras.Model) -> tuple[keras.Model, keras.Model]:
    """A classifier as the part that gives vectors of frames, and the rest.

    Returns:
        From ``frames``, as the model takes them, to ``(batch, clips, frames, dim)``; and from
        these, as ``features``, to the model's logits, with the model's weights.
    """
    vectors = model.get_layer(VECTORS).output
    by_clip = Unfolded(name="vectors_by_clip")(vectors, model.input["frames"])
    head = keras.Model(vectors, model.get_layer("logits").output, name="head")
    features = keras.Input((None, *vectors.shape[1:]), name="features")
    logits = head(ops.reshape(features, (-1, *vectors.shape[1:])))
    rest = keras.Model({"features": features}, Unfolded(name="logits_by_clip")(logits, features))
    return keras.Model(model.input, by_clip), rest


def backbone_weights(model: keras.Model) -> list[Any]:
    """The trainable variables of what gives vectors of frames."""
    first, rest = split(model)
    others = {id(weight) for weight in rest.trainable_variables}
    return [weight for weight in first.trainable_variables if id(weight) not in others]


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
