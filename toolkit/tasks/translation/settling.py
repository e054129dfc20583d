"""What a recipe leaves to the data: vocabularies, lengths, dropout, how to train."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.errors import DataError
from toolkit.recipe import Auto
from toolkit.tasks.base import Decision
from toolkit.tasks.translation.options import RNN, Hybrid, Preset, VocabularyOptions, networks
from toolkit.tasks.translation.pairs import (
    SAME_LETTERS,
    PairOptions,
    same_letters,
    vocabulary_size,
)
from toolkit.tasks.translation.sides import Sides

Texts = NDArray[np.object_]
Decisions = dict[str, Decision]
MAX_LENGTH, MIN_LENGTH = 512, 64
MANY = 500_000  # training pairs from which BPE-dropout is no help


def settle_pieces(
    vocabulary: VocabularyOptions, source: Texts, target: Texts
) -> tuple[PairOptions, Decisions]:
    """Settle whether the sides share their pieces, and how many there are."""
    shared, size = vocabulary.shared, vocabulary.size
    decisions: Decisions = {}
    if shared == "auto":
        same = same_letters(source, target)
        shared = same >= SAME_LETTERS
        reason = f"the sides share {same:.0%} of their letters"
        decisions["data.vocabulary.shared"] = Decision(shared, reason)
    if size == "auto":
        sides = [np.concatenate([source, target])] if shared else [source, target]
        size, reason = max(vocabulary_size(side) for side in sides)
        decisions["data.vocabulary.size"] = Decision(size, reason)
    form = None if vocabulary.unicode == "none" else vocabulary.unicode.upper()
    options = PairOptions(vocabulary.type, size, shared, vocabulary.lowercase, form)
    return options, decisions


def settle_lengths(
    pairs: Sides, length: int | Auto, source: Texts, target: Texts
) -> tuple[int, Decisions]:
    """Settle how long a side and an answer may be; also count the training pieces.

    Raises:
        DataError: the model has no positions for that length.
    """
    most = 100 * MAX_LENGTH if pairs.positions is None else pairs.positions
    pairs.length = 100 * MAX_LENGTH  # so that nothing is cut before it is counted
    lengths = [
        pairs.encode("source", source).lengths,
        pairs.encode("target", target).lengths,
    ]
    reason = "the recipe says so"
    if length == "auto":
        needed = int(np.quantile(np.maximum(*lengths), 0.999, method="higher"))
        settled = min(int(np.clip(2 * needed, MIN_LENGTH, MAX_LENGTH)), most)
        reason = f"99.9 % of the training pairs have at most {needed} pieces a side"
    else:
        settled = length
    if settled > most:
        raise DataError(
            f"data.sequence_length: more pieces than the preset has positions for. Expected at "
            f"most {most}. Received: {settled}."
        )
    ratios = lengths[1] / np.maximum(lengths[0], 1)
    pairs.length = settled
    pairs.slope = float(max(0.5, round(1.5 * np.quantile(ratios, 0.99), 2)))
    pieces = int(sum(each.sum() for each in lengths))
    return pieces, {"data.sequence_length": Decision(settled, reason)}


def settle_dropout(vocabulary: VocabularyOptions, rows: int) -> tuple[float, Decisions]:
    """Settle the rate of BPE-dropout, given the number of training pairs."""
    if vocabulary.dropout != "auto":
        return float(vocabulary.dropout), {}
    value = 0.1 if vocabulary.type == "bpe" and rows < MANY else 0.0
    reason = f"{vocabulary.type}, {rows:,} training pairs"
    return value, {"data.vocabulary.dropout": Decision(value, reason)}


def recommended(model: Any, rows: int, pieces: int) -> Decisions:
    """How to train a model from nothing on so many pairs of so many pieces."""
    if isinstance(model, Preset):
        return {
            "batch_size": Decision(32, "usual for fine-tuning"),
            "epochs": Decision(3, "usual for fine-tuning"),
            "learning_rate": Decision(5e-5, "usual for fine-tuning"),
        }
    rate, reason = min(_rate(network) for network in networks(model))
    tokens = int(np.clip(pieces / 250, 1024, 16384))
    epochs = int(np.clip(round((1.2e8 / rows) ** 0.5), 5, 60))
    return {
        "batch_tokens": Decision(tokens, f"{pieces:,} training pieces"),
        "epochs": Decision(epochs, f"{rows:,} training pairs"),
        "learning_rate": Decision(rate, reason),
    }


def _rate(network: Any) -> tuple[float, str]:
    """A learning rate that suits a network, and why."""
    if isinstance(network, RNN | Hybrid):
        return 2e-3, "recurrent"
    return round(0.03 / network.hidden_dim**0.5, 5), f"width {network.hidden_dim}"
