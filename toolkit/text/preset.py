"""A pretrained keras-nlp backbone and its own tokeniser, as a text encoder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import keras_nlp
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from toolkit.errors import RecipeError, RunError

BATCH = 256


class PresetEncoder(tf.Module):
    """Encodes texts with the preset's own preprocessor, padded to one length.

    Args:
        preprocessor: a ``keras_nlp.models.TextClassifierPreprocessor``.
        backbone: the pretrained ``keras_nlp.models.Backbone``; its architecture alone when read
            from a run, whose weights are the trained model's.
        source: the preset's name or directory, for messages.
    """

    def __init__(self, preprocessor: Any, backbone: Any, source: str) -> None:
        super().__init__()
        self.preprocessor, self.backbone, self.source = preprocessor, backbone, source

    @classmethod
    def from_preset(cls, preset: str, sequence_length: int) -> PresetEncoder:
        """Load a preset by name or directory.

        Raises:
            RecipeError: there is no such preset, or it is not for texts.
        """
        try:
            preprocessor = keras_nlp.models.TextClassifierPreprocessor.from_preset(
                preset, sequence_length=sequence_length
            )
            backbone = keras_nlp.models.Backbone.from_preset(preset)
        except Exception as error:  # the library raises many kinds, each with its own advice
            raise RecipeError(
                f"model.preset: the preset cannot be loaded. Expected the name or directory of a "
                f"keras-nlp preset for texts. Received: {preset!r} ({error})."
            ) from error
        return cls(preprocessor, backbone, preset)

    def __call__(self, texts: Any) -> dict[str, Any]:
        """Encode ``(batch,)`` strings by the preset's preprocessor."""
        return {name: tf.cast(value, tf.int32) for name, value in self.preprocessor(texts).items()}

    def encode(self, texts: NDArray[np.object_]) -> dict[str, NDArray[np.int32]]:
        """Encode all ``(examples,)`` texts into memory."""
        dataset = tf.data.Dataset.from_tensor_slices(texts).batch(BATCH).map(self)
        parts = [{name: value.numpy() for name, value in part.items()} for part in dataset]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def build_classifier(self, num_classes: int, dropout: float, trainable: bool) -> keras.Model:
        """Put a classifier on the backbone: ``(batch, 1, num_classes)`` logits.

        It reads the first token's state where the preset is of that kind (BERT and its family),
        else the mean over the real tokens.
        """
        self.backbone.trainable = trainable
        inputs = self.backbone.input
        outputs = self.backbone.output
        if isinstance(outputs, dict):
            states = outputs["sequence_output"]
            vector = outputs.get("pooled_output", states[:, 0])
        else:
            mask = keras.ops.cast(inputs["padding_mask"], outputs.dtype)[..., None]
            total = keras.ops.maximum(keras.ops.sum(mask, axis=1), 1)
            vector = keras.ops.sum(outputs * mask, axis=1) / total
        vector = keras.layers.Dropout(dropout, name="vector_dropout")(vector)
        logits = keras.layers.Dense(num_classes, dtype="float32", name="logits")(vector)
        return keras.Model(inputs, keras.ops.expand_dims(logits, 1), name="preset")

    def save(self, directory: Path) -> None:
        """Write the preprocessor and the backbone's architecture."""
        self.preprocessor.save_to_preset(str(directory / "preset"))
        config = keras.saving.serialize_keras_object(self.backbone)
        (directory / "preset" / "config.json").write_text(json.dumps(config, indent=1))
        (directory / "preset.json").write_text(json.dumps({"source": self.source}))

    @classmethod
    def load(cls, directory: Path) -> PresetEncoder:
        """Read what :meth:`save` wrote.

        Raises:
            RunError: a file is missing or damaged.
        """
        path = directory / "preset"
        try:
            config = json.loads((path / "config.json").read_text())
            source = json.loads((directory / "preset.json").read_text())["source"]
            preprocessor = keras_nlp.models.TextClassifierPreprocessor.from_preset(str(path))
            backbone = keras.saving.deserialize_keras_object(config, safe_mode=True)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(f"{path}: cannot be read. Received: {error}.") from error
        return cls(preprocessor, backbone, source)
