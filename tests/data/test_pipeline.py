"""Shares of global batches: they add up, whoever reads them."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from toolkit.data.batches import FILLER, BatchPlan
from toolkit.data.pipeline import make_dataset, read_share
from toolkit.data.store import StoredExamples
from toolkit.ragged import Ragged


@pytest.fixture
def examples() -> StoredExamples:
    random = np.random.default_rng(0)
    lengths = random.integers(1, 9, 37)
    splits = np.concatenate([[0], np.cumsum(lengths)])
    ids = Ragged(random.integers(1, 50, lengths.sum()).astype(np.int32), splits)
    weights = random.uniform(0.5, 2, 37)
    return StoredExamples({"ids": ids}, {"label": np.arange(37)}, weights, axes=("ids",))


def test_padding_gathers_rows(examples: StoredExamples) -> None:
    ids = examples.inputs["ids"]
    assert isinstance(ids, Ragged)
    padded = ids.padded(np.array([3, 0]), 10)
    for row, got in zip((3, 0), padded, strict=True):
        want = ids.values[ids.splits[row] : ids.splits[row + 1]]
        assert np.array_equal(got[: len(want)], want)
        assert not got[len(want) :].any()


@pytest.mark.parametrize("num_shares", [1, 2, 3, 4])
def test_shares_add_up_to_the_weighted_mean(examples: StoredExamples, num_shares: int) -> None:
    plan = BatchPlan(examples.lengths, batch_size=10, seed=1)
    for step in range(plan.steps_per_epoch):
        shares = [read_share(examples, plan, step, i, num_shares) for i in range(num_shares)]
        assert sum(batch.weights.sum() for batch, _, _ in shares) == pytest.approx(1, abs=1e-6)
        rows = np.concatenate([rows for _, rows, _ in shares])
        want = plan.batch(step).rows
        assert sorted(rows[rows != FILLER]) == sorted(want[want != FILLER])


def test_begins_anywhere(examples: StoredExamples) -> None:
    plan = BatchPlan(examples.lengths, batch_size=10, seed=1)
    whole = list(make_dataset(examples, plan, steps=9).as_numpy_iterator())
    late = list(make_dataset(examples, plan, first_step=5, steps=4).as_numpy_iterator())
    for first, second in zip(whole[5:], late, strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, first, second)


def test_augmentation_depends_on_seed_epoch_and_row_alone(examples: StoredExamples) -> None:
    def augment(inputs: Any, targets: Any, seeds: Any) -> Any:
        noise = tf.map_fn(
            lambda s: tf.random.stateless_uniform([], s), seeds, fn_output_signature=tf.float32
        )
        return {**inputs, "noise": noise}, targets

    def noise(num_shares: int, batch_size: int) -> dict[int, float]:
        plan = BatchPlan(examples.lengths, batch_size=batch_size, seed=1)
        dataset = make_dataset(
            examples,
            plan,
            steps=plan.steps_per_epoch,
            shares=range(num_shares),
            num_shares=num_shares,
            augment=augment,
        )
        pairs = [(rows, inputs["noise"]) for inputs, _, _, rows in dataset.as_numpy_iterator()]
        return {
            int(r): float(x)
            for rows, values in pairs
            for r, x in zip(rows, values, strict=True)
            if r >= 0
        }

    one, two = noise(1, 10), noise(2, 6)
    assert one == two
    assert len(set(one.values())) == 37
