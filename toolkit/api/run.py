"""A trained run: its model, what it scored, what it answers, and its export."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import keras
import pandas as pd
from numpy.typing import NDArray

from toolkit.api.evaluation import Evaluation
from toolkit.api.inputs import InputReader, Inputs, input_roles
from toolkit.api.preparing import Working, make_examples
from toolkit.api.tasks import lanes_of, load_task
from toolkit.data.columns import column_name
from toolkit.data.examples import Examples
from toolkit.data.report import raise_all
from toolkit.data.roles import Role, missing_columns
from toolkit.data.splits import Splits, load_splits, without_bad_rows
from toolkit.data.table import Source, Table
from toolkit.errors import ArgumentError, RunError
from toolkit.recipe import load_recipe
from toolkit.serving.export import export_model, named_answers
from toolkit.tasks.base import Task
from toolkit.training.distribution import Distribution, distribute
from toolkit.training.evaluation import Evaluator
from toolkit.training.run_directory import RunDirectory, write_text

STORED_ROWS = 8  # that an export keeps as examples
LONG = 2000  # words of the over-long one
EXAMPLES = "examples.jsonl"
KEPT_KINDS = ("text", "number", "time", "series", "group")  # whose values say all; a path does not


class Run:
    """A trained run.

    Get one from :func:`toolkit.fit` or :func:`toolkit.load_run`. Task and model are read from the
    directory when they are first needed.

    Attributes:
        directory: its files.
        options: the recipe's.
    """

    def __init__(
        self,
        directory: RunDirectory,
        options: Any,
        *,
        task: Task[Any] | None = None,
        model: keras.Model | None = None,
        distribution: Distribution | None = None,
    ) -> None:
        self.directory = directory
        self.options = options
        self._task, self._model = task, model
        # Chosen now: once a task or a model has made tensors, threads are no longer shared out.
        self._distribution = distribution or distribute(
            "auto", "one_device", lanes=lanes_of(options)
        )
        self._examples: Table | None = None

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @property
    def path(self) -> Path:
        """The run directory."""
        return self.directory.path

    @cached_property
    def task(self) -> Task[Any]:
        """The task with its fitted state."""
        if self._task is None:
            self._task = load_task(self.options, self.directory)
            self._task.tick = Working()
        return self._task

    @cached_property
    def model(self) -> keras.Model:
        """The trained Keras model.

        Raises:
            RunError: the file is missing or damaged.
        """
        return self._model if self._model is not None else self._load_model()

    def _load_model(self) -> keras.Model:
        path = self.directory.model_file
        expected = self.directory.manifest().get("model_sha256")
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if expected is not None and digest != expected:
                raise ValueError("its content is not what was written")
            assert self.task  # its module registers the layers that the model is made of
            return keras.models.load_model(path)
        except (OSError, ValueError, TypeError, KeyError, zipfile.BadZipFile) as error:
            reason = str(error).strip().splitlines()[0]
            raise RunError(f"{path}: the model cannot be read. Received: {reason}.") from error

    @property
    def history(self) -> list[dict[str, Any]]:
        """One record per validation, oldest first."""
        path = self.directory.metrics_file
        return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]

    @property
    def report(self) -> dict[str, Any]:
        """What the evaluation on the test split found.

        Raises:
            RunError: there was none yet.
        """
        path = self.path / "report.json"
        if not path.is_file():
            raise RunError(f"{path}: no report yet. Run 'toolkit evaluate {self.path}'.")
        return dict(json.loads(path.read_text(encoding="utf-8")))

    # -- answers ------------------------------------------------------------------------------

    def conclude(self, validation: Table) -> None:
        """Settle what the trained task settles by the validation split, and keep it."""
        before = self.task.decided()
        self.task.conclude(validation, self._answers)
        # Only what is new: where a run goes on, the task remembers what training decided before.
        new = {name: one for name, one in self.task.decided().items() if before.get(name) != one}
        if not new:
            return
        self.__dict__.pop("_evaluator", None)  # what it compiled answers as before
        if self.directory.writes:
            self.task.save(self.directory.task)
            self.directory.note(decisions=new)

    def evaluate(self, data: str | os.PathLike[str] | pd.DataFrame | None = None) -> Evaluation:
        """Score the model on its test split, or on other data with the same columns.

        Raises:
            DataError: the data cannot be used.
            RunError: the run was trained on a DataFrame, which is not kept, and ``data`` is None.
        """
        if data is None:
            return self.evaluate_table(self.splits().test, "test split")
        table = self._open(data)
        name = "DataFrame" if isinstance(data, pd.DataFrame) else os.fspath(data)
        return self.evaluate_table(table, name)

    def _open(self, data: str | os.PathLike[str] | pd.DataFrame) -> Table:
        roles = self.options.roles()
        optional = self.options.optional_roles()
        table = InputReader(self.options.data, roles, optional).whole(data)
        raise_all(missing_columns(table, roles))
        skip = self.options.data.skip_bad_rows
        tables, skipped = without_bad_rows({"data": table}, roles, skip, None)
        for finding in skipped:
            warnings.warn(str(finding), stacklevel=3)
        return tables["data"]

    def evaluate_table(self, table: Table, name: str) -> Evaluation:
        """Score the model on an open table."""
        examples = make_examples(self.task, table)
        answers = self._answers(examples)
        report = self.task.report(answers, examples, table)
        plain = json.loads(json.dumps(report, default=float))
        pictures = self.task.pictures(answers, examples, table)
        return Evaluation(name, len(examples), plain, pictures)

    def compare(
        self, other: Run, data: str | os.PathLike[str] | pd.DataFrame | None = None
    ) -> Evaluation:
        """Compare with another run on this run's test split, or on other data, row by row.

        Raises:
            ArgumentError: the task compares no runs, or the other is of another task.
            DataError: the data cannot be used.
        """
        if type(other.task) is not type(self.task):
            raise ArgumentError(
                f"--against: expected a run of the same task, {self.options.task.type}. "
                f"Received: {other.path}, of {other.options.task.type}."
            )
        table = self.splits().test if data is None else self._open(data)
        answers, others = (each._answers(make_examples(each.task, table)) for each in (self, other))
        report = self.task.compare(answers, other.task, others, table)
        name = f"{self.path} against {other.path}"
        return Evaluation(name, len(table), json.loads(json.dumps(report, default=float)))

    def splits(self) -> Splits:
        """Open the run's own data again; warns of files that have changed.

        Raises:
            DataError: it cannot be opened.
            RunError: it was a DataFrame.
        """
        data = self.options.data
        sources = (data.train, data.validation, data.test)
        if any(isinstance(each, str) and "<DataFrame " in each for each in sources):
            raise RunError(f"{self.path}: trained on a DataFrame, which is not kept. Give data.")
        splits = load_splits(data, self.options.roles(), self.path)
        known = set(self.directory.manifest().get("data", {}).get("sha256", {}).values())
        changed = [name for name, digest in splits.sha256.items() if digest not in known]
        if known and changed:
            warnings.warn(f"changed since training: {', '.join(changed)}.", stacklevel=2)
        return splits

    def predict(self, inputs: Inputs) -> pd.DataFrame:
        """Answer new inputs.

        Args:
            inputs: a file, a ``DataFrame``, or an iterable of texts or of mappings by column.

        Returns:
            The inputs' columns, then ``prediction``, ``score`` and what else the task answers;
            a row for each input, in order.

        Raises:
            DataError: an input cannot be read, or a column is missing.
        """
        tables = list(self.stream(inputs))
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

    def stream(self, inputs: Inputs) -> Iterator[pd.DataFrame]:
        """Like :meth:`predict`, some thousand rows at a time, for inputs of any size."""
        for table in self.reader.tables(inputs):
            examples = self.task.examples(table, targets=False)
            yield self.task.answered(table, examples, self._answers(examples))

    def listen(self, chunks: Iterable[NDArray[Any]]) -> Iterator[str]:
        """Recognise one sound while it comes in.

        Args:
            chunks: ``(samples,)`` each, of any length, full scale -1 to 1, at the sampling rate
                that the model hears at.

        Yields:
            The text that is new after each piece, and once more after the last; joined, they are
            what :meth:`predict` answers to the whole.

        Raises:
            ArgumentError: the model was not trained for it (``task.streaming``).
        """
        return self.task.listen(self.model, chunks)

    def draw_attention(self, inputs: Inputs, directory: str | os.PathLike[str]) -> list[Path]:
        """Write a picture of the model's attention for each input.

        Args:
            inputs: as in :meth:`predict`.
            directory: where to; made where it is not there.

        Returns:
            The pictures, in order.

        Raises:
            ArgumentError: the task, or its model, has no attention to show.
            DataError: an input cannot be read, or a column is missing.
        """
        folder = Path(directory)
        folder.mkdir(parents=True, exist_ok=True)
        drawn: list[Path] = []
        for table in self.reader.tables(inputs):
            drawn += self.task.draw_attention(self.model, table, folder)
        return drawn

    @cached_property
    def reader(self) -> InputReader:
        """Reads new inputs as this run's recipe says."""
        return InputReader(self.options.data, self._input_roles(), self.options.optional_roles())

    def _input_roles(self) -> list[Role]:
        if not self.options.data.rows_alone:
            return list(self.options.roles())  # past targets are inputs too
        return input_roles(self.options.roles(), self.task.signature())

    @cached_property
    def _evaluator(self) -> Evaluator:
        return Evaluator(self.task, self.model, self._distribution)

    def _answers(self, examples: Examples) -> dict[str, NDArray[Any]]:
        written = self.options.evaluate.batch_size
        size = written if isinstance(written, int) else None
        tick = partial(self.task.tick, "batches answered")
        return self._evaluator(examples, batch_size=size, tick=tick)[0]

    # -- export -------------------------------------------------------------------------------

    def export(self, directory: str | os.PathLike[str] | None = None) -> Path:
        """Write the model for serving; see :func:`toolkit.serving.export.export_model`.

        Args:
            directory: where to; ``RUN/export`` by default.

        Raises:
            ExportError: the directory holds something else, or the model cannot be exported.
        """
        table = self._with_edge_cases(self._kept_examples())
        answers = self._answers(self.task.examples(table, targets=False))
        return export_model(
            self.task,
            self.model,
            self.directory.export if directory is None else directory,
            requests=self.task.raw(table),
            answers=named_answers(self.task, answers),
            name=str(self.directory.manifest().get("name", self.path.name)),
        )

    def keep_examples(self, table: Table) -> None:
        """Keep the inputs of a few rows, so that the run can be exported without its data."""
        first = self._examples = self.task.kept(table, STORED_ROWS)
        if all(role.kind in KEPT_KINDS for role in self._input_roles()):
            columns = [column for role in self._input_roles() for column in role.columns]
            names = [column_name(first, column) for column in columns]
            more = (str(role.column) for role in self.options.optional_roles())
            names += [name for name in more if name in first.columns]
            frame = first.frame[names] if self.options.data.rows_alone else first.frame
            lines = frame.to_json(orient="records", lines=True, force_ascii=False)
            write_text(self.path / EXAMPLES, lines)

    def _kept_examples(self) -> Table:
        path = self.path / EXAMPLES
        if not path.is_file() and self._examples is not None:
            return self._examples  # of a DataFrame there is nothing else to read again
        if not path.is_file():
            return self.task.kept(self.splits().test, STORED_ROWS)
        lines = path.read_text(encoding="utf-8").split("\n")
        return next(self.reader.tables([json.loads(line) for line in lines if line]))

    def _with_edge_cases(self, table: Table) -> Table:
        """Add an empty and an over-long row where texts are all that the model takes."""
        roles = self._input_roles()
        if any(role.kind != "text" for role in roles):
            return table
        columns = {}
        for role in roles:
            texts = [str(text) for text in self.task.raw(table)[role.name]]
            words = " ".join(texts).split() or ["word"]
            long = " ".join((words * (LONG // len(words) + 1))[:LONG])
            columns[str(role.columns[0])] = [*texts, "", long]
        for role in self.options.optional_roles():
            columns[str(role.column)] = [*self.task.raw(table)[role.name], "", ""]
        return Table.from_source(pd.DataFrame(columns, dtype=object), Source("examples", "row", ""))

    # -- words --------------------------------------------------------------------------------

    def write_report(self, evaluation: Evaluation) -> None:
        """Keep an evaluation as ``report.json`` and ``report.txt``, and its ``pictures``."""
        write_text(self.path / "report.json", evaluation.to_json())
        write_text(self.path / "report.txt", evaluation.to_text())
        for picture, content in evaluation.pictures.items():
            path = self.path / "pictures" / picture
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)

    def summary(self) -> str:
        """Say in a few lines what was reached and where everything is."""
        report = self.report
        names = ("data", "rows")
        rest = {name: value for name, value in report.items() if name not in names}
        lines = [Evaluation(report["data"], report["rows"], rest).scores_text()]
        lines.append(f"run     {self.path}\n")
        lines.append(f"report  {self.path / 'report.txt'}\n")
        if self.directory.export.is_dir():
            lines.append(f"export  {self.directory.export}\n")
        return "".join(lines)


def load_run(path: str | os.PathLike[str]) -> Run:
    """Open a trained run.

    Raises:
        RunError: the directory is no run, or its training has not finished.
    """
    directory = RunDirectory(Path(path))
    status = directory.manifest().get("status")
    if not directory.model_file.is_file():
        raise RunError(
            f"{path}: the training has not finished (status: {status}). Run 'toolkit fit "
            f"{directory.recipe_file} --run {path} --resume' to go on."
        )
    return Run(directory, load_recipe(directory.recipe_file).options)


RunLike = str | os.PathLike[str] | Run


def evaluate(
    run: RunLike,
    data: str | os.PathLike[str] | pd.DataFrame | None = None,
    *,
    against: RunLike | None = None,
) -> Evaluation:
    """Score a run, given by its directory; see :meth:`Run.evaluate` and :meth:`Run.compare`."""
    if against is not None:
        return _opened(run).compare(_opened(against), data)
    return _opened(run).evaluate(data)


def predict(run: RunLike, inputs: Inputs) -> pd.DataFrame:
    """Answer new inputs by a run, given by its directory; see :meth:`Run.predict`."""
    return _opened(run).predict(inputs)


def export(run: RunLike, directory: str | os.PathLike[str] | None = None) -> Path:
    """Export a run, given by its directory; see :meth:`Run.export`."""
    return _opened(run).export(directory)


def _opened(run: RunLike) -> Run:
    return run if isinstance(run, Run) else load_run(run)
