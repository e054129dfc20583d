"""Choosing devices, and what replicas do beside taking steps."""

import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests.training.test_steps import assert_equal, take
from tests.training.tiny import Tiny, tiny_examples
from toolkit.errors import ArgumentError
from toolkit.training import distribution as module
from toolkit.training.cluster import cores
from toolkit.training.distribution import Distribution, distribute
from toolkit.training.evaluation import Evaluator, evaluate_answers
from toolkit.training.fit import build

without_gpu = pytest.mark.skipif(
    bool(tf.config.list_physical_devices("GPU")), reason="there is a GPU"
)


def test_auto_is_one_device() -> None:
    one = distribute()
    assert (one.num_replicas, one.is_chief) == (1, True)
    assert distribute() is one


@without_gpu
@pytest.mark.parametrize("devices", ["gpu", "gpu:0,1"])
def test_a_gpu_that_is_not_there_says_what_is(devices: str) -> None:
    message = r"no GPU 0\. TensorFlow sees: /physical_device:CPU:0\..*Received: devices="
    with pytest.raises(ArgumentError, match=message):
        distribute(devices)


@pytest.mark.parametrize(
    ("devices", "strategy", "message"),
    [
        ("auto", "multi_worker", "needs a cluster"),
        ("cpu:2", "one_device", "takes one device"),
        ("cpu:64", "auto", "started with fewer CPU devices"),
    ],
)
def test_what_does_not_fit_is_refused(devices: str, strategy: str, message: str) -> None:
    tf.constant(0)  # TensorFlow has started
    with pytest.raises(ArgumentError, match=message):
        distribute(devices, strategy)


def test_two_replicas_of_one_process() -> None:
    two = distribute("cpu:2")
    assert (two.num_replicas, two.num_workers, two.is_chief) == (2, 1, True)
    assert list(two.shares(2)) == [0, 1, 2, 3]
    assert two.num_shares(2) == 4
    assert "CPU:0, CPU:1" in two.description


def test_a_device_by_name_equals_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """The way of a single GPU, walked on a second logical CPU."""
    name = "CPU:1"
    named = Distribution(tf.distribute.OneDeviceStrategy(name), 1, 0, 1, name)
    default = take(steps=20)
    monkeypatch.setattr("tests.training.test_steps.distribute", lambda *_, **__: named)
    other = take(steps=20)
    assert_equal(default, other)
    assert "CPU:1" in other[2].model.variables[0].value.device


def test_lanes_are_shares_of_their_own() -> None:
    three = distribute("cpu", lanes=3)
    assert list(three.shares(2)) == [0, 1, 2, 3, 4, 5]
    assert (three.num_replicas, three.num_shares(2)) == (1, 6)
    assert "3 parts" in three.description
    assert distribute("cpu:2", lanes=3).lanes == 1


@pytest.mark.parametrize(
    ("environment", "call", "threads"),
    [
        ({}, "distribute()", max(1, cores() // 2)),
        ({}, "distribute(lanes=1)", 0),
        ({"TF_NUM_INTRAOP_THREADS": "3"}, "distribute()", 0),
        ({}, "tf.config.threading.set_intra_op_parallelism_threads(3); distribute()", 3),
    ],
)
def test_lanes_share_the_cores_out_unless_the_user_has(
    environment: dict[str, str], call: str, threads: int
) -> None:
    code = (
        "import tensorflow as tf; from toolkit.training.distribution import distribute; "
        f"{call}; print(tf.config.threading.get_intra_op_parallelism_threads())"
    )
    own = {k: v for k, v in os.environ.items() if k != "TF_NUM_INTRAOP_THREADS"}
    ran = subprocess.run(
        [sys.executable, "-c", code], env={**own, **environment}, capture_output=True, check=True
    )
    assert int(ran.stdout) == threads


def test_arrays_survive_the_packing_for_other_workers() -> None:
    arrays = {"a": np.arange(5, dtype=np.int64), "b": np.zeros((0, 3)), "c": np.uint8([[7]])}
    unpacked = module._unpack(module._pack(arrays))
    for name, array in arrays.items():
        np.testing.assert_array_equal(unpacked[name], array)
        assert unpacked[name].dtype == array.dtype
    assert module._unpack(module._pack({})) == {}


@pytest.mark.parametrize(("devices", "lanes"), [("cpu", 1), ("cpu", 2), ("cpu:2", 1)])
def test_answers_come_in_the_order_of_the_rows(devices: str, lanes: int) -> None:
    task, distribution, examples = Tiny(), distribute(devices, lanes=lanes), tiny_examples(21)
    model = build(task.build_model, distribution)
    seen: list[tuple[int, int]] = []
    answers = evaluate_answers(
        task,
        model,
        examples,
        distribution=distribution,
        batch_size=6,
        tick=lambda done, total: seen.append((done, total)),
    )
    rows = np.arange(21)
    batch = examples.batch(rows, (int(examples.lengths.max()),))
    alone = [
        model({"tokens": batch.inputs["tokens"][i : i + 1, : examples.lengths[i, 0]]}) for i in rows
    ]
    # maximum pooling of the tiny model sees padding, so compare where a row fills its bucket
    filled = examples.lengths[:, 0] == examples.lengths.max()
    np.testing.assert_allclose(answers["logits"][filled], np.concatenate(alone)[filled], atol=1e-6)
    assert answers["logits"].shape == (21, 3)
    assert seen[-1] == (len(seen), len(seen))


def test_validation_loss_weighs_rows_as_training_does() -> None:
    task, examples = Tiny("attentive"), tiny_examples(21)
    losses = []
    for devices, lanes, batch_size in (
        ("cpu", 1, 21),
        ("cpu", 2, 21),
        ("cpu", 2, 4),
        ("cpu:2", 1, 6),
    ):
        distribution = distribute(devices, lanes=lanes)
        model = build(task.build_model, distribution, seed=1)
        evaluator = Evaluator(task, model, distribution, "validate")
        losses.append(evaluator(examples, batch_size=batch_size)[1])
    np.testing.assert_allclose(losses, losses[0], atol=1e-6)


def test_validation_answers_from_the_outputs_of_the_loss() -> None:
    class Outspoken(Tiny):
        def validate(self, model: object, inputs: object, outputs: object) -> dict[str, object]:
            return {"logits": outputs}

    examples, distribution = tiny_examples(21), distribute("cpu")
    for task in (Tiny(), Outspoken()):
        model = build(task.build_model, distribution, seed=1)
        answers, _ = Evaluator(task, model, distribution, "validate")(examples)
        expected, _ = Evaluator(task, model, distribution)(examples)
        np.testing.assert_allclose(answers["logits"], expected["logits"], atol=1e-6)


def test_evaluation_goes_on_in_smaller_batches_when_memory_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole, sizes = Evaluator._whole, []

    def exhausted(self: Evaluator, examples: object, size: int, tick: object) -> object:
        sizes.append(size)
        if size > 4:
            raise tf.errors.ResourceExhaustedError(None, None, "injected")
        return whole(self, examples, size, tick)  # type: ignore[arg-type]

    monkeypatch.setattr(Evaluator, "_whole", exhausted)
    task = Tiny()
    model = build(task.build_model, distribute("cpu"))
    assert len(evaluate_answers(task, model, tiny_examples(9), batch_size=16)["logits"]) == 9
    assert sizes == [16, 8, 4]
