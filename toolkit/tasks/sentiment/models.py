"""From the model section of a recipe to a built classifier."""

from __future__ import annotations

from typing import Any

import keras

from toolkit.models import classifier
from toolkit.tasks.base import Decision
from toolkit.tasks.sentiment import options

SHORT = 60  # words: within a text this short, how a word is spelt still matters


def choose_model(examples: int, median_length: float) -> Decision:
    """What ``model: auto`` stands for."""
    bag = options.Bag()
    if median_length <= SHORT:
        members: tuple[Any, ...] = (bag, options.CNN(), options.GRU())
        reason = "short texts: n-grams of words and characters, with two networks that see order"
    else:
        members = (bag, options.CNN())
        reason = "long texts: n-grams carry most, a convolution adds what words have in common"
    return Decision(
        options.Ensemble(members=members).model_dump(mode="json"),
        f"{examples} training texts of {median_length:.0f} words: {reason}",
    )


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
    members = model.members if isinstance(model, options.Ensemble) else (model,)
    return [member for member in members if isinstance(member, options.Bag)]


def build(
    model: Any, num_classes: int, vocabulary_size: int, ngrams: dict[str, int], seed: int
) -> keras.Model:
    """Build the model that a section names.

    Args:
        model: the section, or a member of an ensemble.
        num_classes: logits of a text.
        vocabulary_size: of ``token_ids``.
        ngrams: how many n-grams of each kind there are.
        seed: of the weights and dropouts.
    """
    if isinstance(model, options.Ensemble):
        members = [
            build(member, num_classes, vocabulary_size, ngrams, seed + 1000 * i)
            for i, member in enumerate(model.members)
        ]
        for i, member in enumerate(members):
            member.name = f"{member.name}_{i}"
        return classifier.ensemble(members)
    if isinstance(model, options.Bag):
        return classifier.bag(num_classes, ngrams, model.dropout, seed, "bag")
    return classifier.network(
        encoder(model, seed),
        num_classes=num_classes,
        vocabulary_size=vocabulary_size,
        embedding_dim=model.embedding_dim,
        dropout=model.dropout,
        token_dropout=model.token_dropout,
        seed=seed,
        name=model.type,
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
    cell = "simple_rnn" if isinstance(model, options.RNN) else model.type
    return classifier.recurrent_encoder(
        cell,
        model.units,
        model.num_layers,
        model.bidirectional,
        model.attention,
        model.dropout,
        seed,
    )
