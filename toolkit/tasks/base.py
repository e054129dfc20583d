"""What a task is: what to learn. How to run it is training's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import NDArray

from toolkit.data.examples import Examples
from toolkit.errors import ArgumentError
from toolkit.models.stages import FrozenStage, LateStage

if TYPE_CHECKING:
    from toolkit.data.splits import Splits
    from toolkit.data.table import Table
    from toolkit.recipe import TaskOptions

OptionsT = TypeVar("OptionsT", bound="TaskOptions")
Tensors = dict[str, Any]
Tick = Callable[[str, int, int], None]
Answering = Callable[[Examples], dict[str, NDArray[Any]]]


@dataclass(frozen=True)
class Decision:
    """What stands for an ``auto`` of the recipe, and why."""

    value: Any
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for the run's manifest; a section of the recipe as a mapping."""
        section = getattr(self.value, "model_dump", None)
        value = section(mode="json") if section is not None else self.value
        return {"value": value, "reason": self.reason}


@dataclass(frozen=True)
class Monitor:
    """The score that chooses the best checkpoint, and which way is better."""

    name: str
    mode: Literal["max", "min"]


class Task(ABC, Generic[OptionsT]):
    """One kind of learning problem, from raw columns to named answers.

    The life of a task: constructed from the recipe's options; :meth:`prepare` fits its state on
    the training split (or :meth:`load` reads it from a run); then the others in any order.
    Whatever is fitted is saved by :meth:`save`, so that a run directory answers on its own.

    One preprocessing path: :meth:`preprocess` is in-graph code on a batch of raw columns. The
    training data, ``predict`` and the exported model all go through it, and through
    :meth:`answer` on the way out.
    """

    options_type: ClassVar[type[Any]]
    whole_batches: ClassVar[bool] = False
    """Whether a step needs its batch in one part, as batch normalisation does."""

    def __init__(self, options: OptionsT) -> None:
        self.options = options
        self.decisions: dict[str, Decision] = {}
        self.tick: Tick = _silent
        """Told ``(what, done, total)`` by work that may take more than two seconds."""

    @property
    def answer_batch_size(self) -> int:
        """Examples of a step that answers, over all devices: less padding than in larger ones."""
        return 64

    def decided(self) -> dict[str, Any]:
        """Return the decisions as plain data for the run's manifest."""
        return {name: decision.as_dict() for name, decision in self.decisions.items()}

    # -- data ---------------------------------------------------------------------------------

    @abstractmethod
    def prepare(self, splits: Splits) -> None:
        """Fit vocabularies, scalers and label names on ``splits.train``; note decisions.

        Where the data is larger than memory, ``splits`` are rows drawn from it, at least one of
        every label.
        """

    @abstractmethod
    def save(self, directory: Path) -> None:
        """Write the fitted state to ``directory``, as text or JSON where a person may read it."""

    @abstractmethod
    def load(self, directory: Path) -> None:
        """Read what :meth:`save` wrote.

        Raises:
            RunError: a file is missing or damaged.
        """

    def learnable(self, train: Table) -> Table:
        """Return the training rows to learn from; all by default, decisions count the others."""
        return train

    @abstractmethod
    def raw(self, table: Table) -> dict[str, NDArray[Any]]:
        """Return the raw inputs of each row, by the names of :meth:`signature`."""

    def kept(self, table: Table, rows: int) -> Table:
        """Return the first rows of ``table``, or others that make about as many examples.

        They are kept with the run, so that it can be exported without its data.
        """
        return table.take(range(min(rows, len(table)))).read()

    @abstractmethod
    def examples(self, table: Table, *, targets: bool = True) -> Examples:
        """Return ``table`` ready for batches, with or without what is to be learnt.

        Where the data is larger than memory, ``table`` is some thousand rows of it at a time and
        what comes back as :class:`StoredExamples` goes to disk. A task whose examples are made
        of several rows says so by ``rows_alone = False`` in its data section.

        Raises:
            DataError: a value cannot be used; names the file, the row and the column.
        """

    def fitting_examples(self, table: Table) -> Examples:
        """Return what training learns, or chooses, by: :meth:`examples`, or more made of them."""
        return self.examples(table)

    @abstractmethod
    def preprocess(self, raw: Tensors) -> Tensors:
        """Turn a batch of raw inputs into model inputs, in the graph; ragged where lengths vary."""

    def augment(self, inputs: Tensors, targets: Tensors, seeds: Any) -> tuple[Tensors, Tensors]:
        """Change a training batch at random, in the graph, by ``(batch, 2)`` stateless seeds."""
        del seeds
        return inputs, targets

    @property
    def keeps_shapes(self) -> bool:
        """Whether :meth:`augment` leaves shapes alone; XLA would compile anew for each other."""
        return True

    # -- model --------------------------------------------------------------------------------

    @abstractmethod
    def build_model(self) -> keras.Model:
        """Build the model: the only place where options become keyword arguments."""

    def check_own_model(self, model: keras.Model) -> None:
        """Look at a model of the user's own, whose inputs and outputs fit.

        Raises:
            ArgumentError: the recipe asks for what only the task's own models can do.
        """
        del model

    def initialise(self, model: keras.Model, examples: Examples) -> None:
        """Set weights that have a closed form, and note decisions; nothing by default.

        The training examples may lie on disk; ``examples.sample()`` brings some into memory.
        """

    @property
    def starts_trained(self) -> bool:
        """Whether :meth:`initialise` gives what answers well already.

        The start is then validated too, and stays where nothing that is learnt is better.
        """
        return False

    @abstractmethod
    def loss(self, outputs: Any, targets: Tensors, weights: Any) -> Any:
        """Return the scalar ``sum(weights * loss)``.

        ``weights`` are already divided by the global batch's total, so that the sum over all
        replicas is the weighted mean, however uneven the last batch is.
        """

    def training_loss(
        self, model: keras.Model, inputs: Tensors, targets: Tensors, weights: Any
    ) -> Any:
        """Run the model in training mode and return its :meth:`loss` and added losses."""
        return self.loss(self.outputs(model, inputs, targets, training=True), targets, weights)

    def outputs(
        self, model: keras.Model, inputs: Tensors, targets: Tensors, *, training: bool
    ) -> Any:
        """Run the model for its loss; with the targets where it goes on from the right tokens."""
        del targets
        return model(inputs, training=training)

    def recommended(self) -> dict[str, Decision]:
        """Return values for the ``auto`` of the recipe's ``train`` section, with reasons."""
        return {}

    def frozen_stage(self, model: keras.Model) -> FrozenStage | None:
        """Return a part that gives the same features in every epoch, if the model has one."""
        del model
        return None

    def through(self, stage: FrozenStage, digest: str, examples: Examples) -> Examples:
        """Return the examples with a frozen stage's features instead of its inputs.

        Args:
            stage: of :meth:`frozen_stage`.
            digest: a hash of its architecture and weights, to keep the features by.
            examples: of this task.
        """
        raise NotImplementedError

    def late_stage(self, model: keras.Model) -> LateStage | None:
        """Return the weights that are trained later than the others, if there are any."""
        del model
        return None

    # -- answers ------------------------------------------------------------------------------

    @property
    @abstractmethod
    def monitor(self) -> Monitor:
        """The validation score that chooses the best checkpoint."""

    @abstractmethod
    def answer(self, model: keras.Model, inputs: Tensors) -> Tensors:
        """Return numeric answers of a padded batch, batch first, in the graph."""

    def validate(self, model: keras.Model, inputs: Tensors, outputs: Any) -> Tensors:
        """Return what :meth:`score` needs while training.

        By default :meth:`answer`, which runs the model once more: ``outputs``, which the loss is
        computed from, are mostly enough.
        """
        del outputs
        return self.answer(model, inputs)

    def conclude(self, validation: Table, answers: Answering) -> None:
        """Settle how to answer, once the weights are known; nothing by default.

        Decisions say what was settled; :meth:`save` keeps it.

        Args:
            validation: the split that choices are made by.
            answers: gives :meth:`answer` of examples, in their order.
        """

    @abstractmethod
    def score(self, answers: Mapping[str, NDArray[Any]], examples: Examples) -> dict[str, float]:
        """Score answers, in the order of the examples, by the field's own metrics.

        What was to be learnt is ``examples.target(name)``, wherever the examples lie.
        """

    def report(
        self, answers: Mapping[str, NDArray[Any]], examples: Examples, table: Table
    ) -> dict[str, Any]:
        """Return the evaluation report: scores, intervals, tables, the hardest errors.

        The rows of ``table`` may lie on disk; ``table.take(rows).read()`` brings a few into
        memory.
        """
        del table
        return {"scores": self.score(answers, examples)}

    def compare(
        self,
        answers: Mapping[str, NDArray[Any]],
        other: Task[Any],
        others: Mapping[str, NDArray[Any]],
        table: Table,
    ) -> dict[str, Any]:
        """Compare with another run's answers to the same rows, as a report.

        Raises:
            ArgumentError: this task has no such comparison.
        """
        raise ArgumentError(
            "--against: expected a task that compares runs. "
            f"Received: task={self.options.task.type!r}."
        )

    def pictures(
        self, answers: Mapping[str, NDArray[Any]], examples: Examples, table: Table
    ) -> dict[str, bytes]:
        """Return pictures that go with the report, png content by file name; none by default."""
        del answers, examples, table
        return {}

    @abstractmethod
    def predictions(self, answers: Mapping[str, NDArray[Any]]) -> pd.DataFrame:
        """Return answers for people: ``prediction``, ``score`` and what else helps, a row each."""

    def draw_attention(self, model: keras.Model, table: Table, directory: Path) -> list[Path]:
        """Write a picture of the attention for each row, and return their paths in order.

        Raises:
            ArgumentError: this task, or this model, has none to show.
        """
        raise ArgumentError(
            "--attention: expected a task whose models attend from one text to another. "
            f"Received: task={self.options.task.type!r}."
        )

    def listen(self, model: keras.Model, chunks: Iterable[NDArray[Any]]) -> Iterator[str]:
        """Answer a sound while it comes in: the new text after each piece, and after the last.

        Raises:
            ArgumentError: this task, or this model, needs the whole sound.
        """
        raise ArgumentError(
            "--stream: expected a speech model that was trained with task.streaming: true. "
            f"Received: task={self.options.task.type!r}."
        )

    def answered(
        self, table: Table, examples: Examples, answers: Mapping[str, NDArray[Any]]
    ) -> pd.DataFrame:
        """Return what ``predict`` hands out: the columns of ``table``, then :meth:`predictions`."""
        del examples
        answered = self.predictions(answers)
        kept = table.frame.drop(columns=answered.columns, errors="ignore")
        return pd.concat([kept, answered], axis="columns")

    # -- serving ------------------------------------------------------------------------------

    @abstractmethod
    def signature(self) -> dict[str, tf.TensorSpec]:
        """Return the raw inputs an exported model takes, by name."""

    @abstractmethod
    def named(self, answers: Tensors) -> Tensors:
        """Turn :meth:`answer` into an exported model's named outputs, in the graph."""

    @abstractmethod
    def card(self) -> dict[str, Any]:
        """Return what a user of the export must know.

        Keys: ``outputs`` (name to meaning and unit), ``labels`` where there are any, ``rules``
        (what happens to empty, over-long or damaged inputs, a sentence each) and ``example``
        (raw inputs of one request).
        """

    def serve(self, model: keras.Model, raw: Tensors) -> Tensors:
        """Answer raw inputs in the graph: what is exported."""
        inputs = {name: dense(value) for name, value in self.preprocess(raw).items()}
        return self.named(self.answer(model, inputs))

    def more_signatures(self, model: keras.Model) -> dict[str, Any]:
        """Return further ``tf.function`` signatures to export beside ``serve``, by name.

        Each needs an ``input_signature``; the card's rules say what it takes.
        """
        del model
        return {}


def _silent(what: str, done: int, total: int) -> None:
    """Tell nobody."""


def dense(value: Any) -> Any:
    """Pad a ragged tensor with zeros to its longest row, at least one step; leave others be."""
    if not isinstance(value, tf.RaggedTensor):
        return value
    padded = value.to_tensor()
    missing = tf.maximum(0, 1 - tf.shape(padded)[1])
    return tf.pad(padded, [[0, 0], [0, missing]] + [[0, 0]] * (padded.shape.rank - 2))


def as_arrays(parts: list[Mapping[str, Any]]) -> dict[str, NDArray[Any]]:
    """Join the answers of successive batches, zero-padding later axes to the longest."""
    names = parts[0]
    return {name: _join([np.asarray(part[name]) for part in parts]) for name in names}


def _join(arrays: list[NDArray[Any]]) -> NDArray[Any]:
    widest = np.max([array.shape[1:] for array in arrays], axis=0, initial=0).astype(int)
    grown = [
        np.pad(array, [(0, 0), *[(0, w - n) for w, n in zip(widest, array.shape[1:], strict=True)]])
        for array in arrays
    ]
    return np.concatenate(grown)
