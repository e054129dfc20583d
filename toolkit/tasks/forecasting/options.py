"""What a recipe of forecasting may say."""

from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field

from toolkit.recipe import (
    Auto,
    Column,
    DataOptions,
    EvaluateOptions,
    Refusal,
    Section,
    TaskOptions,
    TaskSection,
)

if TYPE_CHECKING:
    from toolkit.data.layout import Layout
    from toolkit.data.roles import Role
    from toolkit.data.table import Table

Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(ge=0, lt=1)]
USUAL_NAMES = (
    ("id", "time", "target"),
    ("unique_id", "ds", "y"),
    ("item_id", "timestamp", "target"),
)
Columns = Column | Annotated[tuple[Column, ...], Field(min_length=1)]
Level = Annotated[float, Field(gt=0, lt=1)]
BaselineName = Literal["last_value", "seasonal_naive", "moving_average", "drift"]


class ForecastingSection(TaskSection):
    """What to learn: the next steps of series."""

    type: Literal["forecasting"] = Field("forecasting", description="Forecasting.")
    context_length: Count | Auto = Field(
        "auto",
        description="Steps to look back on; auto: what a linear forecast does best with on the "
        "validation part.",
    )
    prediction_length: Count | Auto = Field(
        "auto", description="Steps to forecast; auto: by the frequency, such as 48 hours."
    )
    quantiles: Annotated[tuple[Level, ...], Field(min_length=1)] = Field(
        (0.1, 0.5, 0.9), description="Levels of the quantiles, increasing."
    )
    season: Annotated[int, Field(ge=1)] | Auto = Field(
        "auto", description="Steps of a season; auto: by the frequency, such as 24 hours; 1: none."
    )
    loss: Literal["mse", "mae", "huber"] = Field(
        "huber",
        description="Of the point forecast, the column prediction, where there is no distribution; "
        "mse: the mean; mae: the median; huber: the mean but of far values, as mae has them.",
    )
    distribution: Literal["normal", "student_t", "negative_binomial"] | None = Field(
        None,
        description="What the values are drawn from, trained by its likelihood, instead of "
        "quantiles one by one; negative_binomial: counts. Quantiles are answered all the same.",
    )

    budget: Annotated[int, Field(ge=0)] | Auto = Field(
        "auto",
        description="Steps that each network is tried for where the model is auto; 0: none is; "
        "auto: 200, and up to 1,000 of many windows.",
    )

    def refusals(self) -> Iterator[Refusal]:
        """Yield what does not go together."""
        yield from super().refusals()
        if list(self.quantiles) != sorted(set(self.quantiles)):
            yield Refusal("quantiles", "the levels must increase")
        if self.distribution is not None and self.loss != "huber":
            yield Refusal(
                "loss", "a distribution is trained by its likelihood alone; leave out one"
            )


class ForecastingData(DataOptions):
    """Series, as a column each, or below each other with their names in a column."""

    rows_alone: ClassVar[bool] = False

    time: Column = Field("date", description="Column of the times, by name or number.")
    target: Columns | None = Field(
        None, description="Column or columns to forecast; none: every column of numbers."
    )
    id: Column | None = Field(
        None,
        description="Column that names the series of a row; none: all rows are of one. Columns "
        "that are called id, time and target, or unique_id, ds and y, or item_id, timestamp and "
        "target, are known by their names where there is no date.",
    )
    past: Columns | None = Field(None, description="Columns of numbers known up to now.")
    known: Columns | None = Field(
        None, description="Columns of numbers known ahead too, such as prices or holidays."
    )
    static: Columns | None = Field(
        None, description="Columns that never change within a series, such as its region."
    )
    categorical: Columns | None = Field(
        None, description="Columns, of past, known and static, of categories instead of numbers."
    )
    calendar: Auto | bool = Field(
        "auto",
        description="Hour, weekday, day and month as features known ahead; auto: where the model "
        "reads features and the times are dates.",
    )
    frequency: str = Field(
        "auto",
        pattern=r"^(auto|\d*\s*(s|min|h|d|b|w|mo|q|y))$",
        description="Step of the times: auto, or such as 15min, 1h, 1d, 1w, 1mo; 1b: Monday to "
        "Friday.",
    )
    time_zone: str | None = Field(
        None, description="Zone of the times where they say none, such as Europe/Berlin."
    )
    missing: Literal["interpolate", "mask", "refuse"] = Field(
        "interpolate",
        description="Missing steps and values: put a line between the values around them, let "
        "them say nothing, or an error. They are never scored.",
    )
    scale: Literal["series", "global", "none"] = Field(
        "series",
        description="Mean and deviation that are taken away, from the training part: of each "
        "series, of all together, or none.",
    )

    def refusals(self) -> Iterator[Refusal]:
        """Yield what does not go together."""
        yield from super().refusals()
        features = [c for name in ("past", "known", "static") for c in _listed(getattr(self, name))]
        for column in _listed(self.categorical):
            if column not in features:
                yield Refusal("categorical", f"{column!r} is not among past, known and static")

    @property
    def targets(self) -> tuple[Column, ...]:
        """The columns to forecast; none where the data says which."""
        return _listed(self.target)


