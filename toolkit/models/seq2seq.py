"""Encoder and decoder over tokens, and builders of the known kinds."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from toolkit.layers import (
    Dropout,
    RecurrentStack,
    TokenEmbedding,
    TransformerDecoder,
    TransformerEncoder,
)
from toolkit.layers.arguments import Tensor, derived_seed
from toolkit.layers.transformer_decoder import repeat_rows
from toolkit.models.recurrent_decoder import RecurrentDecoder


@keras.saving.register_keras_serializable(package="toolkit")
class Seq2Seq(keras.Model):
    """Logits of each token of the target, given the source and the tokens before it.

    Inputs: `{"source": (batch, source), "target": (batch, time)}` token ids, each row ending with
    the end token and padded with 0. Output: logits (batch, time, vocabulary), those at a step
    knowing the target's tokens before that step.

    Source padding is never read, and a step knows nothing of later ones. The softmax is tied to the
    target's embedding (Press and Wolf, arXiv 1608.05859).

    Args:
        encoder: a layer from vectors (batch, source, hidden_dim) and `mask` to outputs.
        decoder: a layer from vectors (batch, time, hidden_dim), the encoder's outputs and their
            mask to vectors (batch, time, hidden_dim), with `initial_state` and `step`.
        source_vocabulary_size: source ids are below this.
        target_vocabulary_size: target ids are below this.
        hidden_dim: width of the embeddings.
        start_id: stands before the first token of a target.
        share_embeddings: one table for both sides, which have one vocabulary.
        source_dropout: rate on the source's vectors, for an encoder that drops none of them.
        seed: of the dropout.
    """

    def __init__(
        self,
        encoder: keras.layers.Layer,
        decoder: keras.layers.Layer,
        source_vocabulary_size: int,
        target_vocabulary_size: int,
        hidden_dim: int,
        start_id: int,
        share_embeddings: bool = False,
        source_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.encoder = encoder
        self.decoder = decoder
        self.source_vocabulary_size = source_vocabulary_size
        self.target_vocabulary_size = target_vocabulary_size
        self.hidden_dim = hidden_dim
        self.start_id = start_id
        self.share_embeddings = share_embeddings
        self.source_dropout = source_dropout
        self.seed = seed
        self.drop_source = Dropout(
            source_dropout, seed=seed, dtype=self.dtype_policy, name="drop_source"
        )
        self.target_embedding = self._embedding(target_vocabulary_size, "target_embedding")
        self.source_embedding = self.target_embedding
        if not share_embeddings:
            self.source_embedding = self._embedding(source_vocabulary_size, "source_embedding")
        self._build_parts()

    def _embedding(self, size: int, name: str) -> TokenEmbedding:
        policy = self.dtype_policy
        embedding = TokenEmbedding(size, self.hidden_dim, scale=True, name=name, dtype=policy)
        embedding.build((None, None))
        return embedding

    def _build_parts(self) -> None:
        """All sizes are known, so a model has its weights before it has seen anything."""
        vectors = (None, None, self.hidden_dim)
        encoded = self.encoder.compute_output_shape(vectors)
        if not self.encoder.built:
            self.encoder.build(vectors)
        if not self.decoder.built:
            self.decoder.build(vectors, encoded)
        self.built = True

    def call(self, inputs: dict[str, Tensor], training: bool | None = None) -> Tensor:
        """Logits (batch, time, vocabulary)."""
        return self.target_embedding.logits(self.features(inputs, training))

    def features(self, inputs: dict[str, Tensor], training: bool | None = None) -> Tensor:
        """The decoder's outputs (batch, time, hidden_dim), whose products are the logits."""
        encoded, mask = self.encode(inputs["source"], training)
        target = inputs["target"]
        start = ops.full_like(target[:, :1], self.start_id)
        before = ops.concatenate([start, target[:, :-1]], axis=1)
        vectors = self.target_embedding(before)
        return self.decoder(vectors, encoded, encoder_padding_mask=mask, training=training)

    def encode(self, source: Tensor, training: bool | None = None) -> tuple[Tensor, Tensor]:
        """The encoder's outputs, and (batch, source) True where they count."""
        mask = ops.not_equal(source, 0)
        vectors = self.drop_source(self.source_embedding(source), training=training)
        return self.encoder(vectors, mask=mask, training=training), mask

    def initial_state(
        self, encoded: tuple[Tensor, Tensor], batch_size: int | Tensor, max_length: int | Tensor
    ) -> dict[str, Any]:
        """What `step` starts from; `encoded` is from `encode`."""
        outputs, mask = encoded
        state = self.decoder.initial_state(outputs, batch_size, max_length, mask)
        return _opened(state, mask)

    def repeat_state(self, state: dict[str, Any], times: int) -> dict[str, Any]:
        """The state of `times` hypotheses for each row; what a decoder shares stays one row."""
        if not isinstance(self.decoder, TransformerDecoder):
            return dict(repeat_rows(state, times))
        decoder = self.decoder.repeat_state(state["decoder"], times)
        return _opened(decoder, state["padding_mask"])

    def step(
        self, tokens: Tensor, state: dict[str, Any], index: int | Tensor
    ) -> tuple[Tensor, dict[str, Any]]:
        """Logits (batch, vocabulary) of position `index` after `tokens` (batch,)."""
        vectors = self.target_embedding(tokens)
        mask = state["padding_mask"]
        hidden, after = self.decoder.step(vectors, state["decoder"], index, mask)
        return self.target_embedding.logits(hidden), _opened(after, mask)

    def get_config(self) -> dict[str, Any]:
        """The arguments; encoder and decoder as their own configs."""
        names = (
            "source_vocabulary_size", "target_vocabulary_size", "hidden_dim", "start_id",
            "share_embeddings", "source_dropout", "seed",
        )  # fmt: skip
        parts = {name: _config_of(getattr(self, name)) for name in ("encoder", "decoder")}
        own = {name: getattr(self, name) for name in names}
        return {"name": self.name, "dtype": self.dtype_policy.name, **own, **parts}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "Seq2Seq":
        """The model made again."""
        parts = {
            name: keras.saving.deserialize_keras_object(config[name])
            for name in ("encoder", "decoder")
        }
        return cls(**{**config, **parts})


