"""Forecasting: what is fitted, what is learnt, what is answered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray
from pydantic import TypeAdapter

from toolkit.data.columns import Column
from toolkit.data.examples import Examples
from toolkit.data.frequency import Frequency, wall_seconds
from toolkit.data.series import Series
from toolkit.data.series_checks import settled_frequency, settled_horizon
from toolkit.data.series_reading import read_series
from toolkit.data.table import Table
from toolkit.data.windows import WindowExamples
from toolkit.errors import unreadable
from toolkit.metrics.forecasting import naive_errors
from toolkit.models import temporal_fusion
from toolkit.tasks.base import Decision, Monitor, Task, Tensors
from toolkit.tasks.forecasting import (
    backtests,
    choosing,
    clock,
    cutting,
    distributions,
    individual,
    losses,
    models,
    options,
    pictures,
    reporting,
    ridge,
)
from toolkit.tasks.forecasting.scaling import Scaler, fit_scaler

if TYPE_CHECKING:
    from toolkit.data.splits import Splits

SETTLED = (
    "season", "context_length", "prediction_length", "shortest", "strength", "toward", "individual",
    "widening", "windows",
)  # fmt: skip


class Forecasting(Task[options.Options]):
    """Points and quantiles of the next steps of series."""

    options_type: ClassVar[type[options.Options]] = options.Options

    def __init__(self, options: options.Options) -> None:
        super().__init__(options)
        self.model_options: Any = options.model
        self.layout = options.layout()
        self.targets: tuple[str, ...] = ()
        self.frequency = Frequency("number", 1)
        self.season = 1
        self.context_length = 0
        self.prediction_length = 0
        self.shortest = 1  # history that training has seen before a window
        self.strength = 100.0
        self.toward = "last_value"
        self.individual: list[float] = []  # strengths of the targets' own maps, where there are any
        self.widening = 1.0  # errors on steps not learnt from, beside those on the training part
        self.windows = 0
        self.scaler: Scaler | None = None
        self.naive: NDArray[np.float64] = np.zeros((2, 1, 1))

    # -- data ---------------------------------------------------------------------------------

    def prepare(self, splits: Splits) -> None:
        """Settle frequency, lengths, season and model; fit the scales on the training part."""
        written = self.options
        self.layout = self.layout.with_words(splits.train)
        self.targets = self.layout.targets(splits.train)
        self.frequency = settled_frequency(written, splits.train)
        self._decide("data.frequency", str(self.frequency), "the commonest step of the times")
        self._decide("data.target", list(self.targets), "every column of numbers")
        self.prediction_length = settled_horizon(written, self.frequency)
        why = f"usual for a frequency of {self.frequency}"
        self._decide("task.prediction_length", self.prediction_length, why)
        series = self.read(splits.train)
        self._settle_season(series)
        errors = [naive_errors(series.target[a:b], self.season) for a, b in
                  zip(series.splits[:-1], series.splits[1:], strict=True)]  # fmt: skip
        self.naive = np.stack([np.stack(one) for one in zip(*errors, strict=True)])
        choosing.settle(self, splits, series)

    def _settle_season(self, series: Series) -> None:
        written = self.options.task.season
        if written != "auto":
            self.season = written
        elif self.frequency.kind == "number":
            self.season = choosing.found_season(series)
            self._decide("task.season", self.season, "its naive forecast errs least on train")
        else:
            self.season = choosing.season_length(self.frequency)
            self._decide("task.season", self.season, f"a frequency of {self.frequency}")

    def _decide(self, name: str, value: Any, reason: str) -> None:
        section, _, key = name.partition(".")
        if getattr(getattr(self.options, section), key) in ("auto", None):
            self.decisions[name] = Decision(value, reason)

    def fit_scaler(self, series: Series, season: int) -> Scaler:
        """Fit level, scale and a profile of so many steps; 1 for no profile."""
        seconds = wall_seconds(series.times(), self.options.data.time_zone)
        phases = np.asarray(clock.phase(tf.constant(seconds), self.frequency, season))
        return fit_scaler(series, self.options.data.scale, season, phases)

    def save(self, directory: Path) -> None:
        """Write ``forecasting.json`` and the scales, ``scales.npz``."""
        assert self.scaler is not None
        content = {
            "targets": self.targets,
            "frequency": [self.frequency.kind, self.frequency.step],
            **{name: getattr(self, name) for name in SETTLED},
            "model": self.model_options.model_dump(mode="json"),
            "naive": self.naive.tolist(),
            "words": list(self.layout.words.values()),
        }
        (directory / "forecasting.json").write_text(json.dumps(content, indent=1))
        self.scaler.save(directory / "scales.npz")

    def load(self, directory: Path) -> None:
        """Read what :meth:`save` wrote."""
        path = directory / "forecasting.json"
        try:
            content = json.loads(path.read_text())
            self.targets = tuple(content["targets"])
            self.frequency = Frequency(*content["frequency"])
            for name in SETTLED:
                setattr(self, name, content[name])
            self.model_options = TypeAdapter(options.Model).validate_python(content["model"])
            self.naive = np.array(content["naive"])
            pairs = zip(self.layout.categorical, map(tuple, content["words"]), strict=True)
            self.layout = replace(self.layout, words=dict(pairs))
            self.scaler = Scaler.load(directory / "scales.npz")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise unreadable(path, error) from error

    def read(self, table: Table) -> Series:
        """The series of a table on this task's grid."""
        return read_series(table, self.layout, self.frequency, self.targets)

    @property
    def calendar(self) -> bool:
        """Whether the model reads the calendar."""
        wanted = self.options.data.calendar
        dates = self.frequency.kind != "number"
        if wanted != "auto":
            return bool(wanted) and dates
        return dates and bool(self.layout.known or self.layout.past) and self.reads_features

    @property
    def reads_features(self) -> bool:
        """Whether the model is a network: baselines and linear maps read the targets alone."""
        return isinstance(self.model_options, options.Network)

    @property
    def reads_time(self) -> bool:
        """Whether the times are an input."""
        assert self.scaler is not None
        return self.scaler.season > 1 or (self.calendar and self.reads_features)

    def examples(self, table: Table, *, targets: bool = True) -> Examples:
        """Every window of ``table``; without targets, one after the last row of each series."""
        series = self.read(table)
        return self.cut(series) if targets else cutting.last_windows(self, table, series)

    def cut(self, series: Series) -> WindowExamples:
        """Windows whose steps to forecast are all among the series' own rows."""
        return cutting.windows(self, series)

    def raw(self, table: Table) -> dict[str, NDArray[Any]]:
        """The window of each series that ends with its last value."""
        return cutting.raw_windows(self, self.read(table))

    def kept(self, table: Table, rows: int) -> Table:
        """As many last rows as one window has, of half as many series."""
        return cutting.kept(self, table, max(rows // 2, 1))

    def preprocess(self, raw: Tensors) -> Tensors:
        """Scale the targets, look up the seasonal part, scale the features, read the calendar."""
        assert self.scaler is not None
        target = raw["target"]
        if "id" in raw:
            number = self.scaler.table.lookup(raw["id"])
        else:
            number = tf.zeros(tf.shape(target)[:1], tf.int32)
        inputs = {
            "target": self.scaler.scaled(target, number),
            "scale": self.scaler.statistics(number),
        }
        if self.scaler.season > 1:
            phase = clock.phase(raw["time"], self.frequency, self.scaler.season)
            inputs["season"] = self.scaler.seasonal(phase, number)
        center, deviation = self.scaler.covariates
        past = len(self.layout.past)
        if "past" in raw:
            inputs["past"] = self._features(
                raw["past"], self.layout.past, center[:past], deviation[:past]
            )
        known = []
        if "known" in raw:
            known.append(
                self._features(raw["known"], self.layout.known, center[past:], deviation[past:])
            )
        if self.calendar and self.reads_features:
            known.append(clock.calendar(raw["time"]))
        if known:
            inputs["known"] = tf.concat(known, axis=-1)
        return inputs

    def _features(self, values: Any, columns: tuple[Column, ...], center: Any, scale: Any) -> Any:
        """Numbers scaled, missing ones 0, the mean; a 1 for a category, none for an unknown."""
        parts = []
        for place, column in enumerate(columns):
            each = values[..., place]
            if column in self.layout.categorical:
                there = tf.where(tf.math.is_nan(each), tf.cast(-1, each.dtype), each)
                parts.append(tf.one_hot(tf.cast(there, tf.int32), len(self.layout.words[column])))
                continue
            scaled = tf.cast((each - center[place]) / scale[place], tf.float32)
            parts.append(tf.where(tf.math.is_nan(scaled), 0.0, scaled)[..., None])
        return tf.concat(parts, axis=-1)

    def feature_names(self, columns: tuple[Column, ...]) -> list[str]:
        """What the features of columns are called, one for each category."""
        names: list[str] = []
        for column in columns:
            words = self.layout.words.get(column) if column in self.layout.categorical else None
            names += [str(column)] if words is None else [f"{column} {word}" for word in words]
        return names

    # -- model --------------------------------------------------------------------------------

    def build_model(self) -> keras.Model:
        """Build the model that the recipe names or the data decided."""
        assert self.scaler is not None
        columns = len(self.feature_names(self.layout.known))
        static = (columns - len(self.feature_names(self.layout.static)), columns)
        known = columns + (len(clock.FEATURES) if self.calendar else 0)
        reads = self.reads_features
        return models.build(
            self.model_options,
            context_length=self.context_length,
            prediction_length=self.prediction_length,
            channels=len(self.targets),
            levels=self.options.task.quantiles,
            individual=bool(self.individual),
            distribution=self.options.task.distribution,
            past=len(self.feature_names(self.layout.past)) if reads else 0,
            known=known if reads else 0,
            static=static,
            seasonal=self.scaler.season > 1,
            season=self.season,
            missing="interpolate" if self.options.data.missing != "mask" else "last",
            seed=self.options.run.seed,
        )

    def initialise(self, model: keras.Model, examples: Examples) -> None:
        """Set the linear map in closed form and the quantiles by what it leaves on train."""
        assert isinstance(examples, WindowExamples)
        names = _names(model)
        if "spread" not in names:
            return  # a model of the user's own
        weights = self.linear_map(examples)
        if "linear" in names:
            model.get_layer("linear").set_weights([weights[..., :-1, :], weights[..., -1, :]])
        elif isinstance(self.model_options, options.Network):
            weights = ridge.toward("last_value", *self.lengths, 1)
        spread = model.get_layer("spread")
        if self.options.task.distribution is None:
            models.set_spread(spread, examples, weights, self.options.task.quantiles)
        else:
            models.set_distribution(spread, examples, weights)

    @property
    def starts_trained(self) -> bool:
        """A linear map or a baseline is whole, and what a network adds to it has to pay."""
        return True

    @property
    def lengths(self) -> tuple[int, int]:
        """Context and prediction."""
        return self.context_length, self.prediction_length

    def linear_map(self, examples: WindowExamples) -> NDArray[np.float64]:
        """The map and bias of the linear part, ``(context + 1, prediction)``, or of each target."""
        if isinstance(self.model_options, options.Baseline):
            return ridge.toward(self.model_options.type, *self.lengths, self.season)
        toward = ridge.toward(self.toward, *self.lengths, self.season)
        shared = ridge.moments(examples).solve(self.strength, toward)
        return individual.maps(self, examples, shared) if self.individual else shared

    def loss(self, outputs: Any, targets: Tensors, weights: Any) -> Any:
        """Error of the point and pinball loss of the quantiles, or the negative likelihood."""
        return losses.loss(self.options.task, outputs, targets, weights)

    def batch_size(self, series: int = 256) -> int:
        """Windows of all targets that hold about so many series."""
        return int(np.clip(series // len(self.targets), 8, 128))

    def recommended(self) -> dict[str, Decision]:
        """Few steps for the quantiles of a linear map, more for a network."""
        windows = f"{self.windows:,} training windows of {len(self.targets)} targets"
        # attention over every pair of steps takes memory, and all steps of a TFT much time
        size = self.batch_size(64 if isinstance(self.model_options, options.TFT) else 256)
        steps = max(1, self.windows // size)
        if not self.reads_features:
            epochs = int(np.clip(300 // steps, 1, 10))
            return {
                "batch_size": Decision(size, windows),
                "epochs": Decision(epochs, "only the width of the quantiles is trained"),
                "learning_rate": Decision(0.01, "the quantiles begin near where they end"),
            }
        epochs = int(np.clip(4000 // steps, 3, 30))
        return {
            "batch_size": Decision(size, windows),
            "epochs": Decision(epochs, f"{windows}: about 4,000 steps"),
            "learning_rate": Decision(5e-4, "small beside the linear start"),
        }

    # -- answers ------------------------------------------------------------------------------

    @property
    def monitor(self) -> Monitor:
        """The validation loss: errors of points and quantiles in scaled units."""
        return Monitor("loss", "min")

    def answer(self, model: keras.Model, inputs: Tensors) -> Tensors:
        """``forecast``, ``(batch, steps, targets, 1 + levels)``, in original units."""
        found: Tensors = {}
        if isinstance(self.model_options, options.TFT) and "attention" in _names(model):
            outputs, found = temporal_fusion.interpreted(model, inputs, len(self.targets))
        else:
            outputs = model(inputs, training=False)
        outputs = ops.cast(outputs, "float32")
        family, levels = self.options.task.distribution, self.options.task.quantiles
        if family is not None:
            forecast, more = distributions.quantiles(family, outputs, inputs["scale"], levels)
            return {"forecast": self._widened(forecast), **more, **found}
        center, scale = inputs["scale"][:, 0], inputs["scale"][:, 1]
        forecast = outputs * scale[:, None, :, None] + center[:, None, :, None]
        return {"forecast": self._widened(forecast), **found}

    def _widened(self, forecast: Any) -> Any:
        """Quantiles further from the point, by what a short training part tells too little of."""
        if self.widening == 1:
            return forecast
        point = forecast[..., :1]
        return ops.concatenate([point, point + (forecast[..., 1:] - point) * self.widening], -1)

    def validate(self, model: keras.Model, inputs: Tensors, outputs: Any) -> Tensors:
        """Nothing: the loss, which comes with it, is what is watched."""
        del model, outputs
        return {"nothing": ops.zeros_like(inputs["scale"][:, 0, 0])}

    def score(self, answers: Mapping[str, NDArray[Any]], examples: Examples) -> dict[str, float]:
        """Scores of points and quantiles; none for what :meth:`validate` gives."""
        if "forecast" not in answers:
            return {}
        assert isinstance(examples, WindowExamples)
        return reporting.scorer(self, answers["forecast"], examples).scores()

    def report(
        self, answers: Mapping[str, NDArray[Any]], examples: Examples, table: Table
    ) -> dict[str, Any]:
        """Scores, those of the baselines on the same windows, by step and by series."""
        assert isinstance(examples, WindowExamples)
        series = self.read(table)
        report = reporting.report(self, answers, examples, series)
        folds = self.options.evaluate.backtests
        if folds:
            report["backtests"] = backtests.backtests(
                self, answers["forecast"], examples, series, folds
            )
        return report

    def pictures(
        self, answers: Mapping[str, NDArray[Any]], examples: Examples, table: Table
    ) -> dict[str, bytes]:
        """Return forecast fans, the error of each step and the residuals' autocorrelation."""
        del table
        assert isinstance(examples, WindowExamples)
        return pictures.draw(self, answers["forecast"], examples)

    def predictions(self, answers: Mapping[str, NDArray[Any]]) -> pd.DataFrame:
        """A row for each series, step and target."""
        return reporting.frame(self, answers)

    def answered(
        self, table: Table, examples: Examples, answers: Mapping[str, NDArray[Any]]
    ) -> pd.DataFrame:
        """The forecasts with their times and the names of their series."""
        del examples
        series = self.read(table)
        places = series.ends - series.splits[:-1]
        moments = self.frequency.at(
            np.repeat(series.starts, self.prediction_length),
            (places[:, None] + np.arange(self.prediction_length)).reshape(-1),
        )
        return reporting.dated(self, answers, series.ids, moments)

    # -- serving ------------------------------------------------------------------------------

    def signature(self) -> dict[str, tf.TensorSpec]:
        """Windows in original units."""
        whole = self.context_length + self.prediction_length
        shapes: dict[str, tuple[list[int | None], Any]] = {
            "target": ([None, self.context_length, len(self.targets)], tf.float32)
        }
        if self.layout.id is not None:
            shapes["id"] = ([None], tf.string)
        if self.reads_time:
            shapes["time"] = ([None, whole], tf.int64)
        if self.reads_features and self.layout.past:
            shapes["past"] = ([None, self.context_length, len(self.layout.past)], tf.float32)
        if self.reads_features and self.layout.known:
            shapes["known"] = ([None, whole, len(self.layout.known)], tf.float32)
        return {name: tf.TensorSpec(shape, kind, name) for name, (shape, kind) in shapes.items()}

    def named(self, answers: Tensors) -> Tensors:
        """``prediction`` and ``quantiles``."""
        forecast = answers["forecast"]
        found = {name: value for name, value in answers.items() if name != "forecast"}
        return {"prediction": forecast[..., 0], "quantiles": forecast[..., 1:], **found}

    def card(self) -> dict[str, Any]:
        """What a user of the export must know."""
        return reporting.card(self)


def _names(model: keras.Model) -> list[str]:
    return [layer.name for layer in model.layers]