def _listed(columns: Any) -> tuple[Column, ...]:
    if columns is None:
        return ()
    return columns if isinstance(columns, tuple) else (columns,)


class Baseline(Section):
    """What the baselines share: nothing is learnt but the width of the quantiles."""

    type: str


class LastValue(Baseline):
    """The last value, for ever."""

    type: Literal["last_value"] = Field("last_value", description="The model.")


class SeasonalNaive(Baseline):
    """The last season, again and again."""

    type: Literal["seasonal_naive"] = Field("seasonal_naive", description="The model.")


class MovingAverage(Baseline):
    """The mean of the last season."""

    type: Literal["moving_average"] = Field("moving_average", description="The model.")


class Drift(Baseline):
    """The line from the first value of the context through the last."""

    type: Literal["drift"] = Field("drift", description="The model.")


class LinearModel(Section):
    """A linear map of the context in closed form: ridge regression."""

    type: Literal["linear"] = Field("linear", description="The model.")
    strength: Annotated[float, Field(ge=0)] | Auto = Field(
        "auto", description="Of the ridge; auto: chosen on the validation part."
    )
    toward: BaselineName | Auto = Field(
        "auto",
        description="The forecast that the ridge shrinks towards; auto: the last value, or on "
        "little data what is best on the validation part.",
    )
    individual: bool | Auto = Field(
        "auto",
        description="A map for each column, drawn towards the one that all share; auto: for those "
        "where it pays on the validation part, unless there is little data.",
    )


class Network(Section):
    """What the networks share."""

    linear: bool = Field(
        True, description="Add to the closed-form linear forecast; false: the network alone."
    )
    dropout: Rate | Auto = Field(
        "auto",
        description="Of every sublayer and before the forecast; auto: 0.2, of a Transformer of few "
        "windows 0.4.",
    )


class Recurrent(Network):
    """An encoder and a decoder over segments, with attention."""

    units: Count = Field(64, description="Size of the states.")
    num_layers: Count = Field(1, description="Layers of encoder and decoder.")
    segment_length: Count | Auto = Field(
        "auto", description="Steps read and written at once; auto: half a season, or a few."
    )


class LSTM(Recurrent):
    """A long short-term memory encoder and decoder."""

    type: Literal["lstm"] = Field("lstm", description="The model.")


class GRU(Recurrent):
    """An encoder and a decoder of gated recurrent units."""

    type: Literal["gru"] = Field("gru", description="The model.")


class TCN(Network):
    """Dilated causal convolutions."""

    type: Literal["tcn"] = Field("tcn", description="The model.")
    filters: Count = Field(32, description="Features of every block.")
    kernel_size: Count = Field(3, description="Taps.")
    num_layers: Count | Auto = Field("auto", description="Blocks; auto: to see all the context.")


class Transformer(Network):
    """A Transformer encoder over patches of each series."""

    type: Literal["transformer"] = Field("transformer", description="The model.")
    patch_length: Count = Field(16, description="Steps of a patch.")
    patch_step: Count = Field(8, description="Steps from one patch to the next.")
    num_layers: Count = Field(2, description="Encoder layers.")
    num_heads: Count = Field(4, description="Heads of the attention.")
    hidden_dim: Count | Auto = Field(
        "auto", description="Width of a token; auto: 16 of few windows, else 32."
    )
    intermediate_dim: Count = Field(64, description="Width within the feed-forward part.")


