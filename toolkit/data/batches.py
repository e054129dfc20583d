"""The batch plan: (seed, epoch, lengths, size) to global batches of row numbers, and nothing else.

Every worker computes the same plan, so all agree on the number of steps and on who reads what;
the position in the data is one number, the step; and each row is in exactly one batch of an epoch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toolkit.errors import ArgumentError

MANY = 72  # groups of rows of like lengths, at most
LEAST_BATCHES = 4  # in a group, so that an epoch's batches differ from the last one's
FILLER = -1  # a row number that stands for no example: weight 0, content of row 0


@dataclass(frozen=True)
class PlannedBatch:
    """One global batch: its rows (``FILLER`` at the end), padded shape and epoch."""

    rows: NDArray[np.int64]
    shape: tuple[int, ...]
    epoch: int


@dataclass(frozen=True)
class Bucket:
    """Rows of about one length: padded to ``shape``, ``batch_size`` at a time."""

    rows: NDArray[np.int64]
    shape: tuple[int, ...]
    batch_size: int


def bucket_boundaries(lengths: NDArray[np.int64], max_buckets: int) -> list[int]:
    """Choose upper lengths of at most ``max_buckets`` buckets that waste the least padding.

    Exact dynamic programme over at most 64 candidate lengths (quantiles of the lengths).

    Args:
        lengths: ``(examples,)`` lengths in steps.
        max_buckets: the most buckets; each is one more shape to compile.

    Returns:
        Increasing upper lengths; the last is the longest length.
    """
    quantiles = np.quantile(lengths, np.linspace(0, 1, 65)[1:], method="higher")
    candidates = np.unique(quantiles.astype(np.int64))
    counts = np.searchsorted(np.sort(lengths), candidates, side="right")
    # cost[k, j]: padded steps of all rows up to candidate j in k + 1 buckets
    cost = np.full((max_buckets, len(candidates)), np.inf)
    cut = np.zeros((max_buckets, len(candidates)), dtype=np.int64)
    cost[0] = counts * candidates
    for k in range(1, max_buckets):
        for j in range(k, len(candidates)):
            options = cost[k - 1, :j] + (counts[j] - counts[:j]) * candidates[j]
            cut[k, j] = int(np.argmin(options))
            cost[k, j] = options[cut[k, j]]
    j = len(candidates) - 1
    boundaries = [int(candidates[j])]
    for k in range(int(np.argmin(cost[:, -1])), 0, -1):
        j = int(cut[k, j])
        boundaries.insert(0, int(candidates[j]))
    return boundaries


class BatchPlan:
    """Global batches of row numbers, a pure function of the step.

    Rows are grouped into a few length buckets, permuted anew in each epoch, cut into batches,
    and the batches permuted. What is left of a bucket joins the next longer one, so only one
    batch of an epoch is short; it is filled with ``FILLER`` rows to keep the shapes few.

    Args:
        lengths: ``(examples, axes)`` as in :class:`toolkit.data.examples.Examples`.
        batch_size: examples in a global batch.
        batch_tokens: padded steps (over all axes) in a global batch, instead of ``batch_size``.
        seed: seed of the permutations.
        shuffle: whether to permute; without it, batches run from short rows to long ones.
        max_buckets: the most padded shapes.
        few_shapes: pad to at most that many shapes, each of which XLA compiles once. Without it
            rows are grouped as finely as chance allows, on each axis, and a batch is padded to its
            own longest rows: on Multi30k 10 % of both sides is padding then, and 30 % otherwise.

    Raises:
        ArgumentError: no rows, or not exactly one of ``batch_size`` and ``batch_tokens``.
    """

    def __init__(
        self,
        lengths: NDArray[np.int64],
        *,
        batch_size: int | None = None,
        batch_tokens: int | None = None,
        seed: int = 0,
        shuffle: bool = True,
        max_buckets: int = 8,
        few_shapes: bool = True,
    ) -> None:
        if len(lengths) == 0:
            raise ArgumentError("Expected at least one example to batch. Received: none.")
        if (batch_size is None) == (batch_tokens is None):
            raise ArgumentError(
                "Expected one of batch_size and batch_tokens. "
                f"Received: batch_size={batch_size}, batch_tokens={batch_tokens}."
            )
        self.num_rows = len(lengths)
        self.seed = seed
        self.shuffle = shuffle
        steps = lengths.sum() / batch_tokens if batch_tokens else len(lengths) / (batch_size or 1)
        few, many = max_buckets, int(steps / LEAST_BATCHES)
        groups = _few(lengths, few) if few_shapes else _many(lengths, many)
        self.lengths = None if few_shapes else lengths
        self.buckets = _buckets(groups, lengths, batch_size, batch_tokens, growing=few_shapes)
        self.steps_per_epoch = _count_batches(self.buckets)
        self._planned: tuple[int, list[tuple[NDArray[np.int64], Bucket]]] = (-1, [])

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The padded shapes that batches come in; at most these where shapes are not few."""
        return [bucket.shape for bucket in self.buckets]

    def batch(self, step: int) -> PlannedBatch:
        """Return global batch number ``step``, counted from 0 through all epochs."""
        epoch, position = divmod(step, self.steps_per_epoch)
        known, batches = self._planned  # one read, so that parallel readers see a whole epoch
        if known != epoch:
            batches = self._plan(epoch)
            self._planned = (epoch, batches)
        rows, bucket = batches[position]
        if self.lengths is None:
            return PlannedBatch(rows, bucket.shape, epoch)
        longest = self.lengths[np.maximum(rows, 0)].max(axis=0)
        return PlannedBatch(rows, tuple(int(n) for n in longest), epoch)

    def _plan(self, epoch: int) -> list[tuple[NDArray[np.int64], Bucket]]:
        random = np.random.Generator(np.random.Philox(key=[self.seed, epoch]))
        batches: list[tuple[NDArray[np.int64], Bucket]] = []
        left = np.zeros(0, dtype=np.int64)
        for bucket in self.buckets:
            rows = random.permutation(bucket.rows) if self.shuffle else bucket.rows
            rows = np.concatenate([left, rows])
            whole = len(rows) - len(rows) % bucket.batch_size
            batches += [(part, bucket) for part in rows[:whole].reshape(-1, bucket.batch_size)]
            left = rows[whole:]
        if len(left):
            last = self.buckets[-1]
            filled = np.full(last.batch_size, FILLER, dtype=np.int64)
            filled[: len(left)] = left
            batches.append((filled, last))
        if self.shuffle:
            batches = [batches[i] for i in random.permutation(len(batches))]
        return batches


