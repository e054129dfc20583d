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

from toolkit.errors import RecipeError, unreadable

BATCH = 256


class PresetEncoder(tf.Module):
    """Encodes texts with the preset's own preprocessor, padded to one length.

    Args:
        preprocessor: a ``keras_nlp.models.TextClassifierPreprocessor``.
        backbone: the serialised architecture of the ``keras_nlp.models.Backbone``.
        source: the preset's name or directory, for messages.
        weights: of the backbone; None when read from a run, which has those of the trained model.
    """

    def __init__(
        self,
        preprocessor: Any,
        backbone: dict[str, Any],
        source: str,
        weights: list[Any] | None = None,
    ) -> None:
        super().__init__()
        self.preprocessor, self.source = preprocessor, source
        self._backbone, self._weights = json.dumps(backbone, indent=1), weights

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
        config = keras.saving.serialize_keras_object(backbone)
        return cls(preprocessor, config, preset, backbone.get_weights())

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
        else the mean over the real tokens. The backbone is made here, where the strategy's scope
        and the precision are those of the training.
        """
        config = json.loads(self._backbone)
        config["config"].pop("dtype", None)
        backbone: Any = keras.saving.deserialize_keras_object(config, safe_mode=True)
        if self._weights is not None:
            backbone.set_weights(self._weights)
        backbone.trainable = trainable
        inputs, outputs = backbone.input, backbone.output
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
        (directory / "preset" / "config.json").write_text(self._backbone)
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
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise unreadable(path, error) from error
        return cls(preprocessor, config, source)
