"""From a recipe's model section to a Keras model."""

from __future__ import annotations

from typing import Any

import keras

from toolkit import layers
from toolkit.models import acoustic
from toolkit.models.acoustic_preset import PresetFront
from toolkit.models.attentive import AttentiveRecognizer
from toolkit.models.ensemble import APART, ensemble
from toolkit.tasks.speech import options


def build(
    model: Any,
    features: options.FeatureOptions,
    output: str,
    size: int,
    seed: int,
    statistics: Any = None,
) -> keras.Model:
    """Build the model of a section whose ``auto`` are settled.

    Args:
        model: the section.
        features: what the model hears.
        output: ``label`` or ``text``.
        size: logits of a clip or of a step.
        seed: of the dropouts.
        statistics: of the bands, for a model that recognises while sound comes in; or None.
    """
    front = make_front(model, features, statistics)
    if output == "text":
        encoder = _encoder(model, seed)
        return acoustic.recognizer(encoder, front, size, model.dropout, seed + 1000, model.type)
    several = model.members if isinstance(model, options.Network) else 1
    assert several != "auto", "the task settles it"
    members = []
    for number in range(several):
        first, name = seed + APART * number, f"{model.type}_{number}"
        encoder = _encoder(model, first)
        members.append(acoustic.classifier(encoder, front, size, model.dropout, first + 1000, name))
    return ensemble(members)


def build_attentive(
    model: Any, features: options.FeatureOptions, task: options.SpeechSection, size: int, seed: int
) -> keras.Model:
    """Build the section's encoder with logits for CTC, and a decoder that attends to it."""
    front = make_front(model, features, None)
    encoder = acoustic.recognizer(
        _encoder(model, seed), front, size, model.dropout, seed + 1000, model.type, True
    )
    width = encoder.output["encoded"].shape[-1]
    decoder = layers.TransformerDecoder(
        task.decoder_layers,
        HEADS,
        intermediate_dim=4 * width,
        positions="sinusoidal",
        dropout=model.dropout,
        activation_dropout=model.dropout,
        seed=seed + 2000,
        name="decoder",
    )
    return AttentiveRecognizer(encoder, decoder, size, width, name="attentive")


def make_front(
    model: Any, features: options.FeatureOptions, statistics: Any
) -> acoustic.Front | PresetFront:
    """What comes before the encoder; of a preset, the encoder too."""
    if isinstance(model, options.Preset):
        return PresetFront(model.preset, model.trainable)
    return acoustic.Front(
        features.num_mel_bins,
        features.num_coefficients if features.type == "mfcc" else None,
        features.normalize,
        getattr(model, "filters", 0) if not isinstance(model, options.CNN) else CNN_FRONT,
        model.subsampling,
        _width(model),
        statistics,
    )


HEADS = 4  # of the decoder's attention
CNN_FRONT = 32  # filters over time and frequency before the separable convolutions


def _width(model: Any) -> int:
    if isinstance(model, options.CNN):
        return model.filters
    if isinstance(model, options.CRNN | options.LSTM):
        return model.units
    return int(model.hidden_dim)


def _encoder(model: Any, seed: int) -> acoustic.Encoder:
    if isinstance(model, options.Preset):
        return lambda steps, mask: steps
    if isinstance(model, options.CNN):
        return acoustic.convolutional_encoder(
            model.filters, model.num_layers, model.kernel_size, model.dropout, seed
        )
    if isinstance(model, options.CRNN | options.LSTM):
        return acoustic.recurrent_encoder(
            model.cell,
            model.units,
            model.num_layers,
            model.bidirectional is True,
            model.dropout,
            seed,
        )
    if isinstance(model, options.Conformer):
        return acoustic.conformer_encoder(
            model.num_layers, model.num_heads, model.kernel_size, model.dropout, seed
        )
    return acoustic.transformer_encoder(model.num_layers, model.num_heads, model.dropout, seed)