def _few(lengths: NDArray[np.int64], max_buckets: int) -> list[NDArray[np.int64]]:
    """Rows by their total length, short ones first."""
    total = lengths.sum(axis=1) if lengths.shape[1] else np.zeros(len(lengths), dtype=np.int64)
    order = np.argsort(total, kind="stable")
    ends = np.searchsorted(total[order], bucket_boundaries(total, max_buckets), side="right")
    return np.split(order, ends[:-1])


def _many(lengths: NDArray[np.int64], count: int) -> list[NDArray[np.int64]]:
    """About ``count`` groups: rows by their last axis, and within those by the axes before it.

    Every second group runs from long to short, so that neighbours, which share a batch where
    rows are left over, are alike.
    """
    count = min(max(count, 1), MANY)
    axes = lengths.shape[1]
    if not axes:
        return [np.arange(len(lengths))]
    outer = count if axes == 1 else math.ceil(math.sqrt(2 * count))
    groups = []
    by_last = np.argsort(lengths[:, -1], kind="stable")
    for number, rows in enumerate(np.array_split(by_last, outer)):
        order = np.argsort(lengths[rows, :-1].sum(axis=1), kind="stable")
        rows = rows[order[::-1] if number % 2 else order]
        groups += np.array_split(rows, max(1, count // outer))
    return [rows for rows in groups if len(rows)]


def _buckets(
    groups: list[NDArray[np.int64]],
    lengths: NDArray[np.int64],
    batch_size: int | None,
    batch_tokens: int | None,
    *,
    growing: bool,
) -> list[Bucket]:
    """Groups with their batch sizes; ``growing``: no shape is smaller than the one before."""
    buckets = []
    left = 0
    carried = np.zeros(lengths.shape[1], dtype=np.int64)
    for rows in groups:
        # its first batch also holds what is left over of the groups before
        own = lengths[rows].max(axis=0, initial=0)
        widest = np.maximum(own, carried)
        size = batch_size or max(1, (batch_tokens or 1) // max(1, int(widest.sum())))
        size = min(size, len(lengths))
        buckets.append(Bucket(rows, tuple(int(n) for n in widest), size))
        whole, left = divmod(left + len(rows), size)
        carried = own if whole and not growing else widest
    return buckets


def _count_batches(buckets: list[Bucket]) -> int:
    batches = left = 0
    for bucket in buckets:
        whole, left = divmod(left + len(bucket.rows), bucket.batch_size)
        batches += whole
    return batches + (left > 0)
