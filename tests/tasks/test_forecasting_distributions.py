"""Forecasts that are distributions."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import tensorflow as tf

import toolkit
from toolkit.errors import RecipeError
from toolkit.tasks.forecasting import distributions
from toolkit.tasks.forecasting.options import Options
from toolkit.tasks.forecasting.task import Forecasting

LEVELS = (0.01, 0.1, 0.5, 0.9, 0.99)
CENTER, SCALE = 4.0, 2.5
STATISTICS = tf.constant(np.tile([[[CENTER] * 3, [SCALE] * 3]], (2, 1, 1)), tf.float32)
SHAPE = (2, 5, 3)


def outputs() -> Any:
    random = np.random.default_rng(0)
    parts = [
        random.normal(size=SHAPE),
        random.uniform(0.2, 2, SHAPE),
        random.uniform(2.1, 40, SHAPE),
    ]
    return np.stack(parts, axis=-1).astype("float32")


def family(name: str, unit: float = 1.0, shift: float = 0.0) -> tuple[Any, Any]:
    """The model's outputs and the same distribution of scipy."""
    found = outputs()
    mean, deviation, degrees = found[..., 0] * unit + shift, found[..., 1] * unit, found[..., 2]
    if name == "normal":
        return found[..., :2], scipy.stats.norm(mean, deviation)
    return found, scipy.stats.t(degrees, mean, deviation)


@pytest.mark.parametrize("name", ["normal", "student_t"])
def test_likelihood_and_quantiles_are_those_of_scipy(name: Any) -> None:
    true = np.random.default_rng(1).normal(size=SHAPE).astype("float32")
    given, want = family(name)
    loss = distributions.negative_log_likelihood(name, true, tf.constant(given), STATISTICS)
    np.testing.assert_allclose(loss, -want.logpdf(true), atol=1e-4)
    found, more = distributions.quantiles(name, tf.constant(given), STATISTICS, LEVELS)
    _, want = family(name, SCALE, CENTER)
    for number, level in enumerate(LEVELS, start=1):
        np.testing.assert_allclose(found[..., number], want.ppf(level), rtol=1e-3, atol=1e-4)
    assert tuple(more) == distributions.NAMES[name]


def test_counts_are_those_of_scipy() -> None:
    given = tf.constant(outputs()[..., :2])
    mean = distributions.positive_mean(given[..., 0], STATISTICS).numpy()
    dispersion = given[..., 1].numpy()
    want = scipy.stats.nbinom(1 / dispersion, 1 / (1 + dispersion * mean))
    counts = np.random.default_rng(1).integers(0, 20, SHAPE)
    scaled = ((counts - CENTER) / SCALE).astype("float32")
    name = "negative_binomial"
    loss = distributions.negative_log_likelihood(name, scaled, given, STATISTICS)
    np.testing.assert_allclose(loss, -want.logpmf(counts), atol=1e-3)
    found, _ = distributions.quantiles(name, given, STATISTICS, LEVELS)
    for number, level in enumerate(LEVELS, start=1):
        assert (found[..., number].numpy() == want.ppf(level)).all()


def sold(rows: int = 300) -> pd.DataFrame:
    random = np.random.default_rng(0)
    mean = 6 + 4 * np.sin(2 * np.pi * np.arange(rows) / 7)
    days = pd.date_range("2023-01-01", periods=rows).astype(str)
    return pd.DataFrame({"date": days, "sold": random.poisson(mean)})


def recipe(distribution: str, **task: Any) -> dict[str, Any]:
    task = {"type": "forecasting", "context_length": 14, "prediction_length": 7} | task
    return {"task": {**task, "distribution": distribution}, "data": {"train": sold()}}


@pytest.mark.slow
def test_counts_from_a_frame_to_the_export(tmp_path: Path) -> None:
    run = toolkit.fit(**recipe("negative_binomial"), model="linear", run=str(tmp_path / "run"))
    assert 0.5 < run.report["scores"]["coverage_80"] <= 1
    answers = run.predict(sold(100))
    assert (answers["q10"] == answers["q10"].round()).all()
    assert (answers["q10"] >= 0).all()
    assert (answers["dispersion"] > 0).all()
    served = tf.saved_model.load(str(run.path / "export")).signatures["serve"]
    assert "dispersion" in served.structured_outputs
    toolkit.verify(run.path / "export")


@pytest.mark.parametrize("distribution", ["normal", "student_t", "negative_binomial"])
@pytest.mark.parametrize("model", ["linear", {"type": "lstm", "units": 8}], ids=["linear", "lstm"])
def test_the_likelihood_rises(distribution: str, model: Any) -> None:
    from toolkit.data.splits import load_splits

    options = Options.model_validate({**recipe(distribution), "model": model})
    task = Forecasting(options)
    splits = load_splits(options.data, options.roles())
    task.prepare(splits)
    examples = task.examples(splits.train)
    network = task.build_model()
    task.initialise(network, examples)
    batch = examples.batch(np.arange(32))
    losses = []
    optimizer = tf.keras.optimizers.Adam(0.02)
    for _ in range(20):
        with tf.GradientTape() as tape:
            loss = task.training_loss(network, batch.inputs, batch.targets, batch.weights / 32)
        variables = [each.value for each in network.trainable_variables]
        optimizer.apply_gradients(
            zip(tape.gradient(loss, variables), network.trainable_variables, strict=True)
        )
        losses.append(float(loss))
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]


def test_what_does_not_fit_is_refused() -> None:
    frame = sold()
    frame.loc[[5, 9], "sold"] = [-1, 2]
    given = recipe("negative_binomial")
    report = toolkit.check(task=given["task"], data={"train": frame})
    told = "\n".join(str(each) for each in report.errors)
    assert "column 'sold' holds -1. Expected counts, 0 or more" in told
    with pytest.raises(RecipeError, match=r"a distribution is trained by its likelihood"):
        toolkit.check(**recipe("normal", loss="mae"))
