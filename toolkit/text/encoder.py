"""From raw texts to model inputs, in the graph: tokens, and n-grams of words and characters."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import NDArray

from toolkit.errors import unreadable
from toolkit.ragged import Ragged
from toolkit.text.ngrams import NGrams, thinned
from toolkit.text.subwords import Subwords
from toolkit.text.vocabulary import UNKNOWN, Vocabulary
from toolkit.text.words import split_words

BATCH = 1024
MAX_WORDS = 500_000  # word types that n-grams are made of
MAX_CHARACTERS = 1_000


@dataclass(frozen=True)
class EncoderOptions:
    """How texts become ids.

    Attributes:
        tokens: ``word`` or ``subword``: what ``token_ids`` are; ``none``: n-grams alone.
        vocabulary_size: ids of the tokens, the special ones included.
        min_count: a rarer word is unknown.
        lowercase: whether case is dropped.
        sequence_length: a longer text keeps this many tokens.
        keep: which tokens an over-long text keeps; ``both``: a quarter from the start, the rest
            from the end.
        word_orders: lengths of the n-grams of words; none: no ``word_ngrams``.
        character_orders: lengths of the n-grams of characters within words.
        max_ngrams: the most n-grams of a kind.
        ngram_min_count: an n-gram seen less often is not known.
    """

    tokens: Literal["word", "subword", "none"] = "word"
    vocabulary_size: int = 20_000
    min_count: int = 1
    lowercase: bool = True
    sequence_length: int = 400
    keep: Literal["start", "end", "both"] = "both"
    word_orders: tuple[int, ...] = ()
    character_orders: tuple[int, ...] = ()
    max_ngrams: int = 2_000_000
    ngram_min_count: int = 1


class TextEncoder(tf.Module):
    """Encodes texts; fitted on the training split, saved with the run.

    Features, each ``(batch, length)`` ragged int32 with 0 as padding: ``token_ids``;
    ``word_ngrams`` and ``character_ngrams``, the known n-grams of the whole text, those that
    stand there more often more than once (see :func:`toolkit.text.ngrams.thinned`).
    """

    def __init__(
        self,
        options: EncoderOptions,
        words: Vocabulary | None = None,
        subwords: Subwords | None = None,
        word_ngrams: NGrams | None = None,
        characters: Vocabulary | None = None,
        character_ngrams: NGrams | None = None,
    ) -> None:
        super().__init__()
        self.options = options
        self.words = words
        self.subwords = subwords
        self.word_ngrams = word_ngrams
        self.characters = characters
        self.character_ngrams = character_ngrams
        self._graph: Callable[[Any], Any] | None = None  # traced once, for all calls of encode

    @classmethod
    def fit(cls, texts: NDArray[np.object_], options: EncoderOptions) -> TextEncoder:
        """Fit vocabularies and n-grams on ``(examples,)`` texts."""
        encoder = cls(options)
        counts = count_words(encoder._split, texts)
        encoder.words = Vocabulary.fit(counts, MAX_WORDS, options.min_count)
        if options.tokens == "subword":
            encoder.subwords = Subwords.fit(texts, options.vocabulary_size, options.lowercase)
        if options.word_orders:
            ids = collect(lambda batch: encoder._word_ids(batch), texts)
            encoder.word_ngrams = encoder._fit_ngrams(ids, options.word_orders, len(encoder.words))
        if options.character_orders:
            encoder._fit_characters(texts)
        return encoder

    @property
    def vocabulary_size(self) -> int:
        """How many different ``token_ids`` there are."""
        if self.subwords is not None:
            return len(self.subwords)
        assert self.words is not None
        return min(len(self.words), self.options.vocabulary_size)

    def __call__(self, texts: Any) -> dict[str, tf.RaggedTensor]:
        """Encode ``(batch,)`` strings."""
        words = self._split(texts)
        assert self.words is not None
        word_ids = self.words(words)
        features = {}
        if self.options.tokens != "none":
            tokens = word_ids if self.subwords is None else self.subwords(texts)
            features["token_ids"] = self._truncate(self._known(tokens))
        if self.word_ngrams is not None:
            features["word_ngrams"] = self.word_ngrams(word_ids)
        if self.character_ngrams is not None:
            features["character_ngrams"] = self._character_ngrams(words)
        return features

    def encode(self, texts: NDArray[np.object_]) -> dict[str, Ragged]:
        """Encode all ``(examples,)`` texts by the same graph, into memory."""
        if self._graph is None:
            self._graph = traced(self)
        return collect(self._graph, texts)

    def num_ngrams(self) -> dict[str, int]:
        """How many ids each feature of n-grams has."""
        kinds = {"word_ngrams": self.word_ngrams, "character_ngrams": self.character_ngrams}
        return {name: len(fitted) for name, fitted in kinds.items() if fitted is not None}

    def save(self, directory: Path) -> None:
        """Write the options and everything fitted."""
        (directory / "encoder.json").write_text(json.dumps(asdict(self.options), indent=1))
        for name, part in self._parts().items():
            part.save(directory / name)

    @classmethod
    def load(cls, directory: Path) -> TextEncoder:
        """Read what :meth:`save` wrote.

        Raises:
            RunError: a file is missing or damaged.
        """
        path = directory / "encoder.json"
        try:
            values: dict[str, Any] = json.loads(path.read_text())
            lists = {name: tuple(v) for name, v in values.items() if isinstance(v, list)}
            encoder = cls(EncoderOptions(**{**values, **lists}))
        except (OSError, ValueError, TypeError) as error:
            raise unreadable(path, error) from error
        encoder.words = Vocabulary.load(directory / "words.txt")
        if encoder.options.tokens == "subword":
            encoder.subwords = Subwords.load(
                directory / "subwords.model", encoder.options.lowercase
            )
        if encoder.options.word_orders:
            encoder.word_ngrams = NGrams.load(directory / "word_ngrams.npz")
        if encoder.options.character_orders:
            encoder.characters = Vocabulary.load(directory / "characters.txt")
            encoder.character_ngrams = NGrams.load(directory / "character_ngrams.npz")
        return encoder

    def _parts(self) -> dict[str, Any]:
        parts = {
            "words.txt": self.words,
            "subwords.model": self.subwords,
            "word_ngrams.npz": self.word_ngrams,
            "characters.txt": self.characters,
            "character_ngrams.npz": self.character_ngrams,
        }
        return {name: part for name, part in parts.items() if part is not None}

    def _split(self, texts: Any) -> tf.RaggedTensor:
        return split_words(texts, lowercase=self.options.lowercase)

    def _word_ids(self, texts: Any) -> dict[str, tf.RaggedTensor]:
        assert self.words is not None
        return {"ids": self.words(self._split(texts))}

    def _known(self, tokens: tf.RaggedTensor) -> tf.RaggedTensor:
        """Ids beyond the vocabulary's size are rarer words: unknown to the embedding."""
        ids = tokens.flat_values
        return tokens.with_flat_values(tf.where(ids < self.vocabulary_size, ids, UNKNOWN))

    def _truncate(self, tokens: tf.RaggedTensor) -> tf.RaggedTensor:
        length, keep = self.options.sequence_length, self.options.keep
        if keep == "start":
            return tokens[:, :length]
        if keep == "end":
            return tokens[:, -length:]
        first = length // 4
        rest = tokens[:, first:]
        return tf.concat([tokens[:, :first], rest[:, -(length - first) :]], axis=1)

    def _characters_of(self, words: tf.RaggedTensor) -> tf.RaggedTensor:
        """Ids of the characters of each word, the word's ends marked by a space."""
        assert self.characters is not None
        marked = tf.strings.join([" ", words.flat_values, " "])
        return self.characters(tf.strings.unicode_split(marked, "UTF-8", errors="replace"))

    def _character_ngrams(self, words: tf.RaggedTensor) -> tf.RaggedTensor:
        assert self.character_ngrams is not None
        different, place = tf.unique(words.flat_values)
        lone = tf.RaggedTensor.from_uniform_row_length(different, 1)
        ngrams = tf.gather(self.character_ngrams.every(self._characters_of(lone)), place)
        merged = words.with_values(ngrams).merge_dims(1, 2)
        size = len(self.character_ngrams)
        keys = merged.value_rowids() * size + tf.cast(merged.flat_values, tf.int64)
        return thinned(keys, size, merged.nrows())

    def _fit_characters(self, texts: NDArray[np.object_]) -> None:
        """N-grams of characters count once for each text, which the words' counts stand for."""

        def characters(batch: Any) -> tf.RaggedTensor:
            marked = tf.strings.join([" ", self._split(batch).flat_values, " "])
            return tf.strings.unicode_split(marked, "UTF-8", errors="replace")

        self.characters = Vocabulary.fit(count_words(characters, texts), MAX_CHARACTERS)
        ids = collect(lambda batch: {"ids": self._characters_of(self._split(batch))}, texts)
        orders = self.options.character_orders
        self.character_ngrams = self._fit_ngrams(ids, orders, len(self.characters))

    def _fit_ngrams(self, ids: Mapping[str, Ragged], orders: tuple[int, ...], base: int) -> NGrams:
        return NGrams.fit(
            ids["ids"].values,
            ids["ids"].splits,
            base,
            orders,
            max_size=self.options.max_ngrams,
            min_count=self.options.ngram_min_count,
        )


