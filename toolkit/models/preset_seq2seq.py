"""A pretrained encoder and decoder of keras-nlp, with the ids and the decoding of this package."""

from typing import Any

import keras
from keras import ops

from toolkit.layers.arguments import Tensor


@keras.saving.register_keras_serializable(package="toolkit")
class PresetSeq2Seq(keras.Model):
    """Logits of each token of the target, given the source and the tokens before it.

    Inputs and output are those of `Seq2Seq`, and so are `encode`, `initial_state` and `step`, with
    a cache of keys and values. Padding is 0 here: ids, and the places of the logits, are the
    preset's with its own padding and 0 in each other's place.

    Args:
        language_model: a `keras_nlp.models.BartSeq2SeqLM`, `T5Seq2SeqLM` or another with their
            `call_encoder` and `call_decoder_with_cache`; without a preprocessor.
        prompt: the preset's own ids before the first token of a target, one or more.
        padding: the preset's own padding id.

    References: Lewis et al., BART (arXiv 1910.13461); Raffel et al., T5 (arXiv 1910.10683).
    """

    def __init__(
        self, language_model: Any, prompt: tuple[int, ...], padding: int, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.language_model = language_model
        self.prompt = tuple(prompt)
        self.padding = padding
        self.built = True

    def call(self, inputs: dict[str, Tensor], training: bool | None = None) -> Tensor:
        """Logits (batch, time, vocabulary)."""
        source, target = self._swapped(inputs["source"]), inputs["target"]
        before = self._prompted(self._swapped(target[:, :-1]))
        # A step sees none after it, and the padding stands at the end.
        given = {
            "encoder_token_ids": source,
            "encoder_padding_mask": _mask(inputs["source"]),
            "decoder_token_ids": before,
            "decoder_padding_mask": ops.ones_like(before),
        }
        logits = self.language_model(given, training=training)
        return self._placed(logits[:, len(self.prompt) - 1 :])

    def encode(self, source: Tensor, training: bool | None = None) -> tuple[Tensor, Tensor]:
        """The encoder's outputs, and (batch, source) 1 where they count."""
        del training
        mask = _mask(source)
        return self.language_model.call_encoder(self._swapped(source), mask), mask

    def initial_state(
        self, encoded: tuple[Tensor, Tensor], batch_size: int | Tensor, max_length: int | Tensor
    ) -> dict[str, Tensor]:
        """What `step` starts from: the caches after the prompt; `encoded` is from `encode`."""
        outputs, mask = encoded
        lengths = (max_length + len(self.prompt) - 1, ops.shape(outputs)[1])
        cache, cross = (self._cache(batch_size, length) for length in lengths)
        state = {"encoded": outputs, "padding_mask": mask, "cache": cache, "cross": cross}
        prompt = self._prompted(ops.zeros((batch_size, 0), "int32"))
        _, _, cache, cross = self._decode(prompt, state, 0, cross_index=0)
        return {**state, "cache": cache, "cross": cross}

    def step(
        self, tokens: Tensor, state: dict[str, Tensor], index: int | Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Logits (batch, vocabulary) of position `index` after `tokens` (batch,)."""
        place = index + len(self.prompt) - 1
        logits, _, cache, _ = self._decode(self._swapped(tokens)[:, None], state, place)
        return self._placed(logits)[:, 0], {**state, "cache": cache}

    def _decode(self, ids: Tensor, state: Any, place: Any, cross_index: int | None = None) -> Any:
        return self.language_model.call_decoder_with_cache(
            encoder_hidden_states=state["encoded"],
            encoder_padding_mask=state["padding_mask"],
            decoder_token_ids=ids,
            self_attention_cache=state["cache"],
            self_attention_cache_update_index=place,
            cross_attention_cache=state["cross"],
            cross_attention_cache_update_index=cross_index,
        )

    def _cache(self, batch_size: Any, length: Any) -> Tensor:
        """No keys and values yet: (batch, layers, 2, length, heads, head_dim)."""
        net = self.language_model.backbone
        heads = net.num_heads
        head_dim = getattr(net, "key_value_dim", None) or net.hidden_dim // heads
        shape = (batch_size, net.num_layers, 2, length, heads, head_dim)
        return ops.zeros(shape, self.language_model.compute_dtype)

    def _prompted(self, ids: Tensor) -> Tensor:
        first = ops.convert_to_tensor([self.prompt], "int32")
        first = ops.repeat(first, ops.shape(ids)[0], axis=0)
        return ops.concatenate([first, ops.cast(ids, "int32")], axis=1)

    def _swapped(self, ids: Tensor) -> Tensor:
        """Ids of this package as the preset's, or the other way round."""
        if not self.padding:
            return ids
        others = ops.where(ids == self.padding, 0, ids)
        return ops.where(ids == 0, self.padding, others)

    def _placed(self, logits: Tensor) -> Tensor:
        """The preset's logits in the places of this package's ids."""
        if not self.padding:
            return logits
        pad = self.padding
        parts = [logits[..., pad : pad + 1], logits[..., 1:pad]]
        return ops.concatenate([*parts, logits[..., :1], logits[..., pad + 1 :]], axis=-1)

    def get_config(self) -> dict[str, Any]:
        """The arguments; the language model as its own config."""
        model = keras.saving.serialize_keras_object(self.language_model)
        model.pop("compile_config", None)  # it is trained and searched by this package alone
        own = {"language_model": model, "prompt": list(self.prompt), "padding": self.padding}
        return {"name": self.name, "dtype": self.dtype_policy.name, **own}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "PresetSeq2Seq":
        """The model made again."""
        model = keras.saving.deserialize_keras_object(config["language_model"])
        return cls(**{**config, "language_model": model})


def _mask(ids: Tensor) -> Tensor:
    return ops.cast(ops.not_equal(ids, 0), "int32")
