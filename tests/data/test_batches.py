"""The batch plan: every row once an epoch, few shapes, the same for everyone."""

import numpy as np
import pytest

from toolkit.data.batches import FILLER, BatchPlan, bucket_boundaries
from toolkit.errors import ArgumentError


def lengths(count: int = 1003, axes: int = 1) -> np.ndarray:
    drawn = np.random.default_rng(0).geometric(1 / 30, (count, axes))
    return np.minimum(drawn, 100)


def rows_of(plan: BatchPlan, epoch: int) -> np.ndarray:
    first = epoch * plan.steps_per_epoch
    rows = [plan.batch(first + step).rows for step in range(plan.steps_per_epoch)]
    return np.concatenate(rows)


@pytest.mark.parametrize("size", [{"batch_size": 16}, {"batch_tokens": 500}, {"batch_size": 1003}])
@pytest.mark.parametrize("axes", [0, 1, 2])
def test_every_row_once_an_epoch(size: dict[str, int], axes: int) -> None:
    plan = BatchPlan(lengths(axes=axes), seed=3, **size)
    for epoch in (0, 1, 5):
        rows = rows_of(plan, epoch)
        assert sorted(rows[rows != FILLER]) == list(range(1003))


def test_epochs_differ_and_seeds_repeat() -> None:
    plan = BatchPlan(lengths(), batch_size=16, seed=3)
    again = BatchPlan(lengths(), batch_size=16, seed=3)
    other = BatchPlan(lengths(), batch_size=16, seed=4)
    assert np.array_equal(rows_of(plan, 2), rows_of(again, 2))
    assert not np.array_equal(rows_of(plan, 2), rows_of(plan, 3))
    assert not np.array_equal(rows_of(plan, 2), rows_of(other, 2))


def test_at_most_one_short_batch_and_every_row_fits() -> None:
    data = lengths(axes=2)
    plan = BatchPlan(data, batch_size=16, seed=1)
    short = 0
    for step in range(plan.steps_per_epoch):
        batch = plan.batch(step)
        real = batch.rows[batch.rows != FILLER]
        short += len(real) < 16
        assert len(batch.rows) == 16
        assert (data[real] <= batch.shape).all()
    assert short == 1


def test_token_batches_stay_within_their_budget() -> None:
    plan = BatchPlan(lengths(), batch_tokens=800)
    for step in range(plan.steps_per_epoch):
        batch = plan.batch(step)
        assert len(batch.rows) * batch.shape[0] <= 800


def test_buckets_waste_little() -> None:
    data = lengths(20_000)
    plan = BatchPlan(data, batch_size=64, max_buckets=6)
    batches = [plan.batch(step) for step in range(plan.steps_per_epoch)]
    padded = sum(len(batch.rows) * batch.shape[0] for batch in batches)
    assert padded / data.sum() < 1.3
    assert len({batch.shape for batch in batches}) <= 6


def test_boundaries_are_optimal_on_a_small_case() -> None:
    assert bucket_boundaries(np.array([1, 1, 1, 9, 9, 10]), 2) == [1, 10]


def test_without_shuffling_short_rows_come_first() -> None:
    data = lengths()
    plan = BatchPlan(data, batch_size=16, shuffle=False)
    shapes = [plan.batch(step).shape[0] for step in range(plan.steps_per_epoch)]
    assert shapes == sorted(shapes)


def test_bad_arguments() -> None:
    with pytest.raises(ArgumentError, match=r"Expected at least one example"):
        BatchPlan(np.zeros((0, 1), int), batch_size=4)
    with pytest.raises(ArgumentError, match=r"Received: batch_size=4, batch_tokens=4"):
        BatchPlan(lengths(), batch_size=4, batch_tokens=4)


@pytest.mark.parametrize("size", [{"batch_size": 16}, {"batch_tokens": 900}])
@pytest.mark.parametrize("axes", [0, 1, 2, 3])
def test_many_shapes_hold_every_row_once(size: dict[str, int], axes: int) -> None:
    data = lengths(axes=axes)
    plan = BatchPlan(data, seed=3, few_shapes=False, **size)
    for epoch in (0, 4):
        rows = rows_of(plan, epoch)
        assert sorted(rows[rows != FILLER]) == list(range(1003))
    for step in range(plan.steps_per_epoch):
        batch = plan.batch(step)
        assert batch.shape == tuple(data[np.maximum(batch.rows, 0)].max(axis=0))
        if "batch_tokens" in size and axes and (batch.rows != FILLER).all():
            assert len(batch.rows) * sum(batch.shape) <= 900


def test_many_shapes_waste_less_on_two_axes() -> None:
    data = lengths(20_000, axes=2)
    padded = []
    for few in (True, False):
        plan = BatchPlan(data, batch_size=64, few_shapes=few)
        batches = [plan.batch(step) for step in range(plan.steps_per_epoch)]
        padded.append(sum(len(batch.rows) * sum(batch.shape) for batch in batches))
    assert padded[1] < 0.75 * padded[0]
    assert padded[1] < 1.3 * data.sum()
