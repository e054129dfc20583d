"""Recognition by an attention decoder over an acoustic encoder."""

from typing import Any

import keras
from keras import ops

from toolkit.layers import TokenEmbedding, TransformerDecoder
from toolkit.layers.arguments import Tensor
from toolkit.models.acoustic import step_mask


@keras.saving.register_keras_serializable(package="toolkit")
class AttentiveRecognizer(keras.Model):
    """An encoder of sound with logits for CTC, and a decoder that attends to its steps.

    Called with `features`, `num_frames` and the right `tokens` (batch, length), 0 after the last,
    it gives what the encoder gives, `logits` (batch, steps, tokens) and `num_steps` (batch,), and
    `decoded` (batch, length + 1, tokens + 2): logits of each token, knowing those before it, and of
    the end. Without `tokens` there is no `decoded`. `encode`, `initial_state` and `step` are what
    :mod:`toolkit.models.decoding` searches.

    Args:
        encoder: from `features` and `num_frames` to `encoded` (batch, steps, dim), `logits` and
            `num_steps`.
        decoder: a TransformerDecoder.
        num_tokens: with the blank, which is 0.
        hidden_dim: width of the encoder's steps.

    References: Chan et al., "Listen, Attend and Spell" (arXiv 1508.01211); with CTC beside it,
    Watanabe et al., "Hybrid CTC/Attention Architecture" (2017), section II.
    """

    def __init__(
        self,
        encoder: keras.Model,
        decoder: TransformerDecoder,
        num_tokens: int,
        hidden_dim: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.encoder, self.decoder = encoder, decoder
        self.num_tokens, self.hidden_dim = num_tokens, hidden_dim
        self.end_id, self.start_id = num_tokens, num_tokens + 1
        self.embedding = TokenEmbedding(
            num_tokens + 2, hidden_dim, scale=True, name="embedding", dtype=self.dtype_policy
        )
        self.embedding.build((None, None))
        vectors = (None, None, hidden_dim)
        if not decoder.built:
            decoder.build(vectors, vectors)
        self.built = True

    def call(self, inputs: dict[str, Tensor], training: bool | None = None) -> dict[str, Tensor]:
        """What the encoder gives, and `decoded` where the tokens are known."""
        given = {name: inputs[name] for name in ("features", "num_frames")}
        found = dict(self.encoder(given, training=training))
        encoded = found.pop("encoded")
        if "tokens" not in inputs:
            return found
        tokens = ops.cast(inputs["tokens"], "int32")
        before = ops.pad(tokens, [[0, 0], [1, 0]], constant_values=self.start_id)
        mask = step_mask(encoded, found["num_steps"])
        hidden = self.decoder(
            self.embedding(before), encoded, encoder_padding_mask=mask, training=training
        )
        return {**found, "decoded": self.embedding.logits(hidden)}

    def encode(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """What the encoder gives."""
        return dict(self.encoder(inputs, training=False))

    def initial_state(
        self, encoded: dict[str, Tensor], batch_size: int | Tensor, max_length: int | Tensor
    ) -> dict[str, Any]:
        """What `step` starts from; `encoded` is from `encode`."""
        steps = encoded["encoded"]
        mask = step_mask(steps, encoded["num_steps"])
        state = self.decoder.initial_state(steps, batch_size, max_length, mask)
        return {"decoder": state, "padding_mask": mask}

    def repeat_state(self, state: dict[str, Any], times: int) -> dict[str, Any]:
        """The state of `times` hypotheses for each row; the encoder's steps stay one row."""
        return {**state, "decoder": self.decoder.repeat_state(state["decoder"], times)}

    def step(
        self, tokens: Tensor, state: dict[str, Any], index: int | Tensor
    ) -> tuple[Tensor, dict[str, Any]]:
        """Logits (batch, tokens + 2) of position `index` after `tokens` (batch,)."""
        mask = state["padding_mask"]
        hidden, after = self.decoder.step(self.embedding(tokens), state["decoder"], index, mask)
        return self.embedding.logits(hidden), {"decoder": after, "padding_mask": mask}

    def get_config(self) -> dict[str, Any]:
        """The arguments; encoder and decoder as their own configs."""
        parts = {
            name: keras.saving.serialize_keras_object(getattr(self, name))
            for name in ("encoder", "decoder")
        }
        parts["decoder"].pop("build_config", None)  # the model builds it
        sizes = {"num_tokens": self.num_tokens, "hidden_dim": self.hidden_dim}
        return {"name": self.name, "dtype": self.dtype_policy.name, **sizes, **parts}

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: Any = None
    ) -> "AttentiveRecognizer":
        """The model made again."""
        parts = {
            name: keras.saving.deserialize_keras_object(config[name])
            for name in ("encoder", "decoder")
        }
        return cls(**{**config, **parts})
