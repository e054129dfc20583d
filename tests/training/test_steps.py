"""The same steps in every arrangement of devices and parts."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.training.tiny import Tiny, tiny_examples
from toolkit.data.batches import BatchPlan
from toolkit.recipe import TrainOptions
from toolkit.training.distribution import LANES, distribute
from toolkit.training.engine import Engine
from toolkit.training.fit import build
from toolkit.training.optimizers import UpdateRule
from toolkit.training.session import make_rule

STEPS = 50
SGD = {"optimizer": {"type": "sgd"}}


def take(
    devices: str = "cpu",
    *,
    lanes: int = LANES,
    model: str = "pooled",
    micro_batches: int = 1,
    xla: bool = False,
    steps: int = STEPS,
    task: Tiny | None = None,
    **options: Any,
) -> tuple[Any, list[Any], Engine]:
    """Take steps over 45 rows in batches of 8, the last of 5; return losses and weights."""
    distribution = distribute(devices, lanes=lanes)
    settings = TrainOptions.model_validate({**SGD, **options})
    task = task or Tiny(model)
    built = build(task.build_model, distribution, settings.precision, seed=1)
    examples = tiny_examples()
    engine = Engine(
        task,
        built,
        make_rule(built, settings, distribution),
        examples,
        BatchPlan(examples.lengths, batch_size=8, seed=3),
        distribution,
        micro_batches=micro_batches,
        xla=xla,
    )
    losses: list[float] = []
    for count in (1, 7, steps - 8):
        rates = np.full(count, 0.1, np.float32)
        losses += engine.take(len(losses), rates, np.zeros(3, np.float32)).losses.tolist()
    return np.array(losses), [v.numpy() for v in built.variables], engine


def assert_equal(one: Any, two: Any, tolerance: float = 1e-5) -> None:
    np.testing.assert_allclose(one[0], two[0], atol=tolerance)
    for a, b in zip(one[1], two[1], strict=True):
        if a.dtype.kind == "f":
            np.testing.assert_allclose(a, b, atol=tolerance)


@pytest.mark.parametrize("model", [pytest.param("recurrent", marks=pytest.mark.slow), "attentive"])
def test_two_replicas_equal_one_device(model: str) -> None:
    assert_equal(take("cpu", model=model), take("cpu:2", model=model))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"clip_norm": 0.05, "ema": 0.9},
        pytest.param(
            {"optimizer": {"type": "adamw", "weight_decay": 0.1, "epsilon": 1e-3}},
            marks=pytest.mark.slow,
        ),
    ],
    ids=["plain", "clipped_averaged", "adamw"],
)
def test_parts_and_replicas_equal_the_whole(options: dict[str, Any]) -> None:
    whole = take(lanes=1, **options)
    for devices, lanes, parts in (("cpu", 1, 4), ("cpu", 2, 1), ("cpu", 3, 2), ("cpu:2", 1, 2)):
        split = take(devices, lanes=lanes, micro_batches=parts, **options)
        assert_equal(whole, split, 1e-4 if "optimizer" in options else 1e-5)
        for a, b in zip(whole[2].rule.averages, split[2].rule.averages, strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-5)


def test_rows_of_an_embedding_stay_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = []
    finish = UpdateRule.finish_gradients

    def watched(rule: UpdateRule, gradients: list[Any]) -> Any:
        kinds.extend(type(gradient) for gradient in gradients)
        return finish(rule, gradients)

    monkeypatch.setattr(UpdateRule, "finish_gradients", watched)
    take(steps=9)
    assert tf.IndexedSlices in kinds


def test_statistics_of_the_replicas_are_averaged() -> None:
    _, _, engine = take("cpu:2", model="normalised", steps=20)
    moving = [v for v in engine.model.variables if "moving" in v.path]
    assert moving
    for variable in moving:
        first, second = (copy.numpy() for copy in engine.distribution.local(variable.value))
        np.testing.assert_array_equal(first, second)


def test_clipping_is_by_the_norm_of_the_summed_gradients() -> None:
    before = build(Tiny().build_model, distribute("cpu"), seed=1).get_weights()
    _, after, _ = take(clip_norm=0.01, steps=9)
    moved = np.sqrt(sum(np.sum((a - b) ** 2) for a, b in zip(after, before, strict=False)))
    assert moved <= 9 * 0.1 * 0.01 + 1e-6


def test_the_moving_average_is_its_formula() -> None:
    _, _, engine = take(ema=0.5, steps=9)
    before = engine.rule.averages[-1].numpy()
    engine.take(9, np.full(1, 0.1, np.float32), np.zeros(3, np.float32))
    momentum = min(0.5, (1 + 9) / (10 + 9))
    expected = momentum * before + (1 - momentum) * engine.rule.weights[-1].numpy()
    np.testing.assert_allclose(engine.rule.averages[-1].numpy(), expected, atol=1e-6)


def test_fused_adam_is_keras_adam() -> None:
    _, ours, _ = take(optimizer={"type": "adam", "epsilon": 1e-4}, steps=20)

    def keras_adam(options: Any) -> Any:
        return keras.optimizers.Adam(1.0, epsilon=1e-4)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("toolkit.training.session.make_optimizer", keras_adam)
        _, theirs, _ = take(optimizer={"type": "adam"}, steps=20)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


@pytest.mark.parametrize("kind", ["lion", "adafactor", "sgd"])
def test_every_optimizer_learns_on_two_replicas(kind: str) -> None:
    momentum = {"momentum": 0.9} if kind == "sgd" else {}
    losses, _, _ = take("cpu:2", optimizer={"type": kind, **momentum}, steps=20)
    assert np.isfinite(losses).all()
    assert losses[-6:].mean() < losses[:6].mean()


def test_weight_decay_leaves_vectors_alone() -> None:
    class Still(Tiny):
        def loss(self, outputs: Any, targets: Any, weights: Any) -> Any:
            return tf.reduce_sum(outputs * 0.0)

    start = build(Tiny().build_model, distribute("cpu"), seed=1).get_weights()
    decayed = take(task=Still(), optimizer={"type": "sgd", "weight_decay": 0.1}, steps=10)[1]
    np.testing.assert_allclose(decayed[0], start[0] * 0.99**10, rtol=1e-5)
    np.testing.assert_array_equal(decayed[2], start[2])


def test_added_losses_count_once() -> None:
    class Regularised(Tiny):
        def build_model(self) -> keras.Model:
            tokens = keras.Input((None,), dtype="int32", name="tokens")
            values = keras.layers.GlobalMaxPooling1D()(keras.layers.Embedding(40, 8)(tokens))
            decay = keras.regularizers.L2(strength)
            return keras.Model(
                {"tokens": tokens}, keras.layers.Dense(3, kernel_regularizer=decay)(values)
            )

    strength, task = 0.1, Regularised()
    whole = take(task=task, steps=10)
    assert_equal(whole, take("cpu:2", micro_batches=2, task=task, steps=10))
    strength = 0.0
    kernel = build(task.build_model, distribute("cpu"), seed=1).trainable_variables[1].numpy()
    added = whole[0][0] - take(task=task, steps=10)[0][0]
    # the reported loss is the whole of what is minimised
    assert added == pytest.approx(0.1 * np.sum(kernel**2), rel=1e-3)


def test_augmentation_may_change_lengths_within_parts() -> None:
    class Widening(Tiny):
        def augment(self, inputs: Any, targets: Any, seeds: Any) -> Any:
            more = tf.reduce_sum(seeds) % 4
            return {"tokens": tf.pad(inputs["tokens"], [[0, 0], [0, more]])}, targets

    whole = take(model="attentive", steps=10)
    assert_equal(whole, take(micro_batches=2, task=Widening("attentive"), steps=10), 1e-4)


@pytest.mark.parametrize(
    ("devices", "precision"), [("cpu:2", "mixed_bfloat16"), ("cpu:2", "mixed_float16")]
)
def test_mixed_precision_learns(devices: str, precision: str) -> None:
    losses, weights, engine = take(devices, precision=precision, steps=30)
    assert losses[-6:].mean() < losses[:6].mean()
    assert engine.model.compute_dtype == precision.removeprefix("mixed_")
    assert weights[0].dtype == np.float32


def test_overflow_skips_the_step_and_halves_the_scale() -> None:
    class Overflowing(Tiny):
        def loss(self, outputs: Any, targets: Any, weights: Any) -> Any:
            return super().loss(outputs, targets, weights) * factor

    factor = tf.Variable(np.inf)
    start = build(Tiny().build_model, distribute("cpu"), "mixed_float16", seed=1).get_weights()
    _, weights, engine = take(task=Overflowing(), precision="mixed_float16", steps=9)
    assert float(engine.rule.scale_state[0].numpy()) == 2.0**15 / 2**9
    assert engine.rule.steps == 9
    for a, b in zip(weights, start, strict=False):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
@pytest.mark.parametrize("devices", ["cpu", "cpu:2"])
def test_xla_equals_no_xla(devices: str) -> None:
    assert_equal(take("cpu", model="recurrent"), take(devices, model="recurrent", xla=True))


@pytest.mark.parametrize("devices", ["cpu", "cpu:2"])
def test_a_model_of_ones_own_is_moved_with_its_weights(devices: str) -> None:
    own = Tiny().build_model()
    moved = build(own, distribute(devices))
    for a, b in zip(own.get_weights(), moved.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