class Hybrid(Network):
    """Recurrence, then attention over its states, each with a residual."""

    type: Literal["hybrid"] = Field("hybrid", description="The model.")
    hidden_dim: Count = Field(32, description="Width.")
    num_layers: Count = Field(1, description="Blocks of recurrence and attention.")
    num_heads: Count = Field(4, description="Heads of the attention.")
    segment_length: Count | Auto = Field(
        "auto", description="Steps read at once; auto: half a season, or a few."
    )


class TFT(Network):
    """A Temporal Fusion Transformer: which variables and which steps count can be read off.

    Columns that never change (data.static) lead the selection of the others.
    """

    type: Literal["tft"] = Field("tft", description="The model.")
    hidden_dim: Count = Field(16, description="Width.")
    num_heads: Count = Field(4, description="Heads of the attention.")


Model = Annotated[
    LinearModel
    | LSTM
    | GRU
    | TCN
    | Transformer
    | Hybrid
    | TFT
    | LastValue
    | SeasonalNaive
    | MovingAverage
    | Drift,
    Field(discriminator="type"),
]


class ForecastingEvaluate(EvaluateOptions):
    """How the forecasts are judged."""

    baseline: BaselineName = Field(
        "seasonal_naive", description="What the scores are compared with, on the same windows."
    )
    backtests: int = Field(
        0,
        ge=0,
        description="Rolling origins: stretches of the split, scored each by itself; a linear "
        "model is fitted anew before each, a network stays as it is. 0: none.",
    )


class Options(TaskOptions):
    """A recipe of forecasting."""

    task: ForecastingSection = Field(ForecastingSection(), description="What to learn.")
    data: ForecastingData = Field(description="Where the rows are and what the columns mean.")
    model: Model | Auto = Field(
        "auto", description="What learns; auto: a linear map, or a network where it pays."
    )
    evaluate: ForecastingEvaluate = Field(ForecastingEvaluate(), description="How it is judged.")

    def roles(self) -> list["Role"]:
        """Return what the columns are to the task."""
        from toolkit.data.roles import Role  # pandas is only loaded where data is opened

        data = self.data
        roles = [
            Role("time", data.time, "time", window=self._horizon),
            Role("target", data.targets, "number", required=False),
        ]
        if data.id is not None:
            roles.append(Role("id", data.id, "series"))
        named = _listed(data.categorical)
        for name in ("past", "known", "static"):
            columns = tuple(c for c in _listed(getattr(data, name)) if c not in named)
            if columns:
                roles.append(Role(name, columns, "number", required=False))
        if named:
            roles.append(Role("categorical", named, "group", required=False))
        return roles

    def _horizon(self, table: "Table") -> int:
        """Steps to forecast, of which a split needs as many rows of a series."""
        from toolkit.data.series_checks import settled_frequency, settled_horizon

        written = self.task.prediction_length
        if isinstance(written, int):
            return written
        return settled_horizon(self, settled_frequency(self, table))

    def for_columns(self, names: Callable[[], Collection[str]]) -> Self:
        """Return them with the columns of series below each other, if these have usual names."""
        data = self.data
        keys = ("id", "time", "target")
        if data.model_fields_set.intersection(keys):
            return self
        there = set(names())
        found = next((usual for usual in USUAL_NAMES if there.issuperset(usual)), None)
        if found is None or data.time in there:
            return self
        named = data.model_copy(update=dict(zip(keys, found, strict=True)))
        return self.model_copy(update={"data": named})

    def layout(self) -> "Layout":
        """Return which columns are what."""
        from toolkit.data.layout import Layout

        data = self.data
        static = _listed(data.static)
        return Layout(
            time=data.time,
            target=data.targets,
            id=data.id,
            past=_listed(data.past),
            known=(*_listed(data.known), *static),
            static=static,
            categorical=_listed(data.categorical),
            time_zone=data.time_zone,
        )

    def findings(self, splits: Any) -> list[Any]:
        """Return what is wrong with the series: their order, steps, values and lengths."""
        from toolkit.data.series_checks import check_series

        return check_series(splits, self)