def _opened(decoder: dict[str, Any], mask: Tensor) -> dict[str, Any]:
    """The state, with the attention where a search looks for it."""
    return {"decoder": decoder, "padding_mask": mask, "attention": decoder["attention"]}


def _config_of(layer: keras.layers.Layer) -> dict[str, Any]:
    config: dict[str, Any] = keras.saving.serialize_keras_object(layer)
    config.pop("build_config", None)  # the model builds it
    return config


class Uncached:
    """Any model of `Seq2Seq`'s inputs and output, searched by running all of it in each step."""

    def __init__(self, model: Callable[..., Tensor]) -> None:
        self.model = model

    def encode(self, source: Tensor) -> Tensor:
        """The source itself."""
        return source

    def initial_state(
        self, encoded: Tensor, batch_size: int | Tensor, max_length: int | Tensor
    ) -> dict[str, Tensor]:
        """The source, and no tokens yet."""
        return {"source": encoded, "target": ops.zeros((batch_size, max_length), "int32")}

    def step(
        self, tokens: Tensor, state: dict[str, Tensor], index: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Logits of position `index`, from all tokens so far."""
        target = state["target"]
        places = ops.arange(ops.shape(target)[1])
        target = ops.where(places == index - 1, tokens[:, None], target)
        state = {"source": state["source"], "target": target}
        return ops.take(self.model(state, training=False), index, axis=1), state


def transformer_encoder(num_layers: int, seed: int, **options: Any) -> TransformerEncoder:
    """A Transformer encoder with sinusoidal positions; `options` are the layer's own."""
    return TransformerEncoder(
        num_layers, positions="sinusoidal", seed=derived_seed(seed, 1), name="encoder", **options
    )


def transformer_decoder(num_layers: int, seed: int, **options: Any) -> TransformerDecoder:
    """A Transformer decoder with sinusoidal positions; `options` are the layer's own."""
    return TransformerDecoder(
        num_layers, positions="sinusoidal", seed=derived_seed(seed, 2), name="decoder", **options
    )


def recurrent_encoder(
    units: int, num_layers: int, cell: str, dropout: float, seed: int
) -> keras.layers.Layer:
    """Bidirectional recurrent layers, both directions together `units` wide."""
    return RecurrentStack(
        num_layers,
        units // 2,
        cell=cell,
        bidirectional=True,
        residual=True,
        dropout=dropout,
        return_sequences=True,
        seed=derived_seed(seed, 1),
        name="encoder",
    )


def recurrent_decoder(
    units: int,
    num_layers: int,
    cell: str,
    attention: str,
    input_feeding: bool,
    dropout: float,
    seed: int,
) -> RecurrentDecoder:
    """A recurrent decoder with attention."""
    return RecurrentDecoder(
        units,
        num_layers,
        cell=cell,
        attention=attention,
        input_feeding=input_feeding,
        dropout=dropout,
        seed=derived_seed(seed, 2),
        name="decoder",
    )
