"""Transcripts as tokens: characters, or subwords."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from toolkit.ragged import Ragged
from toolkit.tasks.speech.spelling import clean
from toolkit.text.subwords import Subwords

WORD_START = "▁"  # SentencePiece's mark of a space


class Characters:
    """Characters as tokens from 1 on; 0 is the blank.

    Args:
        characters: each once, in order.
    """

    def __init__(self, characters: Sequence[str]) -> None:
        self.names = ["", *characters]
        self.numbers = {name: number for number, name in enumerate(self.names)}

    @classmethod
    def fit(cls, texts: Iterable[str]) -> Characters:
        """All characters that occur, sorted."""
        return cls(sorted(set("".join(texts))))

    def encode(self, texts: Sequence[str]) -> Ragged:
        """Tokens of each text; characters that are not known fall out."""
        known = self.numbers
        return Ragged.join([_row([known[c] for c in text if c in known]) for text in texts])

    @property
    def alphabet(self) -> str | None:
        """The characters that texts may hold; None: any."""
        return "".join(self.names)

    def decode(self, tokens: Iterable[int]) -> str:
        """The text of tokens; zeros fall out."""
        return clean("".join(self.names[token] for token in tokens))

    def state(self) -> dict[str, Any]:
        """Plain data to make it of again."""
        return {"characters": self.names[1:]}


class Pieces(Characters):
    """Subwords as tokens from 1 on; 0 is the blank.

    Args:
        model: a serialised SentencePiece model, in hexadecimal.
    """

    def __init__(self, model: str) -> None:
        self.model = model
        self.subwords = Subwords(bytes.fromhex(model), lowercase=False)
        ids = list(range(len(self.subwords)))
        pieces = self.subwords.tokenizer.id_to_string(ids).numpy()
        super().__init__([piece.decode() for piece in pieces[1:]])

    @classmethod
    def fit_pieces(cls, texts: Sequence[str], size: int) -> Pieces:
        """Fit at most ``size`` subwords."""
        fitted = Subwords.fit(np.array(texts, object), size, lowercase=False)
        return cls(fitted.model.hex())

    def encode(self, texts: Sequence[str]) -> Ragged:
        """Tokens of each text."""
        ids = self.subwords(np.array(texts, object))
        return Ragged.join([(ids.flat_values.numpy(), ids.row_lengths().numpy())])

    @property
    def alphabet(self) -> str | None:
        """Any character: what is not known is spelt in bytes."""
        return None

    def decode(self, tokens: Iterable[int]) -> str:
        """The text of tokens."""
        return clean(super().decode(tokens).replace(WORD_START, " "))

    def state(self) -> dict[str, Any]:
        """Plain data to make it of again."""
        return {"subwords": self.model}


def from_state(state: dict[str, Any]) -> Characters:
    """Make again what :meth:`Characters.state` described."""
    return Pieces(state["subwords"]) if "subwords" in state else Characters(state["characters"])


def _row(tokens: list[int]) -> tuple[Any, Any]:
    return np.array(tokens, np.int32), np.array([len(tokens)], np.int64)
