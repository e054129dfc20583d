"""From the batch plan to tf.data: shares of global batches, a pure function of (seed, step)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from toolkit.data.batches import FILLER, BatchPlan
from toolkit.data.examples import Batch, Examples
from toolkit.errors import DataError

Augment = Callable[[dict[str, Any], dict[str, Any], Any], tuple[dict[str, Any], dict[str, Any]]]


def read_share(
    examples: Examples,
    plan: BatchPlan,
    step: int,
    share: int,
    num_shares: int,
    training: bool = False,
) -> tuple[Batch, NDArray[np.int64], NDArray[np.int32]]:
    """Read one share of a global batch, its weights divided by the global batch's total.

    The loss is then a plain sum everywhere: over the shares of a step (replicas, workers and
    accumulated micro-batches) it adds up to the weighted mean of the global batch, however
    uneven the shares are.

    Returns:
        The batch, its row numbers (``FILLER`` where a row stands for no example) and a
        ``(rows, 2)`` seed of (seed, epoch, row) for stateless augmentation.
    """
    planned = plan.batch(step)
    real = planned.rows[planned.rows != FILLER]
    total = max(float(examples.weights[real].sum()), 1e-30)
    size = -(-len(planned.rows) // num_shares)
    rows = planned.rows[share * size : (share + 1) * size]
    rows = np.concatenate([rows, np.full(size - len(rows), FILLER, dtype=np.int64)])
    seeds = row_seeds(plan.seed, planned.epoch, rows)
    if training:
        batch = examples.training_batch(np.maximum(rows, 0), planned.shape, seeds)
    else:
        batch = examples.batch(np.maximum(rows, 0), planned.shape)
    present = (rows != FILLER).reshape(-1, *[1] * (batch.weights.ndim - 1))
    weights = np.where(present, batch.weights / total, 0).astype(np.float32)
    return batch._replace(weights=weights), rows, seeds


def row_seeds(seed: int, epoch: int, rows: NDArray[np.int64]) -> NDArray[np.int32]:
    """Mix (seed, epoch, row) into ``(rows, 2)`` seeds for ``tf.random.stateless_*``."""
    mixed = np.empty((len(rows), 2), dtype=np.int32)
    mixed[:, 0] = rows.astype(np.int32)
    mixed[:, 1] = np.random.SeedSequence([seed, epoch]).generate_state(1).astype(np.int32)
    return mixed


def make_dataset(
    examples: Examples,
    plan: BatchPlan,
    *,
    first_step: int = 0,
    steps: int | None = None,
    shares: Sequence[int] = (0,),
    num_shares: int = 1,
    augment: Augment | None = None,
) -> tf.data.Dataset:
    """Stream shares of global batches in order.

    Args:
        examples: what to read.
        plan: which rows make which batch.
        first_step: where to begin; skipping costs nothing.
        steps: how many steps; endless by default.
        shares: the shares this process reads of each step, in order.
        num_shares: all shares of a step: replicas on all workers times micro-batches.
        augment: ``(inputs, targets, seeds) -> (inputs, targets)`` on a batch, in the graph.

    Returns:
        A dataset of ``(inputs, targets, weights, rows)``, one element a share.
    """
    training = augment is not None
    sample = read_share(examples, plan, first_step, shares[0], num_shares, training)[0]
    names = (tuple(sample.inputs), tuple(sample.targets))
    flat = [*sample.inputs.values(), *sample.targets.values(), sample.weights]
    specs = [_spec(array, len(plan.shapes[0]) > 0) for array in flat]
    types = [spec.dtype for spec in specs] + [tf.int64, tf.int32]
    owned = np.asarray(shares)

    def read(index: int) -> list[NDArray[Any]]:
        step, share = divmod(int(index), len(owned))
        batch, rows, seeds = read_share(
            examples, plan, first_step + step, int(owned[share]), num_shares, training
        )
        return [*batch.inputs.values(), *batch.targets.values(), batch.weights, rows, seeds]

    @tf.autograph.experimental.do_not_convert
    def element(index: Any) -> Any:
        *arrays, rows, seeds = tf.numpy_function(read, [index], types, stateful=False)
        for array, spec in zip(arrays, specs, strict=True):
            array.set_shape(spec.shape)
        rows.set_shape([None])
        seeds.set_shape([None, 2])
        inputs = dict(zip(names[0], arrays, strict=False))
        targets = dict(zip(names[1], arrays[len(names[0]) :], strict=False))
        if augment is not None:
            inputs, targets = augment(inputs, targets, seeds)
        return inputs, targets, arrays[-1], rows

    count = np.iinfo(np.int64).max if steps is None else steps * len(owned)
    dataset = tf.data.Dataset.range(count)
    dataset = dataset.map(element, num_parallel_calls=2, deterministic=True)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    # There is nothing to tune, and the end of an iterator would wait for the tuner's nap, which
    # doubles from 10 ms up to a minute: reading took up to twice its time.
    options.autotune.enabled = False
    return dataset.prefetch(4).with_options(options)


def reading_error(error: tf.errors.OpError) -> DataError | None:
    """What examples raised when they were read, which TensorFlow hands on as words, or None."""
    _, found, said = str(error).partition(f"{DataError.__name__}: ")
    return DataError(said.partition("\nTraceback")[0].strip()) if found else None


def _spec(array: NDArray[np.generic], padded: bool) -> tf.TensorSpec:
    """Static shape: the batch and padded axes vary from batch to batch, the others do not."""
    varying = 2 if padded and array.ndim > 1 else 1
    return tf.TensorSpec([None] * varying + list(array.shape[varying:]), array.dtype)
