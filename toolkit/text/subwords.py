"""Subwords: a SentencePiece model, fitted on the training split, in the graph."""

from __future__ import annotations

import io
import tempfile
import unicodedata
from pathlib import Path
from typing import Any, Literal

import numpy as np
import sentencepiece
import tensorflow as tf
import tensorflow_text as tf_text
from numpy.typing import NDArray
from sentencepiece import sentencepiece_model_pb2

from toolkit.errors import DataError, unreadable
from toolkit.text.vocabulary import PADDING, UNKNOWN
from toolkit.text.words import normalise

MAX_SENTENCES = 500_000  # more do not change the pieces; drawn with the trainer's fixed seed


START, END = 2, 3  # ids of the marks around an output, where there are marks


class Subwords(tf.Module):
    """Unigram (Kudo 2018) or BPE pieces with byte fallback; 0 is padding, 1 unknown.

    Args:
        model: a serialised SentencePiece model.
        lowercase: whether texts are lower-cased first.
        form: the Unicode normal form that texts are brought to first; None: as they are.
    """

    def __init__(self, model: bytes, lowercase: bool = True, form: str | None = "NFKC") -> None:
        super().__init__()
        self.model, self.lowercase, self.form = model, lowercase, form
        self.tokenizer = tf_text.SentencepieceTokenizer(model=model, out_type=tf.int32)
        self.size = int(self.tokenizer.vocab_size().numpy())

    @classmethod
    def fit(
        cls,
        texts: NDArray[np.object_],
        size: int,
        lowercase: bool = True,
        *,
        form: str | None = "NFKC",
        kind: Literal["unigram", "bpe"] = "unigram",
        marks: bool = False,
    ) -> Subwords:
        """Fit at most ``size`` pieces.

        Args:
            texts: ``(examples,)`` strings.
            size: the most pieces.
            lowercase: whether texts are lower-cased first.
            form: the Unicode normal form; None: the characters as they are.
            kind: how the pieces are found.
            marks: whether ``START`` and ``END`` have ids; no text ever gives them.

        Raises:
            DataError: the texts do not support that many pieces.
        """
        written = io.BytesIO()
        lines = (_text(text, lowercase, form) for text in texts)
        try:
            with tempfile.TemporaryDirectory() as folder:
                sentencepiece.SentencePieceTrainer.train(
                    sentence_iterator=lines,
                    model_writer=written,
                    vocab_size=size,
                    model_type=kind,
                    hard_vocab_limit=False,
                    byte_fallback=True,
                    pad_id=PADDING,
                    unk_id=UNKNOWN,
                    bos_id=START if marks else -1,
                    eos_id=END if marks else -1,
                    input_sentence_size=MAX_SENTENCES,
                    minloglevel=2,
                    **_rules(form, Path(folder)),
                )
        except RuntimeError as error:
            raise DataError(
                f"data.vocabulary.size: the training texts do not support it. Expected a smaller "
                f"size. Received: {size} ({error})."
            ) from error
        return cls(_without_folder(written.getvalue()), lowercase, form)

    def __len__(self) -> int:
        return self.size

    def __call__(self, texts: Any) -> tf.RaggedTensor:
        """Return the ids of the pieces of ``(batch,)`` texts, ragged int32."""
        return self.tokenizer.tokenize(normalise(texts, lowercase=self.lowercase, form=self.form))

    def join(self, ids: tf.RaggedTensor) -> Any:
        """Return the ``(batch,)`` texts of ragged ids; padding and marks are no text."""
        return self.tokenizer.detokenize(ids)

    def save(self, path: Path) -> None:
        """Write the SentencePiece model."""
        path.write_bytes(self.model)

    @classmethod
    def load(cls, path: Path, lowercase: bool = True, form: str | None = "NFKC") -> Subwords:
        """Read what :meth:`save` wrote.

        Raises:
            RunError: the file cannot be read.
        """
        try:
            return cls(path.read_bytes(), lowercase, form)
        except (OSError, tf.errors.OpError) as error:
            raise unreadable(path, error) from error


def _rules(form: str | None, folder: Path) -> dict[str, Any]:
    """SentencePiece's own normalisation: NFKC, or nothing but a space for a tab."""
    if form == "NFKC":
        return {}
    path = folder / "rules.tsv"
    path.write_text("9\t20\n")
    return {"normalization_rule_tsv": str(path)}


def _without_folder(model: bytes) -> bytes:
    """A SentencePiece model that does not name the folder it was made in: its bytes repeat."""
    content = sentencepiece_model_pb2.ModelProto.FromString(model)
    content.normalizer_spec.ClearField("normalization_rule_tsv")
    return bytes(content.SerializeToString(deterministic=True))


def _text(text: Any, lowercase: bool, form: str | None) -> str:
    plain = str(text) if form in (None, "NFKC") else unicodedata.normalize("NFC", str(text))
    return plain.lower() if lowercase else plain
