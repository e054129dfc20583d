"""The pieces and the network of a pretrained keras-nlp preset."""

from __future__ import annotations

import hashlib
import inspect
import json
from pathlib import Path
from typing import Any

import keras
import keras_nlp
import tensorflow as tf

from toolkit.errors import RecipeError, RunError, unreadable
from toolkit.models.preset_seq2seq import PresetSeq2Seq
from toolkit.tasks.translation.sides import Side, Sides

STATE = "pairs.json"
DATED = "metadata.json"  # says when it was written


class PresetSides(Sides):
    """Both sides in a preset's own pieces; its padding and 0 are in each other's place.

    Args:
        preprocessor: a ``keras_nlp.models.Seq2SeqLMPreprocessor``.
        backbone: the serialised architecture of its backbone.
        weights: of the backbone; None where a run holds them.
        length: most pieces of a side, its marks included.
        slope: most target pieces for each source piece.
    """

    def __init__(
        self,
        preprocessor: Any,
        backbone: dict[str, Any],
        weights: list[Any] | None = None,
        length: int = 512,
        slope: float = 2.0,
    ) -> None:
        super().__init__(length, slope)
        if not preprocessor.built:
            preprocessor.build(None)
        self.preprocessor = preprocessor
        self._backbone, self._weights = json.dumps(backbone), weights
        tokenizer = preprocessor.tokenizer
        self.padding = int(tokenizer.pad_token_id)
        before = preprocessor.decoder_packer.start_value
        self.prompt = tuple(int(each) for each in before)
        self.start, self.end = self._swap(self.prompt[-1]), self._swap(tokenizer.end_token_id)
        lead = preprocessor.encoder_packer.start_value or ()
        self.lead = tuple(self._swap(each) for each in lead)
        most = backbone["config"].get("max_sequence_length")
        self.positions = None if most is None else int(most) - len(self.prompt) + 1

    @classmethod
    def from_preset(cls, preset: str) -> PresetSides:
        """Load a preset by name or directory.

        Raises:
            RecipeError: there is no such preset, or none that can be used here.
        """
        try:
            preprocessor = keras_nlp.models.Seq2SeqLMPreprocessor.from_preset(preset)
            backbone = keras_nlp.models.Backbone.from_preset(preset)
            config = keras.saving.serialize_keras_object(backbone)
        except Exception as error:  # the library raises many kinds, each with its own advice
            raise RecipeError(
                "model.preset: the preset cannot be loaded. Expected the name or directory of a "
                "keras-nlp preset from texts to texts, such as bart_base_en or t5_small_multi. "
                f"Received: {preset!r} ({str(error).strip() or type(error).__name__})."
            ) from error
        if _language_model(type(backbone)) is None:
            raise RecipeError(
                "model.preset: no cached decoding for this kind of backbone. Expected BART, T5 or "
                f"one like these. Received: {preset!r} ({type(backbone).__name__})."
            )
        return cls(preprocessor, config, backbone.get_weights())

    def _swap(self, number: Any) -> int:
        return {0: self.padding, self.padding: 0}.get(int(number), int(number))

    def _swapped(self, ids: Any) -> Any:
        others = tf.where(ids == self.padding, 0, ids)
        return tf.cast(tf.where(ids == 0, self.padding, others), tf.int32)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def _tokenize(self, texts: Any) -> Any:
        return self.preprocessor.tokenizer(texts)

    @tf.function(input_signature=[tf.RaggedTensorSpec([None, None], tf.int32)], autograph=False)
    def _detokenize(self, ids: Any) -> Any:
        return tf.strings.strip(self.preprocessor.tokenizer.detokenize(ids))

    def pieces(self, side: Side, texts: Any) -> tf.RaggedTensor:
        """Ids of ``(batch,)`` texts, without marks."""
        del side
        ids = self._tokenize(tf.convert_to_tensor(texts))
        return ids.with_flat_values(self._swapped(ids.flat_values))

    def join(self, tokens: Any) -> Any:
        """Texts of ``(..., length)`` target ids, 0 as padding: ``(...)`` strings."""
        flat = tf.reshape(tokens, [-1, tf.shape(tokens)[-1]])
        shown = (flat != 0) & (flat != self.start) & (flat != self.end)
        ids = tf.ragged.boolean_mask(flat, shown)
        texts = self._detokenize(ids.with_flat_values(self._swapped(ids.flat_values)))
        return tf.reshape(texts, tf.shape(tokens)[:-1])

    def sizes(self) -> tuple[int, int]:
        """How many ids either side has."""
        size = int(json.loads(self._backbone)["config"]["vocabulary_size"])
        return size, size

    def build_model(self, trainable: bool) -> PresetSeq2Seq:
        """Build the network, with the preset's weights unless a run holds others.

        Args:
            trainable: False leaves encoder and embeddings as they are; the decoder learns.
        """
        config = json.loads(self._backbone)
        config["config"].pop("dtype", None)  # training says in what precision
        backbone = keras.saving.deserialize_keras_object(config)
        if self._weights is not None:
            backbone.set_weights(self._weights)
        language_model = _language_model(type(backbone))(backbone=backbone, preprocessor=None)
        for layer in backbone.layers if not trainable else ():
            layer.trainable = "decoder" in layer.name
        return PresetSeq2Seq(language_model, self.prompt, self.padding, name="preset")

    def save(self, directory: Path) -> None:
        """Write the preprocessor, the backbone's architecture and ``pairs.json``."""
        folder = directory / "preset"
        self.preprocessor.save_to_preset(str(folder))
        (folder / "config.json").write_text(self._backbone)
        content = {"length": self.length, "slope": self.slope, "sha256": _digests(folder)}
        (directory / STATE).write_text(json.dumps(content, indent=1))

    @classmethod
    def load(cls, directory: Path) -> PresetSides:
        """Read what :meth:`save` wrote.

        Raises:
            RunError: a file is missing or damaged, or the pieces are not those of the run.
        """
        folder = directory / "preset"
        try:
            content = json.loads((directory / STATE).read_text())
            config = json.loads((folder / "config.json").read_text())
            preprocessor = keras_nlp.models.Seq2SeqLMPreprocessor.from_preset(str(folder))
            length, slope = int(content["length"]), float(content["slope"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise unreadable(folder, error) from error
        changed = [n for n, d in _digests(folder).items() if content.get("sha256", {}).get(n) != d]
        if changed:
            raise RunError(
                f"{folder}: other pieces than the model was trained with. Expected the files that "
                f"training wrote. Received: {', '.join(changed)}."
            )
        return cls(preprocessor, config, None, length, slope)


def _language_model(backbone: type[Any]) -> Any:
    """The class that puts words on a kind of backbone and decodes with two caches, or None."""
    pending = [keras_nlp.models.Seq2SeqLM]
    while pending:
        each = pending.pop()
        pending += each.__subclasses__()
        if each.__dict__.get("backbone_cls") is backbone:
            decode = inspect.signature(each.call_decoder_with_cache).parameters
            return each if "cross_attention_cache" in decode else None
    return None


def _digests(folder: Path) -> dict[str, str]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != DATED)
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in paths
    }
