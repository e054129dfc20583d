"""Which model, and how its options become a network."""

from __future__ import annotations

from typing import Any

from toolkit.models import seq2seq
from toolkit.models.ensemble import APART
from toolkit.models.seq2seq_ensemble import Seq2SeqEnsemble
from toolkit.tasks.base import Decision
from toolkit.tasks.translation import options

OWN = seq2seq.Seq2Seq | Seq2SeqEnsemble  # what is built here
SMALL, MIDDLING = 50_000, 500_000  # training pairs


def choose_model(pairs: int) -> Decision:
    """A Transformer whose size suits the number of training pairs."""
    size: dict[str, Any]
    if pairs < SMALL:
        size = {"num_layers": 4, "hidden_dim": 128, "intermediate_dim": 256, "num_heads": 4}
        size["dropout"] = 0.3
    elif pairs < MIDDLING:
        size = {"num_layers": 4, "hidden_dim": 256, "intermediate_dim": 1024, "num_heads": 4}
        size["dropout"] = 0.2
    else:
        size = {"num_layers": 6, "hidden_dim": 512, "intermediate_dim": 2048, "num_heads": 8}
        size["dropout"] = 0.1
    return Decision({"type": "transformer", **size}, f"{pairs:,} training pairs")


def build(
    model: Any, source_size: int, target_size: int, shared: bool, start_id: int, seed: int
) -> OWN:
    """Build what a recipe's ``model`` section says."""
    every = [one for one in options.networks(model) for _ in range(one.members)]
    members = []
    for number, one in enumerate(every):
        first = seed + APART * number
        recurrent = isinstance(one, options.RNN)
        hidden_dim = one.units if recurrent else one.hidden_dim
        member = seq2seq.Seq2Seq(
            _encoder(one, first),
            _decoder(one, hidden_dim, first),
            source_size,
            target_size,
            hidden_dim,
            start_id,
            share_embeddings=shared,
            source_dropout=one.dropout if recurrent else 0.0,
            seed=first,
            name=f"{one.type}_{number}",
        )
        members.append(member)
    return members[0] if len(members) == 1 else Seq2SeqEnsemble(members, name=model.type)


def _encoder(model: Any, seed: int) -> Any:
    if isinstance(model, options.RNN):
        return seq2seq.recurrent_encoder(
            model.units, model.num_layers, model.cell, model.dropout, seed
        )
    return seq2seq.transformer_encoder(model.num_layers, seed, **_attending(model))


def _decoder(model: Any, hidden_dim: int, seed: int) -> Any:
    num_layers = model.num_layers if model.decoder_layers == "auto" else model.decoder_layers
    if isinstance(model, options.Transformer):
        return seq2seq.transformer_decoder(num_layers, seed, **_attending(model))
    return seq2seq.recurrent_decoder(
        hidden_dim,
        num_layers,
        model.cell,
        model.attention,
        model.input_feeding,
        model.dropout,
        seed,
    )


def _attending(model: Any) -> dict[str, Any]:
    """What Transformer encoders and decoders take alike."""
    names = {"num_heads", "intermediate_dim", "norm", "dropout", "activation_dropout"}
    return dict(model.model_dump(include=names))
