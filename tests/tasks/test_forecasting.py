"""Forecasting from frames to an exported model."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import toolkit
from toolkit.data.frequency import Frequency, infer_frequency
from toolkit.data.layout import Layout
from toolkit.data.series_reading import read_series
from toolkit.data.splits import load_splits
from toolkit.data.table import Source, Table
from toolkit.errors import DataError
from toolkit.tasks.forecasting import (
    backtests,
    clock,
    individual,
    losses,
    models,
    origins,
    reporting,
    ridge,
    trial,
)
from toolkit.tasks.forecasting.models import distances
from toolkit.tasks.forecasting.options import GRU, ForecastingSection, Options
from toolkit.tasks.forecasting.options import Transformer as TransformerSection
from toolkit.tasks.forecasting.task import Forecasting

CONTEXT, AHEAD = 24, 6
TASK = {"type": "forecasting", "context_length": CONTEXT, "prediction_length": AHEAD}
NETWORKS: dict[str, Any] = {
    "lstm": {"type": "lstm", "units": 8},
    "gru": {"type": "gru", "units": 8, "num_layers": 2, "dropout": 0.0},
    "tcn": {"type": "tcn", "filters": 4},
    "transformer": {"type": "transformer", "num_layers": 1, "num_heads": 2, "hidden_dim": 8,
                    "intermediate_dim": 8, "patch_length": 6, "patch_step": 3},
    "tft": {"type": "tft", "hidden_dim": 8, "num_heads": 2},
    "hybrid": {"type": "hybrid", "hidden_dim": 8, "num_heads": 2},
}  # fmt: skip


def hours(rows: int = 400, start: str = "2024-01-01") -> pd.DataFrame:
    random = np.random.default_rng(0)
    hour = np.arange(rows)
    return pd.DataFrame(
        {
            "date": pd.date_range(start, periods=rows, freq="h").astype(str),
            "a": 10 + np.sin(2 * np.pi * hour / 24) + 0.1 * random.standard_normal(rows),
            "b": 500 + 50 * np.cos(2 * np.pi * hour / 24) + random.standard_normal(rows),
        }
    )


def stores() -> pd.DataFrame:
    frames = []
    for number, rows in enumerate((300, 240, 200)):
        frame = hours(rows)
        price = np.random.default_rng(number).uniform(1, 2, rows)
        frame["price"] = price
        frame["sold"] = frame["a"] * 10**number - 3 * price
        frame["store"] = f"s{number}"
        frame["region"] = "north" if number else "south"
        frames.append(frame[["store", "date", "sold", "price", "region"]])
    return pd.concat(frames, ignore_index=True)


def task(frame: pd.DataFrame, model: Any = "auto", **sections: Any) -> tuple[Forecasting, Any]:
    data = {"train": frame, **sections.pop("data", {})}
    recipe = {"task": sections.pop("task", TASK), "data": data, "model": model} | sections
    options = Options.model_validate(recipe)
    splits = load_splits(options.data, options.roles())
    prepared = Forecasting(options)
    prepared.prepare(splits)
    return prepared, splits


def problem(frame: pd.DataFrame, **sections: Any) -> str:
    data = {"train": frame, **sections.pop("data", {})}
    report = toolkit.check(task=sections.pop("task", TASK), data=data, **sections)
    return "\n".join(str(each) for each in [*report.errors, *report.warnings])


# -- windows --------------------------------------------------------------------------------------


def test_validation_and_test_windows_reach_back() -> None:
    prepared, splits = task(hours(), data={"split": {"validation": 80, "test": 80}})
    train, validation, test = (prepared.examples(table) for _, table in splits.items())
    assert len(train) == 240 - CONTEXT - AHEAD + 1
    assert len(validation) == len(test) == 80 - AHEAD + 1
    batch = test.batch(np.array([0]), ())
    scale, center = prepared.scaler.scale[0], prepared.scaler.center[0]
    before = splits.validation.frame[["a", "b"]].to_numpy()[-CONTEXT:]
    np.testing.assert_allclose(batch.inputs["target"][0] * scale + center, before, rtol=1e-4)
    ahead = splits.test.frame[["a", "b"]].to_numpy()[:AHEAD]
    np.testing.assert_allclose(batch.targets["target"][0] * scale + center, ahead, rtol=1e-4)


def test_scales_are_those_of_the_training_part() -> None:
    prepared, splits = task(hours())
    values = splits.train.frame[["a", "b"]].to_numpy()
    np.testing.assert_allclose(prepared.scaler.center[0], values.mean(0))
    np.testing.assert_allclose(prepared.scaler.scale[0], values.std(0))


def test_gaps_become_missing_steps_that_are_not_scored() -> None:
    frame = hours().drop(index=[50, 51]).reset_index(drop=True)
    frame.loc[100, "a"] = np.nan
    prepared, splits = task(frame)
    series = prepared.read(splits.train)
    assert (series.gaps, series.missing) == (2, 1)
    assert np.isnan(series.target[[50, 51]]).all()
    assert "2 steps without a row and 1 rows with a missing value" in problem(frame)
    refused = problem(frame, data={"missing": "refuse"})
    assert "Expected none, as data.missing is refuse" in refused


def test_summer_time_is_neither_a_gap_nor_doubled() -> None:
    local = pd.date_range("2024-03-20", periods=6000, freq="h", tz="Europe/Berlin")
    frame = pd.DataFrame({"date": local.tz_localize(None).astype(str), "a": np.arange(6000.0) % 24})
    layout = Layout("date", time_zone="Europe/Berlin")
    found = Table.from_source(frame, Source("frame", "row", ""))
    assert read_series(found, layout, Frequency.parse("1h"), ["a"]).gaps == 0
    assert "repeats a time" in problem(frame)  # without the zone: an hour in October
    assert "goes back" not in problem(frame, data={"time_zone": "Europe/Berlin"})
    with_offsets = frame.assign(date=local.astype(str))
    found = Table.from_source(with_offsets, Source("frame", "row", ""))
    assert read_series(found, Layout("date"), Frequency.parse("1h"), ["a"]).gaps == 0


def test_frequencies() -> None:
    for start, freq, want in (
        ("2020-01-31", "ME", "1mo"),
        ("2020-01-01", "QS", "1q"),
        ("2020-01-01", "YS", "1y"),
        ("2020-01-06", "7D", "1w"),
        ("2020-01-03 17:30", "B", "1b"),
        ("2020-01-01", "15min", "15min"),
    ):
        times = pd.date_range(start, periods=30, freq=freq).to_numpy("datetime64[ns]")
        found = infer_frequency(times, np.ones(29, bool))
        assert found is not None
        assert str(found) == want
        assert Frequency.parse(want) == found
        places, on_grid = found.positions(times, np.repeat(times[:1], 30))
        assert on_grid.all()
        assert places.tolist() == list(range(30))
        assert (found.at(times[0], np.arange(30)) == times).all()


def test_weekdays_have_no_gaps_and_a_week_of_five() -> None:
    dates = pd.bdate_range("2020-01-01", periods=300)
    frame = pd.DataFrame({"date": dates.astype(str), "a": dates.day_of_week + 0.1})
    prepared, splits = task(frame)
    assert (prepared.season, prepared.read(splits.train).gaps) == (5, 0)
    phases = clock.phase(tf.constant(dates.as_unit("s").asi8), prepared.frequency, 5)
    assert phases.numpy().tolist() == dates.day_of_week.tolist()
    assert "one step apart: 1b (Monday to Friday)." in reporting.card(prepared)["rules"][0]
    with_a_saturday = frame.assign(date=[*frame["date"][:-1], "2021-02-27"])
    given = {"frequency": "1b"}
    assert "not a whole number of steps" in problem(with_a_saturday, data=given)


def test_series_of_different_lengths_have_their_own_scale_and_windows() -> None:
    prepared, splits = task(stores(), data={"id": "store", "target": "sold", "known": "price"})
    train = prepared.examples(splits.train)
    lengths = splits.train.frame["store"].value_counts()
    assert len(train) == sum(n - CONTEXT - AHEAD + 1 for n in lengths)
    assert prepared.scaler.scale[2, 0] / prepared.scaler.scale[0, 0] > 50


@pytest.mark.parametrize(
    ("names", "given", "found"),
    [
        (("id", "time", "target"), {}, True),
        (("unique_id", "ds", "y"), {}, True),
        (("item_id", "timestamp", "target"), {}, True),
        (("unique_id", "ds", "y"), {"time": "ds"}, False),
        (("id", "date", "target"), {}, False),
        (("id", "time", "sold"), {}, False),
    ],
)
def test_series_below_each_other_by_usual_names(
    names: tuple[str, str, str], given: dict[str, str], found: bool
) -> None:
    frame = stores()[["store", "date", "sold"]].set_axis(names, axis="columns")
    recipe = {"task": TASK, "data": {"train": frame, **given}}
    options = Options.model_validate(recipe).for_columns(lambda: list(frame.columns))
    assert (options.data.id, options.data.time) == (
        names[:2] if found else (None, given.get("time", "date"))
    )
    if found:
        prepared = toolkit.prepare(recipe)
        assert prepared.task.targets == names[2:]
        assert len(prepared.task.read(prepared.splits.train)) == 3


def test_times_in_a_way_of_their_own() -> None:
    frame = stores()[["store", "date", "sold"]]
    american = frame.assign(date=pd.to_datetime(frame["date"]).dt.strftime("%m/%d/%Y %H:%M"))
    columns = {"id": "store", "target": "sold"}
    plain = toolkit.prepare(task=TASK, data={"train": frame, **columns})
    data = {"train": american, "time_format": "%m/%d/%Y %H:%M", **columns}
    written = toolkit.prepare(task=TASK, data=data)
    assert len(plain.train) == len(written.train)
    np.testing.assert_equal(plain.train.batch([0, 7]).inputs, written.train.batch([0, 7]).inputs)
    data["time_format"] = "%d/%m/%Y %H:%M"
    (error, *_) = toolkit.check(task=TASK, data=data).errors
    assert "column 'date' holds no date" in str(error)


def weeks(lengths: dict[str, int]) -> pd.DataFrame:
    frames = []
    for number, (name, rows) in enumerate(lengths.items()):
        steps = np.arange(rows)
        noise = np.random.default_rng(number).standard_normal(rows)
        frames.append(pd.DataFrame({"item": name, "date": pd.date_range("2001-01-01", periods=rows,
                                    freq="7D"), "sold": 50 + 0.2 * steps + noise}))  # fmt: skip
    return pd.concat(frames, ignore_index=True)


WEEKLY = {"type": "forecasting", "prediction_length": 13}
ITEMS = {"id": "item", "target": "sold"}


def test_every_series_is_scored_and_short_ones_are_lengthened() -> None:
    lengths = {"a": 400, "b": 90, "c": 30, "d": 10, "e": 300}
    prepared, splits = task(weeks(lengths), data=ITEMS, task=WEEKLY | {"context_length": 104})
    parts = {name: table.frame["item"].value_counts() for name, table in splits.items()}
    assert parts["test"].to_dict() == {"a": 40, "e": 30, "b": 13, "c": 13}
    assert parts["train"].to_dict() == {"a": 320, "e": 240, "b": 64, "c": 17, "d": 10}
    assert any("2 too short for all parts" in one.how for one in splits.decisions)
    train = prepared.examples(splits.train)
    counts = np.bincount(train.series, minlength=5)
    assert (prepared.context_length, prepared.shortest) == (104, 4)
    assert counts[[2, 3]].tolist() == [1, 0]
    window = train.batch(np.flatnonzero(train.series == 2)).inputs["target"][0, :, 0]
    assert np.isnan(window).sum() == 104 - 4
    assert len(set(prepared.examples(splits.test).series)) == 4
    ahead = prepared.examples(splits.train, targets=False).batch(np.arange(5))
    assert np.isnan(ahead.inputs["target"]).sum(axis=(1, 2)).tolist() == [0, 40, 87, 94, 0]


def test_short_series_are_told() -> None:
    told = problem(weeks({"a": 400, "b": 30, "c": 10}), task=WEEKLY, data=ITEMS)
    assert "train split: of 3 series 'c': shorter than a window; not learnt from." in told


def test_windows_of_each_series_as_parts() -> None:
    split = {"validation": "3 windows", "test": "1 window"}
    _, splits = task(weeks({"a": 100, "b": 90}), data={**ITEMS, "split": split}, task=WEEKLY)
    assert len(splits.validation) == 2 * 15
    assert len(splits.test) == 2 * 13
    _, splits = task(hours(), data={"split": split})
    assert (len(splits.validation), len(splits.test)) == (AHEAD + 2, AHEAD)


def test_the_clock_against_pandas() -> None:
    moments = pd.date_range("1999-12-25", periods=500, freq="37h")
    seconds = moments.to_numpy("datetime64[s]").astype(np.int64)
    year, month, day = clock.civil(tf.constant(seconds // 86_400))
    assert year.numpy().tolist() == moments.year.tolist()
    assert month.numpy().tolist() == moments.month.tolist()
    assert day.numpy().tolist() == moments.day.tolist()
    weekday = (clock.calendar(tf.constant(seconds))[:, 1] + 0.5) * 6
    assert np.rint(weekday.numpy()).astype(int).tolist() == moments.day_of_week.tolist()


def test_the_ridge_against_least_squares() -> None:
    prepared, splits = task(hours())
    every = ridge.windows(prepared.examples(splits.train))
    x, y, _ = map(np.concatenate, zip(*every, strict=True))
    want = np.linalg.solve(x.T @ x + 5 * np.eye(x.shape[1]), x.T @ y)
    found = ridge.moments(prepared.examples(splits.train))
    got = found.solve(5 - 1e-6 * np.trace(found.inputs) / len(found.inputs))
    np.testing.assert_allclose(got, want, atol=1e-3)
    assert found.error(got) == pytest.approx(np.mean((y - x @ got) ** 2), rel=1e-4)


def test_a_ridge_goes_from_its_baseline_to_least_squares() -> None:
    prepared, splits = task(hours())
    found = ridge.moments(prepared.examples(splits.train))
    toward = ridge.toward("seasonal_naive", CONTEXT, AHEAD, 24)
    assert toward.shape == (CONTEXT + 1, AHEAD)
    np.testing.assert_allclose(found.solve(1e12, toward), toward, atol=1e-4)
    np.testing.assert_allclose(found.solve(0, toward), found.solve(0), atol=1e-3)
    both = found.solutions(10, np.stack([toward, 0 * toward]))
    np.testing.assert_allclose(both, [found.solve(10, toward), found.solve(10)], atol=1e-9)


# -- maps of single targets -----------------------------------------------------------------------


def unlike(rows: int = 6300) -> pd.DataFrame:
    """Noise, of which the mean tells most, and a walk of which the last value does."""
    random = np.random.default_rng(0)
    walk = np.zeros(rows)
    for row in range(1, rows):
        walk[row] = 0.95 * walk[row - 1] + random.standard_normal()
    return hours(rows).assign(a=random.standard_normal(rows), b=walk)


def settled(frame: pd.DataFrame, own: Any = "auto") -> tuple[Forecasting, Any]:
    section = {"type": "linear", "individual": own}
    return task(frame, section, task=TASK | {"budget": 0})


def test_unlike_columns_get_maps_of_their_own() -> None:
    errors = {}
    for own in (False, "auto"):
        prepared, splits = settled(unlike(), own)
        weights = prepared.linear_map(prepared.examples(splits.train))
        scorer = reporting.score_map(prepared, weights, prepared.examples(splits.test))
        errors[own] = scorer.scores(quantiles=False)["mse"]
        assert weights.shape == (*((2,) if own else ()), CONTEXT + 1, AHEAD)
    assert errors["auto"] < 0.95 * errors[False]
    assert "with maps for a, b" in prepared.decisions["model.individual"].reason


def test_maps_of_single_targets_are_ridges_toward_the_shared_one() -> None:
    prepared, splits = settled(unlike(), True)
    examples = prepared.examples(splits.train)
    x, y, of = map(np.concatenate, zip(*ridge.windows(examples), strict=True))
    toward = ridge.toward("last_value", CONTEXT, AHEAD, 24)
    shared = ridge.moments(examples).solve(prepared.strength, toward)
    weights = prepared.linear_map(examples)
    for target, strength in enumerate(prepared.individual):
        mine = x[of == target].astype(np.float64)
        penalty = (strength + 1e-6 * np.sum(mine**2) / x.shape[1]) * np.eye(x.shape[1])
        right = mine.T @ (y[of == target] - mine @ shared)
        want = shared + np.linalg.solve(mine.T @ mine + penalty, right)
        np.testing.assert_allclose(weights[target], want, atol=1e-3)
    left = np.mean(ridge.residuals(examples, weights) ** 2)
    assert left < np.mean(ridge.residuals(examples, shared) ** 2)


def test_a_model_answers_by_the_maps_of_its_targets_and_keeps_them(tmp_path: Path) -> None:
    prepared, splits = settled(unlike())
    model = prepared.build_model()
    prepared.initialise(model, prepared.examples(splits.train))
    examples = prepared.examples(splits.test)
    batch = examples.batch(np.arange(len(examples)))
    point = np.asarray(prepared.answer(model, batch.inputs)["forecast"])[..., 0]
    weights = prepared.linear_map(prepared.examples(splits.train))
    scores = reporting.score_map(prepared, weights, examples).scores(quantiles=False)
    scale = batch.inputs["scale"][:, 1][:, None]
    center = batch.inputs["scale"][:, 0][:, None]
    error = np.mean(((point - center) / scale - batch.targets["target"]) ** 2)
    assert error == pytest.approx(scores["mse"], rel=1e-4)
    prepared.save(tmp_path)
    again = Forecasting(prepared.options)
    again.load(tmp_path)
    assert again.individual == prepared.individual
    assert again.build_model().get_layer("linear").kernel.shape == (2, CONTEXT, AHEAD)


def test_one_map_for_all_where_columns_are_alike_or_there_is_no_telling(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alike = hours(6300).assign(b=hours(6300)["a"] + 5)
    assert settled(alike)[0].individual == []
    assert settled(unlike(400))[0].individual == []
    assert task(unlike(), "seasonal_naive")[0].individual == []
    assert "model.individual" not in task(unlike(), "drift")[0].decisions
    monkeypatch.setattr(individual, "MOST", 2 * (CONTEXT + 1) * AHEAD - 1)
    assert settled(unlike())[0].individual == []
    assert len(settled(unlike(400), True)[0].individual) == 2


def test_targets_are_summed_up_as_many_at_a_time_as_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    together, _ = settled(unlike())
    monkeypatch.setattr(individual, "MEMORY", 1)
    alone, _ = settled(unlike())
    assert alone.individual == together.individual != []


def test_a_transformer_of_few_windows_is_narrow() -> None:
    prepared, _ = task(hours(), "transformer")
    sizes = prepared.model_options
    assert (sizes.hidden_dim, sizes.dropout) == (16, 0.4)
    assert prepared.decisions["model.hidden_dim"].value == 16
    written, _ = task(hours(), {"type": "transformer", "hidden_dim": 8, "dropout": 0.1})
    assert (written.model_options.hidden_dim, written.model_options.dropout) == (8, 0.1)
    assert not {"model.hidden_dim", "model.dropout"} & set(written.decisions)
    many = models.sized(TransformerSection(), models.FEW)
    assert (many.hidden_dim, many.dropout) == (32, 0.2)
    assert models.sized(GRU(), 1).dropout == 0.2


def test_a_network_that_does_not_pay_leaves_the_start(tmp_path: Path) -> None:
    train = {"epochs": 1, "learning_rate": 0.5, "average_checkpoints": 3}
    run = toolkit.fit(
        task=TASK,
        data={"train": hours()},
        model="transformer",
        train=train,
        run=tmp_path / "run",
        export="none",
    )
    manifest = run.directory.manifest()
    assert "train.average_checkpoints" not in manifest["decisions"]  # the start is no epoch
    assert manifest["best"]["step"] == 0
    assert "no epoch's is better" in manifest["decisions"]["train.choose"]["reason"]
    assert (run.path / "checkpoints").is_dir()
    assert not np.any(run.model.get_layer("head").kernel)  # nothing is added to the linear map


# -- how wrong forecasts of little data are ------------------------------------------------------


def months(rows: int = 100) -> pd.DataFrame:
    step, random = np.arange(rows), np.random.default_rng(0)
    value = 10 * np.sin(2 * np.pi * step / 12) + np.cumsum(random.standard_normal(rows))
    return pd.DataFrame({"date": pd.date_range("2001-01", periods=rows, freq="MS"), "a": value})


MONTHLY = {"type": "forecasting", "prediction_length": 6}


def test_origins_know_nothing_of_later_steps() -> None:
    prepared, splits = task(months(), "linear", task=MONTHLY)
    found = origins.origins(prepared, prepared.read(splits.train))
    assert [len(one.before.target) for one in found] == [40, 50, 60, 70]
    for one in found:
        assert one.after.own[0] == one.before.ends[0] == len(one.before.target)
        assert len(prepared.cut(one.after)) == 5
        one.moments(prepared, 12)
        seen = months()["a"][: len(one.before.target)]
        np.testing.assert_allclose(prepared.scaler.scale[0, 0], np.std(seen))


def test_much_data_needs_no_origins() -> None:
    prepared, splits = task(hours(6300), "linear", task=TASK | {"budget": 0})
    assert origins.origins(prepared, prepared.read(splits.train)) == []
    assert prepared.widening == 1


def test_origins_of_series_that_are_too_short_for_them() -> None:
    prepared, splits = task(weeks({"a": 100, "b": 60, "d": 10}), data=ITEMS, task=WEEKLY)
    found = origins.origins(prepared, prepared.read(splits.train))
    assert found
    for one in found:
        learnt, held = one.moments(prepared, 1)
        assert learnt.count > 0 < held.count
        assert np.isfinite(held.inputs).all()


def test_quantiles_of_little_data_are_widened_and_that_is_kept(tmp_path: Path) -> None:
    prepared, splits = task(months(), "linear", task=MONTHLY | {"context_length": 24})
    assert prepared.widening > 1
    assert prepared.decisions["task.widening"].value == round(prepared.widening, 3)
    examples = prepared.examples(splits.test)
    model = prepared.build_model()
    prepared.initialise(model, prepared.examples(splits.train))
    inputs = examples.batch(np.arange(len(examples))).inputs
    wide = np.asarray(prepared.answer(model, inputs)["forecast"])
    prepared.save(tmp_path)
    again = Forecasting(prepared.options)
    again.load(tmp_path)
    assert (again.widening, again.toward) == (prepared.widening, prepared.toward)
    again.widening = 1.0
    narrow = np.asarray(again.answer(model, inputs)["forecast"])
    np.testing.assert_allclose(wide[..., 0], narrow[..., 0])
    np.testing.assert_allclose(
        wide[..., 3] - wide[..., 1],
        (narrow[..., 3] - narrow[..., 1]) * prepared.widening,
        rtol=1e-4,
    )


def test_quantiles_that_are_counts_are_not_widened() -> None:
    frame = months().assign(a=lambda each: (each["a"] + 30).round())
    section = MONTHLY | {"context_length": 24, "distribution": "negative_binomial"}
    prepared, _ = task(frame, "linear", task=section)
    assert prepared.widening == 1
    assert "task.widening" not in prepared.decisions


def test_a_written_baseline_to_shrink_towards() -> None:
    section = {"type": "linear", "strength": 30, "toward": "moving_average"}
    prepared, _ = task(months(), section, task=MONTHLY)
    assert (prepared.strength, prepared.toward) == (30, "moving_average")
    assert not {"model.strength", "model.toward"} & set(prepared.decisions)


def test_baselines() -> None:
    history = np.array([1.0, 2.0, 3.0, 4.0, 6.0])
    maps = {k: ridge.baseline(k, 5, 3, 2) for k in ("last_value", "seasonal_naive", "drift")}
    assert (history @ maps["last_value"]).tolist() == [6, 6, 6]
    assert (history @ maps["seasonal_naive"]).tolist() == [4, 6, 4]
    assert (history @ maps["drift"]).tolist() == [7.25, 8.5, 9.75]
    assert (history @ ridge.baseline("moving_average", 5, 2, 2)).tolist() == [5, 5]


def test_distances_give_the_quantiles_back() -> None:
    from toolkit.layers import QuantileSpread

    want = np.array([[[-2.0, 0.5, 0.8, 3.0]]])
    layer = QuantileSpread((0.1, 0.5, 0.6, 0.9))
    layer.build((None, 1, 1), (None, 1, 1))
    layer.set_weights([distances(want, layer.levels), np.zeros(4)])
    got = layer(np.zeros((1, 1, 1), "float32"), np.ones((1, 1, 1), "float32"))
    np.testing.assert_allclose(got[0], want, atol=1e-5)


def test_backtests_fit_a_linear_map_anew_at_each_origin() -> None:
    prepared, splits = task(hours(), "linear", data={"split": {"validation": 60, "test": 60}})
    series = prepared.read(splits.test)
    examples = prepared.cut(series)
    right = exact_forecast(prepared, examples)
    found = backtests.backtests(prepared, right, examples, series, 3)
    assert list(found) == ["2024-01-15T04:00:00", "2024-01-16T00:00:00", "2024-01-16T20:00:00"]
    assert all(fold["windows"] == 20 - AHEAD + 1 and fold["mase"] < 1 for fold in found.values())
    assert all(fold["mse"] > 0.001 for fold in found.values())


def test_backtests_of_a_network_take_its_answers() -> None:
    split = {"validation": 60, "test": 60}
    prepared, splits = task(hours(), NETWORKS["lstm"], data={"split": split})
    series = prepared.read(splits.test)
    examples = prepared.cut(series)
    right = exact_forecast(prepared, examples)
    right[:15] += 1  # the windows of the first fold
    found = list(backtests.backtests(prepared, right, examples, series, 3).values())
    assert [fold["windows"] for fold in found] == [15, 15, 15]
    assert found[0]["mse"] > 1e-3
    assert found[1]["mse"] == pytest.approx(0, abs=1e-6) == found[2]["mse"]


def exact_forecast(prepared: Forecasting, examples: Any) -> Any:
    batch = examples.batch(np.arange(len(examples)))
    center, scale = batch.inputs["scale"][:, :1], batch.inputs["scale"][:, 1:]
    true = batch.targets["target"] * scale + center
    return np.repeat(true[..., None], 4, axis=-1)


# -- learning -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["mse", "mae", "huber"])
def test_the_loss_is_its_formula(kind: Any) -> None:
    random = np.random.default_rng(0)
    true = random.normal(size=(2, 5, 3))
    outputs = true[..., None] + random.normal(size=(2, 5, 3, 4)) * 2
    far = np.abs(outputs[..., 0] - true)
    point = {
        "mse": far**2,
        "mae": far,
        "huber": np.where(far < 1, far**2 / 2, far - 0.5),  # smooth at 1
    }[kind]
    apart = true[..., None] - outputs[..., 1:]
    levels = np.array([0.1, 0.5, 0.9])
    pinball = np.where(apart > 0, levels * apart, (levels - 1) * apart).mean(-1)
    each = point + pinball
    want = 0.25 * each[0].mean() + 0.75 * each[1, :4].mean()
    true[1, 4] = np.nan  # counts nothing
    section = ForecastingSection(loss=kind)
    got = losses.loss(section, outputs, {"target": true}, np.array([0.25, 0.75], "float32"))
    assert float(got) == pytest.approx(want, rel=1e-5)


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(section, id=name, marks=[pytest.mark.slow] * (name in ("tft", "lstm")))
        for name, section in NETWORKS.items()
    ],
)
def test_loss_falls_from_the_linear_start(model: Any) -> None:
    prepared, splits = task(hours(200), model)
    examples = prepared.examples(splits.train)
    network = prepared.build_model()
    prepared.initialise(network, examples)
    batch = examples.batch(np.arange(16), ())
    plain, _ = task(hours(200), "linear")
    linear = plain.build_model()
    plain.initialise(linear, examples)
    np.testing.assert_allclose(network(batch.inputs), linear(batch.inputs), atol=1e-4)
    weights = np.full(16, 1 / 16, "float32")

    @tf.function
    def step() -> Any:
        with tf.GradientTape() as tape:
            loss = prepared.loss(network(batch.inputs), batch.targets, weights)
        variables = [variable.value for variable in network.trainable_variables]
        gradients = tape.gradient(
            loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        for variable, gradient in zip(variables, gradients, strict=True):
            variable.assign_sub(0.01 * tf.convert_to_tensor(gradient))
        return loss

    course = [float(step()) for _ in range(15)]
    assert course[-1] < course[0]
    quantiles = np.asarray(network(batch.inputs))[..., 1:]
    assert (np.diff(quantiles, axis=-1) > 0).all()


def fit(
    directory: Path, frame: pd.DataFrame, model: Any = "linear", export: str = "none", **data: Any
) -> Any:
    return toolkit.fit(
        task=TASK,
        data={"train": frame, **data},
        model=model,
        train={"epochs": 1, "batch_size": 32, "compile": "none"},
        export=export,
        run=directory,
    )


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return fit(tmp_path_factory.mktemp("wide") / "run", hours(), export="saved_model")


def test_the_report_compares_with_the_baselines(wide: Any) -> None:
    report = wide.report
    assert report["scores"]["mse"] < 0.5 * report["baselines"]["last_value"]["mse"]
    assert report["scores"]["mase"] < 1
    assert 0.4 < report["scores"]["coverage_80"] <= 1
    assert set(report["by_series"]) == {"a", "b"}
    assert len(report["by_step"]) == AHEAD
    assert report["rows"] == 40 - AHEAD + 1


def test_pictures_are_drawn(wide: Any) -> None:
    names = {path.name for path in (wide.path / "pictures").iterdir()}
    assert names == {"fans.png", "error_by_step.png", "residuals.png"}


def test_predict_goes_on_after_the_last_row(wide: Any) -> None:
    answers = wide.predict(hours(100))
    assert len(answers) == 2 * AHEAD
    assert str(answers["date"][0]) == "2024-01-05 04:00:00"
    assert answers["target"].tolist() == ["a"] * AHEAD + ["b"] * AHEAD
    hour = np.arange(100, 100 + AHEAD)
    want = 500 + 50 * np.cos(2 * np.pi * hour / 24)
    np.testing.assert_allclose(answers["prediction"][AHEAD:], want, atol=8)
    assert (answers["q10"] < answers["q90"]).all()
    again = toolkit.load_run(wide.path).predict(hours(100))
    np.testing.assert_allclose(again["prediction"], answers["prediction"], rtol=1e-5)


def test_the_export_takes_history_in_units(wide: Any) -> None:
    frame = hours(100)
    model = tf.saved_model.load(str(wide.path / "export"))
    inputs: dict[str, Any] = {"target": frame[["a", "b"]].to_numpy("float32")[None, -CONTEXT:]}
    if wide.task.reads_time:
        stamps = pd.date_range(frame["date"].iloc[-CONTEXT], periods=CONTEXT + AHEAD, freq="h")
        inputs["time"] = stamps.to_numpy("datetime64[s]").astype(np.int64)[None]
    answer = model.signatures["serve"](**{k: tf.constant(v) for k, v in inputs.items()})
    assert answer["quantiles"].shape == (1, AHEAD, 2, 3)
    predicted = wide.predict(frame)["prediction"].to_numpy().reshape(2, AHEAD).T
    np.testing.assert_allclose(answer["prediction"][0], predicted, rtol=1e-3)


def test_too_short_a_history_is_refused(wide: Any) -> None:
    with pytest.raises(DataError, match=r"too short a history. Expected at least 24 steps"):
        wide.predict(hours(20))
    with pytest.raises(DataError, match="no column 'b'"):
        wide.predict(hours(60).drop(columns="b"))


def test_many_series_with_a_known_covariate(tmp_path: Path) -> None:
    frame = stores()
    names = {"id": "store", "target": "sold", "known": "price", "static": "region"}
    names["categorical"] = "region"
    run = fit(tmp_path / "run", frame, NETWORKS["lstm"], **names)
    assert run.report["scores"]["mase"] < 1
    ahead = stores().groupby("store").head(100 + AHEAD).reset_index(drop=True)
    last = ahead.groupby("store").tail(AHEAD).index
    ahead.loc[last, "sold"] = np.nan
    answers = run.predict(ahead)
    assert answers["store"].unique().tolist() == ["s0", "s1", "s2"]
    assert len(answers) == 3 * AHEAD
    named = run.task.feature_names(run.task.layout.known)
    assert named == ["price", "region north", "region south"]
    with pytest.raises(DataError, match="lacks values known ahead"):
        run.predict(stores())


@pytest.mark.slow
def test_auto_tries_networks_and_decides_alike_under_one_seed() -> None:
    recipe = {**TASK, "budget": 3}
    first, second = (task(hours(1500), task=recipe)[0] for _ in range(2))
    assert "after 3 steps: linear" in first.decisions["model"].reason
    assert first.decisions == second.decisions


@pytest.mark.parametrize(
    ("windows", "targets", "steps"), [(7_900, 7, 200), (41_485, 21, 1_000), (280_000, 1, 656)]
)
def test_much_data_is_tried_for_longer(windows: int, targets: int, steps: int) -> None:
    prepared, _ = task(hours(), "linear")
    prepared.windows, prepared.targets = windows, ("one",) * targets
    assert trial.budget_of(prepared) == steps


@pytest.mark.slow
def test_tft_with_names_covariates_and_calendar_is_exported_and_read(tmp_path: Path) -> None:
    names = {"id": "store", "target": "sold", "known": "price", "time_zone": "Europe/Berlin"}
    names |= {"static": "region", "categorical": "region"}
    run = fit(tmp_path / "run", stores(), NETWORKS["tft"], export="saved_model", **names)
    report = run.report
    assert set(report["static_importance"]) == {"region north", "region south"}
    for part in ("past_importance", "ahead_importance", "static_importance"):
        assert sum(report[part].values()) == pytest.approx(1, abs=1e-3)
    assert "price" in report["ahead_importance"]
    assert "time of day" in report["past_importance"]
    signature = tf.saved_model.load(str(tmp_path / "run" / "export")).signatures["serve"]
    assert {"id", "time", "known", "target"} <= set(signature.structured_input_signature[1])


# -- bad input ------------------------------------------------------------------------------------


def test_order_and_doubled_times_name_the_rows() -> None:
    frame = hours()
    swapped = frame.iloc[[0, 1, 3, 2, *range(4, 400)]].reset_index(drop=True)
    assert "DataFrame, row 3: column 'date' goes back in time" in problem(swapped)
    doubled = pd.concat([frame.iloc[:5], frame.iloc[4:]], ignore_index=True)
    assert "DataFrame, row 5: column 'date' repeats a time" in problem(doubled)
    assert "data.id names the column that tells series apart" in problem(doubled)


def test_mixed_frequencies() -> None:
    frame = hours()
    frame.loc[7, "date"] = "2024-01-01 07:30:00"
    assert "not a whole number of steps" in problem(frame)


def test_too_short_series() -> None:
    assert "shorter than context and prediction" in problem(hours(32))
    assert "too few rows. Expected some to learn from besides" in problem(hours(7))


def test_a_constant_series_is_told() -> None:
    frame = hours()
    frame["a"] = 4.0
    assert "'a' never changes, so its errors" in problem(frame)


def test_text_and_infinity_among_numbers() -> None:
    frame = hours().astype({"a": object})
    frame.loc[3, "a"] = "oops"
    assert "DataFrame, row 3: column 'a' holds no number" in problem(frame)
    frame = hours()
    frame.loc[5, "b"] = np.inf
    assert "DataFrame, row 5: column 'b' is infinite" in problem(frame)


def test_a_split_date_outside_the_data() -> None:
    split = {"validation": "2024-01-10", "test": "2030-01-01"}
    assert "data.split.test: outside the data" in problem(hours(), data={"split": split})


def test_the_end_of_a_split_by_date() -> None:
    split = {"validation": "2024-01-08", "test": "2024-01-11", "end": "2024-01-14"}
    _, splits = task(hours(), data={"split": split})
    assert [len(table) for _, table in splits.items()] == [168, 72, 72]