def traced(encode: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Trace ``encode`` of ``(batch,)`` strings once, for all calls of :func:`collect`.

    The result can be an attribute of a ``tf.Module`` without being exported with it.
    """
    strings = tf.TensorSpec([None], tf.string)
    function = tf.function(encode, input_signature=[strings], autograph=False)
    return lambda batch: function(batch)


def _in_batches(function: Any, texts: NDArray[np.object_]) -> tf.data.Dataset:
    """Stream what ``function`` makes of batches of ``(examples,)`` texts."""
    function = tf.autograph.experimental.do_not_convert(function)
    batches = tf.data.Dataset.from_tensor_slices(texts).batch(BATCH)
    return batches.map(function, num_parallel_calls=2)


def collect(encode: Any, texts: NDArray[np.object_]) -> dict[str, Ragged]:
    """Run ``encode`` over all texts and keep its ragged features in memory."""
    parts: dict[str, list[tuple[NDArray[Any], NDArray[np.int64]]]] = {}
    for features in _in_batches(encode, texts):
        for name, rows in features.items():
            parts.setdefault(name, []).append(
                (rows.flat_values.numpy(), rows.row_lengths().numpy())
            )
    return {name: Ragged.join(part) for name, part in parts.items()}


def count_words(split: Any, texts: NDArray[np.object_]) -> list[tuple[str, int]]:
    """Count what ``split`` makes of the texts, batch by batch, so that memory stays flat."""
    counts = pd.Series(dtype="int64")
    for words in _in_batches(split, texts):
        found = pd.Series(words.flat_values.numpy()).value_counts()
        counts = counts.add(found, fill_value=0)
    words = [str(word, "utf-8") for word in counts.index.to_numpy(dtype=object)]
    return list(zip(words, counts.to_numpy(np.int64).tolist(), strict=True))
