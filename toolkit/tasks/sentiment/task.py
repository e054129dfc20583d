"""Text classification: what is fitted, what is learnt, what is answered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray
from pydantic import TypeAdapter

from toolkit.data.columns import texts
from toolkit.data.examples import Examples, sample_rows
from toolkit.data.labels import (
    class_weights,
    encode_labels,
    example_weights,
    label_names,
)
from toolkit.data.roles import Role
from toolkit.data.store import StoredExamples
from toolkit.errors import unreadable
from toolkit.ragged import Ragged
from toolkit.tasks.base import Answering, Decision, Monitor, Task, Tensors
from toolkit.tasks.labels import Labelling
from toolkit.tasks.sentiment import models, options
from toolkit.tasks.sentiment.pooling import ROWS, even_powers, fit_powers, member_scores, pooled
from toolkit.text.bag_svm import solve
from toolkit.text.encoder import EncoderOptions, TextEncoder
from toolkit.text.preset import PresetEncoder

if TYPE_CHECKING:
    from toolkit.data.splits import Splits
    from toolkit.data.table import Table

MAX_LENGTH = 400
MAX_NGRAMS, MAX_WEIGHTS = 2_000_000, 8_000_000  # of a kind; the weights are n-grams times labels
SMALL = 5_000  # training texts: below, more steps are worth more than steadier ones


class Sentiment(Task[options.Options]):
    """Text classification: one label of two or many, or several labels at once."""

    options_type: ClassVar[type[options.Options]] = options.Options

    def __init__(self, options: options.Options) -> None:
        super().__init__(options)
        self.model_options: Any = options.model
        self.rows = 0
        self.labels: list[str] = []
        self.weights: NDArray[np.float64] = np.zeros(0)
        self.powers: NDArray[np.float64] | None = None  # of the models side by side
        self.encoder: TextEncoder | PresetEncoder | None = None

    @property
    def role(self) -> Role:
        """The label's role."""
        return self.options.roles()[1]

    @property
    def answer_batch_size(self) -> int:
        """More than usual where words that repeat are met once: the more, the more repeat."""
        return 128 if models.is_recurrent(self.model_options) else 64

    @property
    def several(self) -> bool:
        """Whether a text may have several labels at once."""
        return self.role.kind == "labels"

    # -- data ---------------------------------------------------------------------------------

    def prepare(self, splits: Splits) -> None:
        """Fit label names, class weights, vocabularies and n-grams on the training split."""
        train = splits.train
        self.rows = len(train)
        self.labels = label_names(train, self.role)
        encoded = encode_labels(train, self.role, self.labels)
        self.weights = class_weights(self.options.task.class_weights, encoded, self.labels)
        written = np.array(self.raw(train)["text"], dtype=object)
        words = np.array([len(text.split()) for text in written])
        self._decide(words)
        if isinstance(self.model_options, options.Preset):
            length = self.decisions["data.sequence_length"].value
            self.encoder = PresetEncoder.from_preset(self.model_options.preset, length)
        else:
            self.encoder = TextEncoder.fit(written, self._encoder_options(float(np.median(words))))

    def _decide(self, words: NDArray[np.int64]) -> None:
        """Settle what the recipe leaves to the data: the model and the length of a text."""
        if self.model_options == "auto":
            decision = models.choose_model(len(words), float(np.median(words)))
            section = TypeAdapter(options.Model)
            self.model_options = section.validate_json(json.dumps(decision.value))
            self.decisions["model"] = decision
        length = self.options.data.sequence_length
        reason = "the recipe says so"
        if length == "auto":
            # a word of this count is a word or a mark to the model: a quarter more, by experience
            needed = int(np.quantile(words, 0.99) * 1.25) + 1
            length = min(max(needed, 8), MAX_LENGTH)
            reason = f"99 % of the training texts have at most {needed} tokens"
        self.decisions["data.sequence_length"] = Decision(length, reason)

    def _encoder_options(self, median_length: float) -> EncoderOptions:
        data = self.options.data
        size = data.vocabulary.size
        if size == "auto":
            size = 20_000 if data.vocabulary.type == "word" else 8_000
        word_orders = models.word_orders(self.model_options)
        many = median_length > models.SHORT
        return EncoderOptions(
            tokens=data.vocabulary.type if models.reads_tokens(self.model_options) else "none",
            vocabulary_size=size,
            min_count=data.vocabulary.min_count,
            lowercase=data.vocabulary.lowercase,
            sequence_length=self.decisions["data.sequence_length"].value,
            keep=data.truncate,
            word_orders=word_orders,
            character_orders=models.character_orders(self.model_options, median_length),
            ngram_min_count=2 if many else 1,
            max_ngrams=min(MAX_NGRAMS, MAX_WEIGHTS // len(self.labels)),
        )

    def save(self, directory: Path) -> None:
        """Write ``labels.json``, the encoder's files and the settled model section."""
        assert self.encoder is not None
        content = {
            "labels": self.labels,
            "rows": self.rows,
            "weights": self.weights.tolist(),
            "powers": None if self.powers is None else self.powers.tolist(),
            "model": self.model_options.model_dump(mode="json"),
        }
        (directory / "labels.json").write_text(json.dumps(content, indent=1, ensure_ascii=False))
        self.encoder.save(directory)

    def load(self, directory: Path) -> None:
        """Read what :meth:`save` wrote."""
        path = directory / "labels.json"
        try:
            content = json.loads(path.read_text())
            self.labels, self.weights = content["labels"], np.array(content["weights"])
            self.rows, powers = content["rows"], content["powers"]
            self.powers = None if powers is None else np.array(powers)
            self.model_options = TypeAdapter(options.Model).validate_python(content["model"])
        except (OSError, ValueError, KeyError) as error:
            raise unreadable(path, error) from error
        preset = isinstance(self.model_options, options.Preset)
        self.encoder = (PresetEncoder if preset else TextEncoder).load(directory)

    def raw(self, table: Table) -> dict[str, NDArray[Any]]:
        """The texts."""
        return {"text": np.array(texts(table, self.options.data.text), dtype=object)}

    def examples(self, table: Table, *, targets: bool = True) -> Examples:
        """Encoded texts in memory, with their label numbers."""
        assert self.encoder is not None
        inputs = self.encoder.encode(self.raw(table)["text"])
        axes = tuple(name for name in inputs if not isinstance(inputs[name], np.ndarray))
        if not targets:
            return StoredExamples(inputs, {}, axes=axes)
        encoded = encode_labels(table, self.role, self.labels)
        weights = example_weights(encoded, self.weights)
        return StoredExamples(inputs, {"label": encoded}, weights, axes)

    def preprocess(self, raw: Tensors) -> Tensors:
        """Encode ``(batch,)`` texts."""
        assert self.encoder is not None
        return dict(self.encoder(raw["text"]))

    # -- model --------------------------------------------------------------------------------

    def build_model(self) -> keras.Model:
        """Build the classifier: ``(batch, members, labels)`` logits."""
        seed = self.options.run.seed
        if isinstance(self.encoder, PresetEncoder):
            return self.encoder.build_classifier(
                len(self.labels), self.model_options.dropout, self.model_options.trainable
            )
        assert self.encoder is not None
        return models.build(
            self.model_options,
            len(self.labels),
            self.encoder.vocabulary_size,
            self.encoder.num_ngrams(),
            seed,
        )

    def initialise(self, model: keras.Model, examples: Examples) -> None:
        """Solve the bags' machines; the other weights begin at random."""
        sample = examples.sample()
        for kind in ("word_ngrams", "character_ngrams"):
            for layer in (layer for layer in _layers(model) if layer.name == f"{kind}_bag"):
                solution = solve(
                    cast(Ragged, sample.inputs[kind]),
                    np.asarray(sample.targets["label"]),
                    len(self.labels),
                    layer.vocabulary_size,
                    sample.weights,
                    self.tick,
                    by_rarity=kind == "word_ngrams",
                )
                layer.set_solution(solution.scale, solution.kernel, solution.bias, solution.repeats)
                names = ("strength", "repeats", "factor")
                found = {name: getattr(solution, name) for name in names}
                self.decisions[f"model.{kind}"] = Decision(found, "a fifth of the training texts")

    def loss(self, outputs: Any, targets: Tensors, weights: Any) -> Any:
        """Cross-entropy in nats, the mean over members; smoothed without one-hot targets."""
        logits = ops.cast(outputs, "float32")
        logits = logits if len(logits.shape) == 3 else ops.expand_dims(logits, 1)
        smoothing = self.options.train.label_smoothing
        label = targets["label"]
        if self.several:
            label = ops.expand_dims(label * (1 - smoothing) + smoothing / 2, 1)
            each = ops.maximum(logits, 0) - logits * label + ops.softplus(-ops.abs(logits))
            losses = ops.sum(each, axis=-1)  # (batch, members)
        else:
            log_probabilities = ops.log_softmax(logits, axis=-1)
            place = ops.cast(ops.reshape(label, (-1, 1, 1)), "int32")
            place = ops.broadcast_to(place, (*ops.shape(logits)[:2], 1))
            right = ops.take_along_axis(log_probabilities, place, axis=-1)[..., 0]
            even = ops.mean(log_probabilities, axis=-1)
            losses = -(1 - smoothing) * right - smoothing * even
        return ops.sum(ops.mean(losses, axis=1) * weights)

    def recommended(self) -> dict[str, Decision]:
        """What suits small and middling text classifiers."""
        rows = f"{self.rows} training texts"
        if isinstance(self.model_options, options.Preset):
            return {
                "batch_size": Decision(32, "usual for fine-tuning"),
                "epochs": Decision(3, "usual for fine-tuning"),
                "learning_rate": Decision(5e-5, "usual for fine-tuning"),
            }
        if not models.reads_tokens(self.model_options):
            reason = "nothing is trained by steps: n-grams are solved at once"
            return {
                "batch_size": Decision(256, reason),
                "epochs": Decision(1, reason),
                "learning_rate": Decision(1e-3, reason),
            }
        epochs = int(np.clip(round(13 - 2 * np.log10(self.rows)), 2, 10))
        return {
            "batch_size": Decision(32 if self.rows < SMALL else 64, rows),
            "epochs": Decision(epochs, f"{rows}: two fewer for ten times more"),
            "learning_rate": Decision(1e-3, "usual for Adam on small networks"),
        }

    # -- answers ------------------------------------------------------------------------------

    @property
    def monitor(self) -> Monitor:
        """Accuracy; macro F1 where classes are balanced on purpose or labels are several."""
        plain = self.options.task.class_weights == "none" and not self.several
        return Monitor("accuracy" if plain else "f1", "max")

    def answer(self, model: keras.Model, inputs: Tensors) -> Tensors:
        """``probabilities``, ``(batch, labels)``; of models side by side also their ``logits``."""
        outputs = model(inputs, training=False)
        answers = self.validate(model, inputs, outputs)
        if "logits" in answers:
            powers = self._powers(outputs.shape[1])
            answers["probabilities"] = pooled(outputs, powers, self.several)
        return answers

    def validate(self, model: keras.Model, inputs: Tensors, outputs: Any) -> Tensors:
        """``probabilities`` of one model, ``logits`` of several, ``(batch, members, labels)``."""
        outputs = ops.cast(outputs, "float32")
        if len(outputs.shape) == 3:  # a model of the user's own may have no axis of members
            if outputs.shape[1] > 1:
                return {"logits": outputs}
            outputs = outputs[:, 0]
        return {"probabilities": ops.sigmoid(outputs) if self.several else ops.softmax(outputs)}

    def conclude(self, validation: Table, answers: Answering) -> None:
        """Settle what each of several models counts, by texts that none of them has seen."""
        known = isinstance(self.encoder, TextEncoder) and len(self._members_by_recipe()) > 1
        if not len(validation) or not known:
            return
        rows = sample_rows(len(validation), ROWS, seed=0)
        examples = self.examples(validation.take(rows).read())
        logits = answers(examples).get("logits")
        if logits is None:  # a model of the user's own
            return
        self.powers = self._fitted(logits, examples)
        names = self._member_names(len(self.powers))
        counts = {
            name: round(float(power), 3) for name, power in zip(names, self.powers, strict=True)
        }
        reason = f"the least cross-entropy on {len(examples)} texts of the validation split"
        self.decisions["model.powers"] = Decision(counts, reason)

    def _members_by_recipe(self) -> list[str]:
        assert isinstance(self.encoder, TextEncoder)
        return models.member_names(self.model_options, list(self.encoder.num_ngrams()))

    def _member_names(self, members: int) -> list[str]:
        names = self._members_by_recipe()
        own = len(names) != members  # a model of the user's own
        return [str(number) for number in range(members)] if own else names

    def _powers(self, members: int) -> NDArray[np.float64]:
        return even_powers(members) if self.powers is None else self.powers

    def _fitted(self, logits: NDArray[Any], examples: Examples) -> NDArray[np.float64]:
        rows = sample_rows(len(logits), ROWS, seed=0)
        labels = np.asarray(examples.target("label"))[rows]
        return fit_powers(logits[rows], labels, examples.weights[rows], self.several)

    @property
    def labelling(self) -> Labelling:
        """What probabilities say, in names."""
        threshold = self.options.task.threshold if self.several else None
        return Labelling(self.labels, threshold, self.options.data.separator or ",")

    def score(self, answers: Mapping[str, NDArray[Any]], examples: Examples) -> dict[str, float]:
        """Accuracy, macro F1, ROC-AUC, log loss and calibration error."""
        labels = np.asarray(examples.target("label"))
        probabilities = answers.get("probabilities")
        if probabilities is None:  # while training, several models are pooled at their best
            powers = self._fitted(answers["logits"], examples)
            probabilities = np.asarray(pooled(answers["logits"], powers, self.several))
        return self.labelling.scorer(probabilities, labels)()

    def report(
        self, answers: Mapping[str, NDArray[Any]], examples: Examples, table: Table
    ) -> dict[str, Any]:
        """Scores with intervals, scores of each label, confusion matrix, hardest errors."""
        probabilities = answers["probabilities"]
        labels = np.asarray(examples.target("label"))
        report = self.labelling.report(probabilities, labels, self.options.evaluate)
        if "logits" in answers:
            count = answers["logits"].shape[1]
            names = self._member_names(count)
            members = dict(zip(names, self._powers(count), strict=True))
            report["members"] = member_scores(
                answers["logits"],
                members,
                self.several,
                lambda alone: self.labelling.scorer(alone, labels)(),
            )
        places, errors = self.labelling.hardest(probabilities, labels, table)
        written = self.raw(table.take(places).read())["text"]
        report["hardest_errors"] = [
            {"where": error["where"], "text": text, **error}
            for error, text in zip(errors, written, strict=True)
        ]
        return report

    def predictions(self, answers: Mapping[str, NDArray[Any]]) -> pd.DataFrame:
        """``prediction``, ``score`` (its probability) and the probability of each label."""
        return self.labelling.predictions(answers["probabilities"])

    # -- serving ------------------------------------------------------------------------------

    def signature(self) -> dict[str, tf.TensorSpec]:
        """Texts."""
        return {"text": tf.TensorSpec([None], tf.string, name="text")}

    def named(self, answers: Tensors) -> Tensors:
        """``label`` (its name), ``score`` and ``probabilities``; several labels: 0 and 1 each."""
        return self.labelling.named(answers["probabilities"])

    def card(self) -> dict[str, Any]:
        """What a user of the export must know."""
        length = self.decisions.get("data.sequence_length")
        kept = "tokens that the networks read" if length is None else f"{length.value} tokens"
        return {
            "outputs": self.labelling.meanings(),
            "labels": self.labels,
            "rules": [
                "An empty text is answered from what the model knows of no words at all.",
                f"A text that is longer than the {kept} is cut for the networks "
                f"(keeping: {self.options.data.truncate}); bags of n-grams read all of it.",
                "Bytes that are not UTF-8 are read as the replacement character.",
            ],
            "example": {"text": ["a wonderful film", "not worth the time"]},
        }


def _layers(model: keras.Model) -> list[keras.Layer]:
    return list(model._flatten_layers(include_self=False))
