"""Translation: what is fitted, what is learnt, what is answered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray
from pydantic import TypeAdapter

from toolkit.data.columns import optional_texts, texts
from toolkit.data.examples import Examples, sample_rows
from toolkit.data.store import StoredExamples
from toolkit.errors import ArgumentError, unreadable
from toolkit.models.decoding import Answers
from toolkit.models.seq2seq import Seq2Seq
from toolkit.ragged import Ragged
from toolkit.tasks.base import Answering, Decision, Monitor, Task, Tensors, dense
from toolkit.tasks.translation import models, options
from toolkit.tasks.translation.alignment import attention_of, draw, with_end
from toolkit.tasks.translation.losses import r_drop_loss, smoothed_loss, tied_loss, token_losses
from toolkit.tasks.translation.pairs import Pairs, require_size, too_long_or_uneven
from toolkit.tasks.translation.preset import PresetSides
from toolkit.tasks.translation.ranking import PENALTY, ROWS, USUAL, best_penalty, under_each
from toolkit.tasks.translation.reporting import bleu_of, compared, report_on
from toolkit.tasks.translation.searching import Searching, search, traced_search
from toolkit.tasks.translation.settling import (
    MAX_LENGTH,
    recommended,
    settle_dropout,
    settle_lengths,
    settle_pieces,
)
from toolkit.tasks.translation.sides import SPARE, Sides
from toolkit.text.bpe import BPEDropout

if TYPE_CHECKING:
    from toolkit.data.splits import Splits
    from toolkit.data.table import Table

CHUNK = 10_000  # rows


class Translation(Task[options.Options]):
    """Text to text: translation, summarisation, or any other rewriting."""

    options_type: ClassVar[type[options.Options]] = options.Options

    def __init__(self, options: options.Options) -> None:
        super().__init__(options)
        self.model_options: Any = options.model
        self.rows = 0
        self.pieces = 0
        self.dropout = 0.0
        penalty = options.task.length_penalty
        self.length_penalty = USUAL if penalty == "auto" else penalty
        self.pairs: Sides | None = None
        self._cutters: dict[str, BPEDropout] = {}
        self._searched: tuple[keras.Model, Searching] | None = None

    @property
    def fitted(self) -> Sides:
        """The pieces of both sides."""
        assert self.pairs is not None, "the task is not prepared"
        return self.pairs

    # -- data ---------------------------------------------------------------------------------

    def prepare(self, splits: Splits) -> None:
        """Fit the pieces and lengths on the training split; settle model and dropout."""
        source, target = self._sides(splits.train)
        self.rows = len(source)
        data = self.options.data
        self.pairs = self._pieces_of(source, target)
        self.pieces, decisions = settle_lengths(self.pairs, data.sequence_length, source, target)
        self.decisions |= decisions
        if isinstance(self.pairs, Pairs):
            self.dropout, decisions = settle_dropout(data.vocabulary, self.rows)
            self.decisions |= decisions
        if self.model_options == "auto":
            decision = models.choose_model(self.rows)
            self.model_options = options.Transformer.model_validate(decision.value)
            self.decisions["model"] = decision

    def _pieces_of(self, source: NDArray[np.object_], target: NDArray[np.object_]) -> Sides:
        """The preset's pieces, or fitted ones."""
        if isinstance(self.model_options, options.Preset):
            return PresetSides.from_preset(self.model_options.preset)
        vocabulary = self.options.data.vocabulary
        options_of_pairs, decisions = settle_pieces(vocabulary, source, target)
        self.decisions |= decisions
        fitted = Pairs.fit(source, target, options_of_pairs)
        require_size(fitted, vocabulary.size)
        return fitted

    def _sides(self, table: Table) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
        columns = (self.options.data.source, self.options.data.target)
        source, target = (np.array(texts(table, column), dtype=object) for column in columns)
        return source, target

    def save(self, directory: Path) -> None:
        """Write ``translation.json`` and the pieces."""
        content = {
            "rows": self.rows,
            "pieces": self.pieces,
            "dropout": self.dropout,
            "length_penalty": self.length_penalty,
            "model": self.model_options.model_dump(mode="json"),
        }
        (directory / "translation.json").write_text(json.dumps(content, indent=1))
        self.fitted.save(directory)

    def load(self, directory: Path) -> None:
        """Read what :meth:`save` wrote."""
        path = directory / "translation.json"
        try:
            content = json.loads(path.read_text())
            self.rows, self.pieces = content["rows"], content["pieces"]
            self.dropout = content["dropout"]
            self.length_penalty = content.get("length_penalty", self.length_penalty)
            self.model_options = TypeAdapter(options.Model).validate_python(content["model"])
        except (OSError, ValueError, KeyError) as error:
            raise unreadable(path, error) from error
        preset = isinstance(self.model_options, options.Preset)
        self.pairs = (PresetSides if preset else Pairs).load(directory)

    def learnable(self, train: Table) -> Table:
        """The training pairs that are neither too long nor too uneven; the others are counted."""
        whole = self.fitted.length
        self.fitted.length = 100 * MAX_LENGTH  # so that nothing is cut before it is counted
        masks = [self._unfit(chunk, whole) for chunk in train.chunks(CHUNK)]
        self.fitted.length = whole
        long, uneven = (np.concatenate(parts) for parts in zip(*masks, strict=True))
        reason = (
            f"of {len(train):,} training pairs {long.sum():,} have more than {whole} pieces a side "
            f"and {uneven.sum():,} are more uneven than max_ratio"
        )
        self.decisions["data.left_out"] = Decision(int((long | uneven).sum()), reason)
        # What was fitted may have been fitted on a sample; how long to train goes by all pairs.
        self.pieces = round(self.pieces * len(train) / self.rows)
        self.rows = len(train)
        return train.take(~(long | uneven)) if (long | uneven).any() else train

    def _unfit(self, table: Table, length: int) -> tuple[NDArray[Any], NDArray[Any]]:
        source, target = self._sides(table)
        lengths = (self.fitted.encode("source", source), self.fitted.encode("target", target))
        ratio = self.options.data.max_ratio
        return too_long_or_uneven(lengths[0].lengths, lengths[1].lengths, length, ratio)

    def raw(self, table: Table) -> dict[str, NDArray[Any]]:
        """The sources, and what their answers must begin with."""
        data = self.options.data
        columns = {"source": texts(table, data.source)}
        if data.prefix is not None:
            columns["prefix"] = optional_texts(table, data.prefix)
        return {name: np.array(column, dtype=object) for name, column in columns.items()}

    def examples(self, table: Table, *, targets: bool = True) -> Examples:
        """Ids of both sides in memory; a pair counts as many times as its target has pieces."""
        raw = self.raw(table)
        ids = {"source": self.fitted.encode("source", raw["source"])}
        if "prefix" in raw:
            ids["prefix"] = self.fitted.encode_beginnings(raw["prefix"])
        if not targets:
            return StoredExamples(ids, {}, axes=tuple(ids))
        return self._with_targets(ids, table)

    def fitting_examples(self, table: Table) -> Examples:
        """The same without beginnings, which only answers have."""
        source = self.fitted.encode("source", self._sides(table)[0])
        return self._with_targets({"source": source}, table)

    def _with_targets(self, ids: dict[str, Ragged], table: Table) -> Examples:
        target = self.fitted.encode("target", self._sides(table)[1])
        weights = target.lengths.astype(np.float64)
        inputs = {**ids, "target": target}
        return StoredExamples(inputs, {"target": target}, weights, tuple(inputs))

    def preprocess(self, raw: Tensors) -> Tensors:
        """Encode ``(batch,)`` sources, and beginnings where there are any."""
        ids = {"source": self.fitted(raw["source"])}
        if "prefix" in raw:
            ids["prefix"] = self.fitted.beginnings(raw["prefix"])
        return ids

    def augment(self, inputs: Tensors, targets: Tensors, seeds: Any) -> tuple[Tensors, Tensors]:
        """BPE-dropout on both sides."""
        if not self.dropout:
            return inputs, targets
        source = self._cut_anew("source", inputs["source"], seeds)
        target = self._cut_anew("target", inputs["target"], seeds + tf.constant([0, 1]))
        return {"source": source, "target": target}, {"target": target}

    @property
    def keeps_shapes(self) -> bool:
        """Not where texts are cut anew."""
        return not self.dropout

    def _cut_anew(self, side: str, ids: Any, seeds: Any) -> Any:
        if side not in self._cutters:
            assert isinstance(self.fitted, Pairs)
            pieces = self.fitted.source if side == "source" else self.fitted.target
            self._cutters[side] = BPEDropout(pieces.model)
        cutter, rate = self._cutters[side], self.dropout
        cut = tf.numpy_function(lambda i, s: cutter(i, s, rate), [ids, seeds], tf.int32, False)
        cut.set_shape([None, None])
        return cut

    # -- model --------------------------------------------------------------------------------

    def build_model(self) -> keras.Model:
        """Build the network: ``(batch, time, vocabulary)`` logits."""
        sides = self.fitted
        if isinstance(sides, PresetSides):
            return sides.build_model(self.model_options.trainable)
        return models.build(
            self.model_options, *sides.sizes(), sides.shared, sides.start, self.options.run.seed
        )

    def check_own_model(self, model: keras.Model) -> None:
        """Coverage is of attention, which only the task's own models tell of."""
        if self.options.task.coverage_penalty and not isinstance(model, models.OWN):
            raise ArgumentError(
                "task.coverage_penalty: expected 0, or a model of this toolkit, which tells what "
                f"it attends to. Received: {self.options.task.coverage_penalty} and a model of the "
                f"class {type(model).__name__!r}."
            )

    def loss(self, outputs: Any, targets: Tensors, weights: Any) -> Any:
        """Cross-entropy in nats a piece, not smoothed, so that its exponential is perplexity."""
        return ops.sum(token_losses(outputs, targets["target"]) * weights)

    def training_loss(
        self, model: keras.Model, inputs: Tensors, targets: Tensors, weights: Any
    ) -> Any:
        """The smoothed loss, never holding all logits; with R-Drop, of two answers."""
        smoothing, rate = self.options.train.label_smoothing, self.options.train.r_drop
        target = targets["target"]
        if rate:
            inputs = {name: ops.concatenate([value, value]) for name, value in inputs.items()}
        if not isinstance(model, models.OWN):
            logits = model(inputs, training=True)
            if rate:
                return r_drop_loss(logits, target, weights, smoothing, rate)
            return smoothed_loss(logits, target, weights, smoothing)
        real = ops.cast(ops.not_equal(target, 0), "float32")
        each = real * (weights / ops.maximum(ops.sum(real, axis=1), 1.0))[:, None]
        members = [model] if isinstance(model, Seq2Seq) else model.members
        losses = [tied_loss(one, inputs, target, each, smoothing, rate) for one in members]
        return sum(losses) / len(losses)

    def recommended(self) -> dict[str, Decision]:
        """What suits training from nothing."""
        return recommended(self.model_options, self.rows, self.pieces)

    # -- answers ------------------------------------------------------------------------------

    @property
    def monitor(self) -> Monitor:
        """The loss: the logarithm of perplexity."""
        return Monitor("loss", "min")

    def validate(self, model: keras.Model, inputs: Tensors, outputs: Any) -> Tensors:
        """Nothing besides the loss, which costs no search."""
        return {}

    def answer(self, model: keras.Model, inputs: Tensors) -> Tensors:
        """``tokens`` ``(batch, answers, length)``, ``scores``, and the known answer's loss."""
        penalty = inputs.get(PENALTY, self.length_penalty)
        found = self.search(model, inputs["source"], inputs.get("prefix"), penalty)
        answers = {"tokens": found.tokens, "scores": found.scores}
        if "target" in inputs:
            pair = {name: inputs[name] for name in ("source", "target")}
            logits = model(pair, training=False)
            answers["cross_entropy"] = token_losses(logits, inputs["target"])
        return answers

    def search(
        self, model: keras.Model, source: Any, prefix: Any = None, penalty: Any = None
    ) -> Answers:
        """Search for the answers to padded ids, ``(batch, length)``; see :func:`search`."""
        penalty = self.length_penalty if penalty is None else penalty
        penalty = tf.broadcast_to(tf.cast(penalty, tf.float32), tf.shape(source)[:1])
        if tf.distribute.get_strategy().num_replicas_in_sync > 1:
            return self._find(model, source, penalty, prefix)  # each replica by its own copies
        if self._searched is None or self._searched[0] is not model:
            self._searched = (model, traced_search(partial(self._find, model)))
        return self._searched[1](source, penalty, prefix)

    def _find(self, model: keras.Model, source: Any, penalty: Any, prefix: Any = None) -> Answers:
        task, seed = self.options.task, self.options.run.seed
        return search(model, self.fitted, task, seed, source, prefix, penalty)

    def conclude(self, validation: Table, answers: Answering) -> None:
        """Choose the length penalty where the recipe leaves it open and a beam ranks answers."""
        task = self.options.task
        ranked = task.sampling is None and task.beam_size > 1
        if task.length_penalty != "auto" or not ranked or not len(validation):
            return
        rows = sample_rows(len(validation), ROWS, seed=0)
        table = validation.take(rows).read()
        examples = self.examples(table, targets=False)
        assert isinstance(examples, StoredExamples)
        found = self._texts(answers(under_each(examples))["tokens"][:, 0])
        references = [self._as_scored(text) for text in self._sides(table)[1]]
        options, lowercase = self.options.evaluate, self.fitted.lowercase
        self.length_penalty, self.decisions["task.length_penalty"] = best_penalty(
            found, lambda texts: bleu_of(texts, references, options, lowercase)
        )

    def score(self, answers: Mapping[str, NDArray[Any]], examples: Examples) -> dict[str, float]:
        """Perplexity; while training, the loss says the same."""
        if "cross_entropy" not in answers:
            return {}
        weights = examples.weights
        mean = float(answers["cross_entropy"] @ weights / max(weights.sum(), 1))
        return {"perplexity": float(np.exp(min(mean, 50.0)))}

    def report(
        self, answers: Mapping[str, NDArray[Any]], examples: Examples, table: Table
    ) -> dict[str, Any]:
        """BLEU, chrF or ROUGE with signatures and intervals, best and worst sentences."""
        predictions = self._texts(answers["tokens"][:, 0])
        table = table.read()
        source, target = self._sides(table)
        return report_on(
            predictions,
            [self._as_scored(text) for text in target],
            source.tolist(),
            table,
            self.options.evaluate,
            lowercase=self.fitted.lowercase,
            others=self.score(answers, examples),
        )

    def compare(
        self,
        answers: Mapping[str, NDArray[Any]],
        other: Task[Any],
        others: Mapping[str, NDArray[Any]],
        table: Table,
    ) -> dict[str, Any]:
        """BLEU of both, their difference, and how sure it is, by paired bootstrap."""
        assert isinstance(other, Translation)
        _, target = self._sides(table.read())
        both = (
            self._texts(answers["tokens"][:, 0]),
            other._texts(others["tokens"][:, 0]),
        )
        lowercase = self.fitted.lowercase
        return compared(*both, [str(text) for text in target], self.options.evaluate, lowercase)

    def _as_scored(self, text: Any) -> str:
        """A reference in the letters that the model can write."""
        return str(text).lower() if self.fitted.lowercase else str(text)

    def _texts(self, tokens: NDArray[Any]) -> list[str]:
        joined = self.fitted.join(tf.constant(tokens, tf.int32)).numpy().ravel()
        return [text.decode("utf-8", errors="replace") for text in joined]

    def predictions(self, answers: Mapping[str, NDArray[Any]]) -> pd.DataFrame:
        """``prediction``, ``score`` (its rank's: mean log-probability of a piece), and others."""
        columns: dict[str, Any] = {}
        for number in range(answers["tokens"].shape[1]):
            suffix = f"_{number + 1}" if number else ""
            columns[f"prediction{suffix}"] = self._texts(answers["tokens"][:, number])
            columns[f"score{suffix}"] = answers["scores"][:, number]
        return pd.DataFrame(columns)

    def draw_attention(self, model: keras.Model, table: Table, directory: Path) -> list[Path]:
        """Write ``directory/N.png``, N the row's number: target pieces down, source across."""
        sides = self.fitted
        blind = options.is_blind(self.model_options)
        if blind or not isinstance(model, models.OWN) or not isinstance(sides, Pairs):
            raise ArgumentError(
                "--attention: expected a model with attention. "
                f"Received: model={self.options.model!r}."
            )
        drawn = []
        raw = self.raw(table)
        for row in range(len(table)):
            asked = {name: tf.constant([str(column[row])]) for name, column in raw.items()}
            ids = {name: dense(value) for name, value in self.preprocess(asked).items()}
            source = ids["source"]
            tokens = np.asarray(self.search(model, source, ids.get("prefix")).tokens)[0, 0]
            tokens = tokens[tokens != 0]
            attention = attention_of(model, source, tokens)
            drawn.append(directory / f"{table.row_numbers[row]}.png")
            source_names = sides.names("source", source[0])
            target_names = sides.names("target", with_end(tokens))
            draw(attention, source_names, target_names, drawn[-1])
        return drawn

    # -- serving ------------------------------------------------------------------------------

    def signature(self) -> dict[str, tf.TensorSpec]:
        """Sources, and what their answers must begin with where the recipe has such a column."""
        prefix = () if self.options.data.prefix is None else ("prefix",)
        return {name: tf.TensorSpec([None], tf.string, name=name) for name in ("source", *prefix)}

    def more_signatures(self, model: keras.Model) -> dict[str, Any]:
        """``serve_source``, which takes sources alone, where ``serve`` also takes beginnings."""
        if self.options.data.prefix is None:
            return {}
        spec = tf.TensorSpec([None], tf.string, name="source")

        @tf.function(input_signature=[spec], autograph=False)
        def serve_source(source: Any) -> Tensors:
            return self.serve(model, {"source": source})

        return {"serve_source": serve_source}

    def named(self, answers: Tensors) -> Tensors:
        """``target`` and ``score`` of the best answer, ``targets`` and ``scores`` of all."""
        targets = self.fitted.join(answers["tokens"])
        scores = answers["scores"]
        return {
            "target": targets[:, 0],
            "score": scores[:, 0],
            "targets": targets,
            "scores": scores,
        }

    def card(self) -> dict[str, Any]:
        """What a user of the export must know."""
        task = self.options.task
        preset = isinstance(self.fitted, PresetSides)
        how = f"beam of {task.beam_size}" if task.sampling is None else "sampling"
        known = "as the preset reads them" if preset else "byte by byte"
        cut = self.fitted.length - 1 - len(self.fitted.lead)
        example = {"source": self._example_sources()}
        more = []
        if self.options.data.prefix is not None:
            example["prefix"] = ["", "an"]
            more = [
                "An answer begins with its `prefix`; an empty one leaves it free. The signature "
                "`serve_source` takes sources alone."
            ]
        return {
            "outputs": {
                "target": "the best answer's text",
                "score": f"log-probability / pieces ** {self.length_penalty:g}",
                "targets": f"all answers, best first, by a {how}",
                "scores": "of all answers",
            },
            "rules": [
                "An empty source has an empty answer.",
                f"A source of more than {cut} pieces is cut at its end.",
                f"Characters that training has not seen are read {known}.",
                "Runs of spaces are read as one space.",
                "An answer has at most "
                f"{self.fitted.slope} times the pieces of its source, and {SPARE} more.",
                *more,
            ],
            "example": example,
        }

    def _example_sources(self) -> list[str]:
        return ["a text to translate", "another one"]
