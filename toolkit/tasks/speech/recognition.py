"""The text of a clip by CTC: what is fitted, learnt, answered and scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import NDArray

from toolkit.data.columns import texts
from toolkit.data.examples import Examples
from toolkit.data.report import raise_all, row_finding
from toolkit.errors import DataError
from toolkit.metrics.bootstrap import intervals
from toolkit.metrics.recognition import RecognitionScorer
from toolkit.models import ctc
from toolkit.ragged import Ragged
from toolkit.tasks.base import Monitor, Tensors
from toolkit.tasks.speech.attending import attention_loss
from toolkit.tasks.speech.ctc_loss import ctc_losses, silenced
from toolkit.tasks.speech.spelling import normalise, strange
from toolkit.tasks.speech.transcripts import (
    WORD_START,
    Characters,
    Pieces,
    from_state,
)
from toolkit.text.character_model import fit_table

if TYPE_CHECKING:
    from toolkit.data.table import Table
    from toolkit.tasks.speech.options import Options

HARDEST = 20
LENGTH_BOUNDS = (2, 5, 10, 20)  # words, of the groups that scores by length are of


class TextOutput:
    """The text that is spoken, from logits at each step.

    Args:
        options: the recipe's.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.tokens = Characters([])
        self.language: NDArray[np.float32] | None = None

    @property
    def size(self) -> int:
        """Logits of a step, the blank included."""
        return len(self.tokens.names)

    def transcripts(self, table: Table) -> list[str]:
        """The normalised transcripts of a table's rows."""
        lowercase = self.options.data.lowercase
        return [normalise(text, lowercase) for text in texts(table, self.options.transcripts)]

    def fit(self, table: Table, others: Sequence[Table] = ()) -> None:
        """Find the characters, those of other tables too, or fit the subwords.

        Raises:
            DataError: a transcript holds what the recipe's alphabet does not.
        """
        data = self.options.data
        written = self.transcripts(table)
        between = " " if data.join else ""  # texts of clips that are joined
        if data.tokens == "subwords":
            self.tokens = Pieces.fit_pieces(written, data.num_tokens)
        elif data.alphabet is None:
            more = [text for other in others for text in self.transcripts(other)]
            self.tokens = Characters.fit([*written, *more, between])
        else:
            alphabet = self.options.alphabet or ""
            self.tokens = Characters(list(dict.fromkeys(alphabet + between)))
            raise_all(strange(table, written, self.tokens.alphabet))
        task = self.options.task
        if task.language_model:
            rows = self.tokens.encode(written)
            parts = np.split(rows.values, rows.splits[1:-1])
            self.language = fit_table(parts, self.size, task.language_order)

    def state(self) -> dict[str, Any]:
        """Plain data for the run directory."""
        return self.tokens.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take what :meth:`state` gave."""
        self.tokens = from_state(dict(state))

    def targets(self, table: Table) -> tuple[dict[str, Any], NDArray[np.float64]]:
        """``tokens`` of a table's rows; each row counts by its number of tokens.

        Raises:
            DataError: characters that training did not see, or a transcript without any token.
        """
        written = self.transcripts(table)
        raise_all(strange(table, written, self.tokens.alphabet))
        tokens = self.tokens.encode(written)
        bare = np.flatnonzero(tokens.lengths == 0)
        if len(bare):
            what, expected = "a transcript without anything to recognise", "characters in every row"
            raise_all([row_finding("error", table, bare, what, expected)])
        return {"tokens": tokens}, tokens.lengths.astype(np.float64)

    def join(self, targets: Mapping[str, Any], rows: Sequence[Sequence[int]]) -> Ragged:
        """Tokens of transcripts put one after another, a space between two."""
        tokens: Ragged = targets["tokens"]
        space = self.tokens.encode([" "]).values
        joined = []
        for chosen in rows:
            parts = [tokens.take(np.array([row])).values for row in chosen]
            spaced = [p for part in parts for p in (space, part)][1:]
            joined.append(np.concatenate(spaced).astype(np.int32))
        lengths = np.array([len(one) for one in joined], np.int64)
        return Ragged.join([(np.concatenate(joined), lengths)])

    def loss(self, outputs: Any, targets: Tensors, weights: Any) -> Any:
        """Loss in nats a token, of CTC, of the attention decoder or of both, weighted."""
        task, tokens = self.options.task, tf.cast(targets["tokens"], tf.int32)
        if task.decoder == "ctc":
            unheard = targets.get("unheard")
            return tf.reduce_sum(self._ctc_loss(outputs, tokens, unheard) * weights)
        losses = attention_loss(outputs["decoded"], tokens)
        if task.decoder == "joint":
            share = task.ctc_weight
            losses = share * self._ctc_loss(outputs, tokens) + (1 - share) * losses
        return tf.reduce_sum(losses * weights)

    def _ctc_loss(self, outputs: Any, tokens: Any, unheard: Any = None) -> Any:
        """``(batch,)``; clips too short for their transcript count nothing."""
        logits, steps = outputs["logits"], outputs["num_steps"]
        if unheard is not None:
            logits = silenced(logits, steps, tokens, unheard)
        losses, fits = ctc_losses(logits, steps, tokens)
        count = tf.maximum(tf.reduce_sum(tf.cast(tokens != 0, tf.float32), 1), 1.0)
        return tf.where(fits, losses, 0.0) / count

    # -- answers ------------------------------------------------------------------------------

    @property
    def monitor(self) -> Monitor:
        """Word error rate."""
        return Monitor("wer", "min")

    def answer(self, outputs: Any) -> Tensors:
        """``tokens`` ``(batch, steps)``, zeros after the last, and ``score`` ``(batch,)``.

        Also ``path``, the likeliest token of each step.
        """
        logits, steps, task = outputs["logits"], outputs["num_steps"], self.options.task
        if task.beam_width == 1:
            tokens, score = ctc.greedy(logits, steps)
        else:
            tokens, score = ctc.prefix_beam(
                logits, steps, task.beam_width, self.language, task.language_model
            )
        return {"tokens": tokens, "score": score, "path": ctc.path(logits, steps)}

    def validate(self, outputs: Any) -> Tensors:
        """The likeliest path, which is quicker."""
        tokens, score = ctc.greedy(outputs["logits"], outputs["num_steps"])
        return {"tokens": tokens, "score": score}

    def recognised(self, answers: Mapping[str, NDArray[Any]]) -> list[str]:
        """The answers as texts."""
        return [self.tokens.decode(row) for row in np.asarray(answers["tokens"]).tolist()]

    def _references(self, examples: Examples) -> list[str]:
        tokens = examples.target("tokens")
        assert isinstance(tokens, Ragged)
        rows = np.split(tokens.values, tokens.splits[1:-1])
        return [self.tokens.decode(row.tolist()) for row in rows]

    def read(self, answers: Mapping[str, NDArray[Any]], examples: Examples) -> Any:
        """Right texts, recognised texts and the words that are wrong in each, ``(clips,)``."""
        references, recognised = self._references(examples), self.recognised(answers)
        errors = RecognitionScorer(references, recognised).words[:, :3].sum(1)
        return references, recognised, errors

    def score(self, answers: Mapping[str, NDArray[Any]], examples: Examples) -> dict[str, float]:
        """Word and character error rate, and what the errors are."""
        return RecognitionScorer(self._references(examples), self.recognised(answers))()

    def report(
        self, answers: Mapping[str, NDArray[Any]], examples: Examples, table: Table
    ) -> dict[str, Any]:
        """Scores with intervals, by speaker and by length, and the worst clips."""
        references, recognised = self._references(examples), self.recognised(answers)
        scorer = RecognitionScorer(references, recognised)
        report: dict[str, Any] = {"scores": scorer()}
        chosen = self.options.evaluate
        if chosen.bootstrap:
            report["intervals"] = intervals(
                scorer, len(references), resamples=chosen.bootstrap, confidence=chosen.confidence
            )
        if self.options.data.speaker is not None:
            report["per_speaker"] = scorer.grouped(texts(table, self.options.data.speaker))
        report["per_length"] = scorer.grouped([_length_group(text) for text in references])
        report["hardest_errors"] = _worst(scorer, references, recognised, table)
        return report

    def predictions(self, answers: Mapping[str, NDArray[Any]]) -> pd.DataFrame:
        """``prediction``, the text, and ``score``, its confidence."""
        return pd.DataFrame({"prediction": self.recognised(answers), "score": answers["score"]})

    def named(self, answers: Tensors) -> Tensors:
        """``text`` and ``score``."""
        return {"text": tf.strings.strip(self.spelt(answers["tokens"])), "score": answers["score"]}

    def spelt(self, tokens: Any) -> Any:
        """``(batch,)`` texts of ``(batch, steps)`` tokens, with the spaces at their ends."""
        text = tf.strings.reduce_join(tf.gather(tf.constant(self.tokens.names), tokens), axis=-1)
        return tf.strings.regex_replace(text, f"[{WORD_START}\\s]+", " ")

    def meanings(self) -> dict[str, str]:
        """What the exported outputs are."""
        return {
            "text": "the recognised text, UTF-8",
            "score": "confidence: mean probability (geometric) of the steps' tokens, 0 to 1",
        }

    def check_room(self, table: Table, tokens: Ragged, num_steps: NDArray[Any], skip: bool) -> Any:
        """A mask of the rows whose transcripts their steps leave room for.

        Raises:
            DataError: there are rows without room and they are not to be skipped.
        """
        padded = tokens.padded(np.arange(len(tokens)), int(tokens.lengths.max(initial=1)))
        needed = np.asarray(ctc.required_frames(padded))
        fits = needed <= num_steps
        if fits.all():
            return fits
        row = int(np.flatnonzero(~fits)[0])
        what = (
            f"a transcript longer than its clip has steps for: {needed[row]} needed, "
            f"{int(num_steps[row])} there"
        )
        finding = row_finding(
            "error", table, np.flatnonzero(~fits), what, "longer clips, or less model.subsampling"
        )
        if not skip:
            raise DataError(str(finding))
        return fits


def _length_group(text: str) -> str:
    count = len(text.split())
    low = 1
    for bound in LENGTH_BOUNDS:
        if count <= bound:
            return f"{low} to {bound} words"
        low = bound + 1
    return f"{low} words or more"


def _worst(
    scorer: RecognitionScorer, references: list[str], recognised: list[str], table: Table
) -> list[dict[str, Any]]:
    """The clips with most errors of words."""
    errors = scorer.words[:, :3].sum(1)
    order = np.argsort(-errors, kind="stable")[:HARDEST]
    return [
        {
            "where": table.where(int(row)),
            "text": references[row],
            "prediction": recognised[row],
            "errors": int(errors[row]),
        }
        for row in order
        if errors[row]
    ]
