"""Rows of the contract table: attention, positions, feed-forward, normalisation, Transformer."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from tests.layers.contract import Case, Inputs
from toolkit import layers

DIM = 8


def sequence(rng: np.random.Generator) -> Inputs:
    return (rng.standard_normal((4, 7, DIM)).astype("float32"),)


def pair(rng: np.random.Generator) -> Inputs:
    """A query of 5 steps and what it attends to, of 7."""
    query = rng.standard_normal((4, 5, DIM)).astype("float32")
    return (query, *sequence(rng))


def single(rng: np.random.Generator) -> Inputs:
    """A query of one step and what it attends to."""
    return (rng.standard_normal((4, DIM)).astype("float32"), *sequence(rng))


def heads(rng: np.random.Generator) -> Inputs:
    return (rng.standard_normal((4, 2, 7, DIM)).astype("float32"),)


def tokens(rng: np.random.Generator) -> Inputs:
    return (rng.integers(1, 20, (4, 7), dtype="int32"),)


def steps(_: np.random.Generator) -> Inputs:
    return np.arange(6, dtype="int32"), np.arange(8, dtype="int32")


def plain(name: str, make: Callable[[], Any], **options: Any) -> Case:
    """A row for a layer that maps a sequence onto its own shape."""
    return Case(name, make, **{"inputs": sequence, **options})


def stepwise(name: str, make: Callable[[], Any], **options: Any) -> Case:
    """A row for a layer in which no step sees another, and which needs no mask."""
    return plain(name, make, mask=None, **options)


def cross(name: str, make: Callable[[], Any], **options: Any) -> Case:
    """A row for a layer whose second input is masked."""
    defaults = {"inputs": pair, "mask": "padding_mask", "masked": (1,)}
    return Case(name, make, **{**defaults, **options})


def encoder(**options: Any) -> Callable[[], keras.Layer]:
    return lambda: layers.TransformerEncoderLayer(2, 16, **options)


BY_POSITION = {
    "strategy": "its inputs are positions and have no batch",
}
ATTENTION = [
    cross("additive_attention", lambda: layers.AdditiveAttention(6)),
    cross("additive_attention_step", lambda: layers.AdditiveAttention(6), inputs=single),
    cross("dot_attention", lambda: layers.DotAttention("dot"), trainable=False),
    cross("dot_attention_scaled", lambda: layers.DotAttention("scaled"), trainable=False),
    cross("dot_attention_general", lambda: layers.DotAttention("general"), inputs=single),
    plain("multi_head_attention", lambda: layers.MultiHeadAttention(2)),
    plain(
        "multi_head_attention_dropout",
        lambda: layers.MultiHeadAttention(2, dropout=0.3, seed=1),
        random=True,
    ),
    cross("multi_head_attention_cross", lambda: layers.MultiHeadAttention(2, head_dim=3)),
    *(
        plain(
            f"multi_head_attention_{positions}",
            lambda positions=positions: layers.MultiHeadAttention(
                2, num_key_value_heads=1, positions=positions
            ),
        )
        for positions in ("rotary", "relative", "alibi")
    ),
    plain("blocked_attention", lambda: layers.BlockedAttention(2, block_length=4)),
    plain(
        "local_attention",
        lambda: layers.LocalAttention(2, window=4, global_positions=[1]),
    ),
    plain(
        "local_attention_dropout",
        lambda: layers.LocalAttention(2, window=2, dropout=0.3, seed=1),
        random=True,
    ),
    plain(
        "lsh_attention",
        lambda: layers.LSHAttention(2, num_buckets=2, chunk_length=4, seed=1),
        skip={"precision": "a step near a bucket's edge changes it with the last digit"},
    ),
]
POSITIONS = [
    stepwise("sinusoidal_positions", layers.SinusoidalPositions, trainable=False),
    stepwise("learned_positions", lambda: layers.LearnedPositions(12)),
    Case(
        "rotary_positions",
        layers.RotaryPositions,
        heads,
        mask=None,
        trainable=False,
    ),
    Case(
        "relative_position_bias",
        lambda: layers.RelativePositionBias(2, num_buckets=4, max_distance=4),
        steps,
        mask=None,
        skip=BY_POSITION,
    ),
    Case(
        "alibi",
        lambda: layers.ALiBi(3),
        steps,
        mask=None,
        trainable=False,
        skip={**BY_POSITION, "gradient": "neither weights nor inputs have one"},
    ),
]
PARTS = [
    Case("token_embedding", lambda: layers.TokenEmbedding(20, DIM, scale=True), tokens, mask=None),
    *(
        stepwise(
            f"feed_forward_{activation}",
            lambda activation=activation: layers.FeedForward(16, activation=activation),
        )
        for activation in ("relu", "gelu", "swiglu", "geglu")
    ),
    stepwise("layer_normalization", layers.LayerNormalization),
    stepwise("rms_normalization", layers.RMSNormalization),
    stepwise("dropout", lambda: layers.Dropout(0.5, seed=1), random=True, trainable=False),
    stepwise(
        "stochastic_depth",
        lambda: layers.StochasticDepth(0.5, seed=1),
        random=True,
        trainable=False,
    ),
    plain(
        "residual",
        lambda: layers.Residual(layers.FeedForward(16), dropout=0.3, seed=1),
        random=True,
    ),
    plain(
        "residual_post",
        lambda: layers.Residual(
            layers.MultiHeadAttention(2), norm="post", normalization="rms", stochastic_depth=0.3
        ),
        random=True,
    ),
]
TRANSFORMER = [
    plain("transformer_encoder_layer", encoder()),
    plain(
        "transformer_encoder_layer_post",
        encoder(norm="post", dropout=0.3, activation_dropout=0.2, seed=1),
        random=True,
    ),
    plain(
        "transformer_encoder",
        lambda: layers.TransformerEncoder(
            2, 2, 16, positions="sinusoidal", stochastic_depth=0.3, seed=1
        ),
        random=True,
    ),
    cross(
        "transformer_decoder_layer",
        lambda: layers.TransformerDecoderLayer(2, 16),
        mask="encoder_padding_mask",
    ),
    plain("transformer_decoder_alone", lambda: layers.TransformerDecoder(1, 2, 16)),
    cross(
        "transformer_decoder",
        lambda: layers.TransformerDecoder(2, 2, 16, positions="learned", max_length=9),
        mask="encoder_padding_mask",
    ),
]
CASES = [*ATTENTION, *POSITIONS, *PARTS, *TRANSFORMER]
