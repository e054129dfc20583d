"""Both sides' texts as ids: fitted pieces, lengths, what may be learnt from."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from toolkit.errors import DataError, RunError, unreadable
from toolkit.tasks.translation.sides import Side, Sides
from toolkit.text.subwords import END, START, Subwords

MAX_SIZE, MIN_SIZE = 32_000, 400
SAME_LETTERS = 0.7  # of the letters of either side that the other side has too
COVERED = 0.9995  # of the text: what its letters make, the others being read byte by byte
BYTES = 300  # pieces for bytes and marks
SLACK = 5  # pieces added to both sides before their ratio is taken


@dataclass(frozen=True)
class PairOptions:
    """How both sides become ids.

    Attributes:
        kind: how pieces are found.
        size: most pieces of a vocabulary.
        shared: one vocabulary for both sides.
        lowercase: whether case is dropped.
        form: Unicode normal form, or None.
    """

    kind: Literal["bpe", "unigram"]
    size: int
    shared: bool
    lowercase: bool
    form: str | None


class Pairs(Sides):
    """The pieces that are fitted on both sides, and the lengths that the training pairs have.

    Args:
        options: how texts become ids.
        source: the source's pieces.
        target: the target's; the same object where they are shared.
        length: most pieces of a side, its end included.
        slope: most target pieces for each source piece.
    """

    def __init__(
        self,
        options: PairOptions,
        source: Subwords,
        target: Subwords,
        length: int = 512,
        slope: float = 2.0,
    ) -> None:
        super().__init__(length, slope)
        self.options = options
        self.source, self.target = source, target
        self.start, self.end = START, END
        self.lowercase, self.shared = options.lowercase, options.shared

    @classmethod
    def fit(
        cls, source: NDArray[np.object_], target: NDArray[np.object_], options: PairOptions
    ) -> Pairs:
        """Fit the pieces on ``(examples,)`` texts of both sides.

        Raises:
            DataError: the texts do not support that many pieces.
        """

        def fitted(texts: NDArray[np.object_]) -> Subwords:
            return Subwords.fit(
                texts,
                options.size,
                options.lowercase,
                form=options.form,
                kind=options.kind,
                marks=True,
            )

        if options.shared:
            both = fitted(np.concatenate([source, target]))
            return cls(options, both, both)
        return cls(options, fitted(source), fitted(target))

    def pieces(self, side: Side, texts: Any) -> tf.RaggedTensor:
        """Ids of ``(batch,)`` texts, without marks."""
        return (self.source if side == "source" else self.target)(texts)

    def sizes(self) -> tuple[int, int]:
        """How many pieces either side has."""
        return len(self.source), len(self.target)

    def join(self, tokens: Any) -> Any:
        """Texts of ``(..., length)`` target ids, 0 as padding: ``(...)`` strings."""
        flat = tf.reshape(tokens, [-1, tf.shape(tokens)[-1]])
        ragged = tf.RaggedTensor.from_tensor(flat, padding=0)
        return tf.reshape(self.target.join(ragged), tf.shape(tokens)[:-1])

    def names(self, side: Side, ids: Any) -> list[str]:
        """The pieces that ids stand for, as they are written in the vocabulary."""
        pieces = self.source if side == "source" else self.target
        found = pieces.tokenizer.id_to_string(tf.constant(ids, tf.int32)).numpy()
        return [name.decode("utf-8") for name in found]

    def save(self, directory: Path) -> None:
        """Write ``pairs.json`` and the pieces."""
        content = {
            "options": asdict(self.options),
            "length": self.length,
            "slope": self.slope,
            "sha256": [_digest(self.source), _digest(self.target)],
        }
        (directory / "pairs.json").write_text(json.dumps(content, indent=1))
        self.source.save(directory / "source.model")
        if self.target is not self.source:
            self.target.save(directory / "target.model")

    @classmethod
    def load(cls, directory: Path) -> Pairs:
        """Read what :meth:`save` wrote.

        Raises:
            RunError: a file is missing or damaged, or the pieces are not those of the run.
        """
        path = directory / "pairs.json"
        try:
            content = json.loads(path.read_text())
            options = PairOptions(**content["options"])
            length, slope = int(content["length"]), float(content["slope"])
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise unreadable(path, error) from error
        read = (options.lowercase, options.form)
        source = Subwords.load(directory / "source.model", *read)
        target = source if options.shared else Subwords.load(directory / "target.model", *read)
        if content.get("sha256") != [_digest(source), _digest(target)]:
            raise RunError(
                f"{directory}: other pieces than the model was trained with. Expected sha256 "
                f"{content.get('sha256')}. Received: {[_digest(source), _digest(target)]}."
            )
        return cls(options, source, target, length, slope)


def _digest(pieces: Subwords) -> str:
    return hashlib.sha256(pieces.model).hexdigest()


def vocabulary_size(texts: NDArray[np.object_]) -> tuple[int, str]:
    """Pieces that suit running text, and why: ten times the square root of its words.

    Where words are not separated, twelve characters count as a word. Every letter that is not very
    rare needs a piece of its own.
    """
    letters = Counter("".join(str(text) for text in texts))
    total = sum(letters.values())
    words = max(sum(len(str(text).split()) for text in texts), total // 12)
    seen = np.cumsum([count for _, count in letters.most_common()])
    alphabet = int(np.searchsorted(seen, COVERED * total)) + 1
    size = int(np.clip(round(10 * words**0.5, -2), MIN_SIZE, MAX_SIZE))
    return max(size, 2 * alphabet + BYTES), f"{words:,} training words, {alphabet:,} letters"


def same_letters(source: NDArray[np.object_], target: NDArray[np.object_]) -> float:
    """The share of either side's letters that the other side uses too, of the two the smaller."""
    sets = [_letters(texts) for texts in (source, target)]
    shares = [
        sum(count for letter, count in one.items() if letter in other) / max(sum(one.values()), 1)
        for one, other in (sets, sets[::-1])
    ]
    return min(shares)


def _letters(texts: NDArray[np.object_]) -> dict[str, int]:
    counts = Counter("".join(str(text) for text in texts[:10_000]))
    return {letter: count for letter, count in counts.items() if letter.isalpha()}


def require_size(pairs: Pairs, written: int | str) -> None:
    """See that a vocabulary's size that the recipe asks for was reached.

    Raises:
        DataError: the training texts hold fewer pieces.
    """
    if written == "auto":
        return
    sides = {"both sides": pairs.source} if pairs.shared else {
        "the source": pairs.source, "the target": pairs.target
    }  # fmt: skip
    for name, pieces in sides.items():
        if len(pieces) < int(written):
            raise DataError(
                f"data.vocabulary.size: larger than the training texts of {name} support. "
                f"Expected at most {len(pieces):,}, or auto. Received: {int(written):,}."
            )


def too_long_or_uneven(
    source: NDArray[np.int64], target: NDArray[np.int64], length: int, max_ratio: float | None
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which pairs of such lengths are longer than ``length``, and which of the others uneven."""
    long = np.maximum(source, target) > length
    if max_ratio is None:
        return long, np.zeros_like(long)
    longer, shorter = np.maximum(source, target) + SLACK, np.minimum(source, target) + SLACK
    return long, ~long & (longer > max_ratio * shorter)
