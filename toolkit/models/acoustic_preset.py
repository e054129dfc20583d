"""A pretrained Whisper encoder of keras-nlp as the front of an acoustic model."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from toolkit.errors import RecipeError
from toolkit.layers.arguments import Shape, Tensor
from toolkit.models.acoustic import step_mask

RANGE, SHIFT = 8.0, 4.0  # of Whisper's log-mel spectrogram, in powers of ten


@keras.saving.register_keras_serializable(package="toolkit")
class WhisperFrames(keras.layers.Layer):
    """Log-mel frames as Whisper's encoder wants them: `(batch, length, bands)`.

    Frames below the loudest band by more than eight powers of ten are raised to that; what stands
    after the real frames, and what is lacking up to `length`, is filled with it.

    Shapes: frames `(batch, frames, bands)`, natural logarithms of power, and how many of them are
    real, `(batch,)`; at most `length`.

    Args:
        length: of what the encoder reads.

    Reference: Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", arXiv
    2212.04356, section 2.2.
    """

    def __init__(self, length: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.length = length

    def call(self, frames: Tensor, num_frames: Tensor) -> Tensor:
        """The frames, normalised and filled up."""
        tens = ops.cast(frames, "float32") / math.log(10)
        real = step_mask(frames, num_frames)[..., None]
        peak = ops.max(ops.where(real, tens, -1e9), axis=(1, 2), keepdims=True)
        floor = peak - RANGE
        raised = ops.where(real, ops.maximum(tens, floor), floor)[:, : self.length]
        shape = ops.shape(raised)
        more = ops.broadcast_to(floor, (shape[0], self.length - shape[1], shape[2]))
        return (ops.concatenate([raised, more], axis=1) + SHIFT) / SHIFT

    def compute_output_shape(self, frames_shape: Shape, num_frames_shape: Shape) -> Shape:
        """`(batch, length, bands)`."""
        return (frames_shape[0], self.length, frames_shape[2])


class PresetFront:
    """What comes before an answer: a pretrained encoder, as an ``acoustic.AnyFront``.

    Args:
        preset: name or directory of a keras-nlp preset of a Whisper backbone.
        trainable: False leaves the encoder as it is.

    Raises:
        RecipeError: there is no such preset.
    """

    def __init__(self, preset: str, trainable: bool) -> None:
        self.preset, self.trainable = preset, trainable

    def build(self) -> tuple[dict[str, Any], Any, Any]:
        """Return the model's inputs, the encoder's steps and how many are real."""
        backbone = load(self.preset, "WhisperBackbone")
        encoder = keras.Model(
            backbone.input["encoder_features"],
            backbone.output["encoder_sequence_output"],
            name="whisper_encoder",
        )
        encoder.trainable = self.trainable
        inputs = {
            "features": keras.Input((None, backbone.num_mels), dtype="float32", name="features"),
            "num_frames": keras.Input((), dtype="int32", name="num_frames"),
        }
        length = backbone.max_encoder_sequence_length
        frames = WhisperFrames(length, name="frames")(inputs["features"], inputs["num_frames"])
        steps = encoder(frames)
        most = steps.shape[1] or length // 2
        return inputs, steps, ops.minimum((inputs["num_frames"] + 1) // 2, most)


def load(preset: str, kind: str) -> Any:
    """A part of a Whisper preset: ``WhisperBackbone`` or ``WhisperAudioConverter``.

    Raises:
        RecipeError: there is no such preset.
    """
    import keras_nlp

    home = keras_nlp.layers if kind.endswith("Converter") else keras_nlp.models
    try:
        return getattr(home, kind).from_preset(preset)
    except Exception as error:  # the library raises many kinds, each with its own advice
        raise RecipeError(
            "model.preset: the preset cannot be loaded. Expected the name or directory of a "
            f"keras-nlp preset of Whisper, such as whisper_base_en. Received: {preset!r} "
            f"({str(error).strip() or type(error).__name__})."
        ) from error
