"""From the model section of a recipe to a built classifier."""

from __future__ import annotations

from typing import Any

import keras

from toolkit.models import classifier
from toolkit.models.ensemble import ensemble
from toolkit.tasks.base import Decision
from toolkit.tasks.sentiment import options

SHORT = 60  # words: within a text this short, how a word is spelt still matters


def choose_model(examples: int, median_length: float) -> Decision:
    """What ``model: auto`` stands for."""
    known = f"{examples} training texts of {median_length:.0f} words"
    if median_length > SHORT:
        reason = "long texts: a network of this size knows nothing that their n-grams do not"
        return Decision(options.Bag().model_dump(mode="json"), f"{known}: {reason}")
    members = (options.Bag(), options.CNN(), options.GRU())
    reason = "short texts: n-grams of words and characters, with two networks that see order"
    return Decision(options.Ensemble(members=members).model_dump(mode="json"), f"{known}: {reason}")


def character_orders(model: Any, median_length: float) -> tuple[int, ...]:
    """Lengths of the n-grams of characters that the model reads."""
    for bag in bags(model):
        if bag.characters == "auto":
            return (2, 3, 4, 5) if median_length <= SHORT else ()
        return bag.characters or ()
    return ()


def word_orders(model: Any) -> tuple[int, ...]:
    """Lengths of the n-grams of words that the model reads."""
    return next((bag.words or () for bag in bags(model)), ())


def bags(model: Any) -> list[options.Bag]:
    """The bags of n-grams in a model section."""
    return [part for part in parts(model) if isinstance(part, options.Bag)]


def reads_tokens(model: Any) -> bool:
    """Whether a part of the model reads the tokens in their order."""
    return any(not isinstance(part, options.Bag) for part in parts(model))


def is_recurrent(model: Any) -> bool:
    """Whether a recurrent network reads the tokens, and no other network beside it."""
    networks = [part for part in parts(model) if not isinstance(part, options.Bag)]
    recurrent = options.RNN | options.LSTM | options.GRU
    return bool(networks) and all(isinstance(network, recurrent) for network in networks)


def parts(model: Any) -> tuple[Any, ...]:
    """The models that answer side by side: an ensemble's members, or a network and its bag."""
    if isinstance(model, options.Ensemble):
        return model.members
    if isinstance(model, options.Network) and model.bag:
        return (options.Bag(), model)
    return (model,)


def member_names(model: Any, ngrams: list[str]) -> list[str]:
    """Names of what gives logits of its own: each kind of n-grams of a bag, and each network.

    Args:
        model: the section.
        ngrams: the kinds of n-grams.
    """
    names: list[str] = []
    for part in parts(model):
        names += ngrams if isinstance(part, options.Bag) else [part.type]
    doubled = {name for name in names if names.count(name) > 1}
    return [f"{name}_{i}" if name in doubled else name for i, name in enumerate(names)]


def build(
    model: Any, num_classes: int, vocabulary_size: int, ngrams: dict[str, int], seed: int
) -> keras.Model:
    """Build the model that a section names.

    Args:
        model: the section.
        num_classes: logits of a text.
        vocabulary_size: of ``token_ids``.
        ngrams: how many n-grams of each kind there are.
        seed: of the weights and dropouts.
    """
    members = [
        build_part(part, num_classes, vocabulary_size, ngrams, seed + 1000 * i, f"{part.type}_{i}")
        for i, part in enumerate(parts(model))
    ]
    return ensemble(members)


def build_part(
    part: Any, num_classes: int, vocabulary_size: int, ngrams: dict[str, int], seed: int, name: str
) -> keras.Model:
    """Build a bag or a network."""
    if isinstance(part, options.Bag):
        return classifier.bag(num_classes, ngrams, name)
    return classifier.network(
        encoder(part, seed),
        num_classes=num_classes,
        vocabulary_size=vocabulary_size,
        embedding_dim=part.embedding_dim,
        dropout=part.dropout,
        token_dropout=part.token_dropout,
        seed=seed,
        name=name,
    )


def encoder(model: options.Network, seed: int) -> classifier.Encoder:
    """Build what turns word vectors into one vector."""
    if isinstance(model, options.CNN):
        return classifier.cnn_encoder(model.filters, model.kernel_sizes)
    if isinstance(model, options.Transformer):
        return classifier.transformer_encoder(
            model.num_layers, model.num_heads, model.intermediate_dim, model.dropout, seed
        )
    if isinstance(model, options.Hybrid):
        return classifier.hybrid_encoder(model.num_layers, model.num_heads, model.dropout / 2, seed)
    assert isinstance(model, options.RNN | options.LSTM | options.GRU)
    return classifier.recurrent_encoder(
        model.type,
        model.units,
        model.num_layers,
        model.bidirectional,
        model.attention,
        model.dropout,
        seed,
    )
