"""A trained Transformer of a run as a CTranslate2 model, to compare the search of both."""

from pathlib import Path

import ctranslate2
import numpy as np
import sentencepiece
from ctranslate2.specs import TransformerSpec


def array(variable) -> np.ndarray:
    return np.asarray(variable, np.float32)


def dense(spec, layer) -> None:
    spec.weight, spec.bias = array(layer.kernel).T.copy(), array(layer.bias)


def norm(spec, layer) -> None:
    spec.gamma, spec.beta = array(layer.gamma), array(layer.beta)


def feed_forward(spec, residual) -> None:
    norm(spec.layer_norm, residual.normalize)
    dense(spec.linear_0, residual.layer.expand)
    dense(spec.linear_1, residual.layer.contract)


def self_attention(spec, residual) -> None:
    norm(spec.layer_norm, residual.normalize)
    dense(spec.linear[0], residual.layer.query_key_value)
    dense(spec.linear[1], residual.layer.output_dense)


def cross_attention(spec, residual) -> None:
    norm(spec.layer_norm, residual.normalize)
    dense(spec.linear[0], residual.layer.query)
    dense(spec.linear[1], residual.layer.key_value)
    dense(spec.linear[2], residual.layer.output_dense)


def positions(length: int, dim: int) -> np.ndarray:
    """As `SinusoidalPositions` adds them."""
    features = np.arange(dim)
    exponents = features // 2 * 2 / dim
    angles = np.arange(length)[:, None] * 10_000.0**-exponents + features % 2 * np.pi / 2
    return np.sin(angles).astype(np.float32)


def names(pieces) -> list[str]:
    processor = sentencepiece.SentencePieceProcessor(model_proto=pieces.model)
    return [processor.id_to_piece(i) for i in range(processor.get_piece_size())]


def write(task, model, directory: Path) -> None:
    """Write a pre-norm Transformer for `ctranslate2.Translator`."""
    encoder, decoder = model.encoder, model.decoder
    layers = (encoder.num_layers, decoder.num_layers)
    spec = TransformerSpec.from_config(layers, encoder.num_heads, pre_norm=True)
    spec.config.layer_norm_epsilon = encoder.epsilon
    encoded = positions(1024, model.hidden_dim)
    spec.encoder.embeddings[0].weight = array(model.source_embedding.table)
    spec.decoder.embeddings.weight = array(model.target_embedding.table)
    spec.decoder.projection.weight = array(model.target_embedding.table)
    for side, stack in ((spec.encoder, encoder), (spec.decoder, decoder)):
        side.position_encodings.encodings = encoded
        norm(side.layer_norm, stack.final_norm)
        for one, layer in zip(side.layer, stack.layers, strict=True):
            self_attention(one.self_attention, layer.self_attention)
            feed_forward(one.ffn, layer.feed_forward)
            if stack is decoder:
                cross_attention(one.attention, layer.cross_attention)
    spec.register_source_vocabulary(names(task.fitted.source))
    spec.register_target_vocabulary(names(task.fitted.target))
    spec.validate()
    spec.optimize(quantization="float32")
    directory.mkdir(parents=True, exist_ok=True)
    spec.save(str(directory))


def translator(directory: Path, threads: int) -> ctranslate2.Translator:
    return ctranslate2.Translator(
        str(directory), device="cpu", inter_threads=1, intra_threads=threads, compute_type="float32"
    )
