"""The kinds of attention and of positions that a Transformer can be asked for by name."""

from typing import Any

import keras

from toolkit.layers.arguments import check_choice
from toolkit.layers.blocked_attention import BlockedAttention
from toolkit.layers.learned_positions import LearnedPositions
from toolkit.layers.local_attention import LocalAttention
from toolkit.layers.lsh_attention import LSHAttention
from toolkit.layers.multi_head_attention import MultiHeadAttention
from toolkit.layers.sinusoidal_positions import SinusoidalPositions

ATTENTION: dict[str, type[MultiHeadAttention]] = {
    "full": MultiHeadAttention,
    "blocked": BlockedAttention,
    "local": LocalAttention,
    "lsh": LSHAttention,
}
EMBEDDED = ("sinusoidal", "learned")
"""Positions added to the sequence, once, before the first layer; the others act in each layer."""


def make_attention(kind: str, **options: Any) -> MultiHeadAttention:
    """Self-attention of a kind."""
    check_choice(tuple(ATTENTION), attention=kind)
    return ATTENTION[kind](**options)


def make_positions(kind: str | None, max_length: int | None, **options: Any) -> keras.layers.Layer:
    """The layer that adds positions to a sequence; None for the kinds that act in attention."""
    if kind == "sinusoidal":
        return SinusoidalPositions(**options)
    return LearnedPositions(max_length or 512, **options) if kind == "learned" else None


def positions_in_attention(kind: str | None) -> str | None:
    """The positions that each attention layer is told of."""
    return None if kind in EMBEDDED else kind
