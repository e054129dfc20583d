"""Devices and workers: the only file that names a ``tf.distribute`` class."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from toolkit.errors import ArgumentError
from toolkit.training.cluster import Cluster, cores, find_cluster

LANES = 2  # whatever the number of cores, so that dropout draws alike on all machines


@dataclass(frozen=True, eq=False)
class Distribution:
    """The replicas that compute a step together, and this process's part in it.

    Attributes:
        strategy: the ``tf.distribute.Strategy``.
        num_workers: processes of the job.
        worker: this process's number; 0 is the chief, the only one that writes.
        local_replicas: replicas in this process.
        description: what is used and why, for the manifest.
        lanes: parts of a replica's share that are computed side by side.
        on_gpus: whether the replicas are GPUs.
    """

    strategy: Any
    num_workers: int
    worker: int
    local_replicas: int
    description: str
    lanes: int = 1
    on_gpus: bool = False

    @property
    def num_replicas(self) -> int:
        """Replicas of all workers together."""
        return self.num_workers * self.local_replicas

    @property
    def is_chief(self) -> bool:
        """Whether this process writes files and reports progress."""
        return self.worker == 0

    def shares(self, micro_batches: int = 1) -> range:
        """Return which shares of a step this process reads, of ``num_shares(micro_batches)``."""
        here = self.local_replicas * self.lanes * micro_batches
        return range(self.worker * here, (self.worker + 1) * here)

    def num_shares(self, micro_batches: int = 1) -> int:
        """Return into how many shares each step is cut."""
        return self.num_replicas * self.lanes * micro_batches

    def scope(self) -> Any:
        """Return the context in which variables must be created."""
        return self.strategy.scope()

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call ``function`` on every local replica."""
        return self.strategy.run(function, args=arguments)

    def distribute(self, dataset: tf.data.Dataset) -> Any:
        """Deal successive elements to successive local replicas, fetched ahead to the devices."""
        return self.strategy.distribute_datasets_from_function(lambda _: dataset)

    def next_shares(self, iterator: Any) -> list[Any]:
        """Return what each lane computes next, of an iterator over :meth:`distribute`'s."""
        return [next(iterator) for _ in range(self.lanes)]

    def local(self, value: Any) -> tuple[Any, ...]:
        """Return the values of this process's replicas, in order."""
        return tuple(self.strategy.experimental_local_results(value))

    def total(self, value: Any) -> Any:
        """Add a per-replica value up over all replicas of all workers; same result on each."""
        return self.strategy.reduce(tf.distribute.ReduceOp.SUM, value, axis=None)

    def mean_inside(self, values: list[Any]) -> list[Any]:
        """Average over all replicas, from inside :meth:`run`."""
        context = tf.distribute.get_replica_context()
        return list(context.all_reduce(tf.distribute.ReduceOp.MEAN, values))

    def total_inside(self, values: list[Any]) -> list[Any]:
        """Add up over all replicas, from inside :meth:`run`; the result is the same on each.

        Sparse gradients become dense: their sizes change from step to step, and TensorFlow's
        collectives remember the first size they meet in a call of several steps.
        """
        if self.num_replicas == 1:
            return values
        values = [tf.convert_to_tensor(value) for value in values]
        if self.num_workers > 1:  # one message a step, not one a variable
            return _split(self._total(_joined(values)), values)
        return list(self._total(values))

    def _total(self, values: Any) -> Any:
        context = tf.distribute.get_replica_context()
        return context.all_reduce(tf.distribute.ReduceOp.SUM, values)

    def update(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Leave :meth:`run` for one call of ``function(update_variable, *arguments)``.

        There ``update_variable(variable, rule, *values)`` runs ``rule(variable, *values)`` on
        each device that holds a copy of the variable.
        """

        def in_cross_replica(strategy: Any, *merged: Any) -> None:
            def update_variable(variable: Any, rule: Callable[..., Any], *values: Any) -> None:
                strategy.extended.update(variable, rule, args=values, group=False)

            function(update_variable, *merged)

        tf.distribute.get_replica_context().merge_call(in_cross_replica, args=arguments)

    def replica_index(self) -> int:
        """Return the number of the replica that calls this, among the local ones."""
        number = tf.distribute.get_replica_context().replica_id_in_sync_group
        static = tf.get_static_value(number)
        return int(number if static is None else static) % self.local_replicas

    def wait_for_all(self) -> None:
        """Return when every worker has come here.

        The last thing a worker should do: TensorFlow counts one that leaves early as crashed.
        """
        self.gather({})

    def gather(self, arrays: Mapping[str, NDArray[Any]]) -> list[dict[str, NDArray[Any]]]:
        """Collect named arrays from every worker, on every worker, in the workers' order."""
        if self.num_workers == 1:
            return [dict(arrays)]
        packed = _pack(arrays)
        sizes = self._gather_integers(np.array([len(packed)], np.int32))
        parts = np.split(self._gather_integers(packed), np.cumsum(sizes)[:-1])
        return [_unpack(part) for part in parts]

    def from_chief(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Return the chief's arrays on every worker."""
        return self.gather(arrays if self.is_chief else {})[0]

    def from_chief_text(self, value: Any) -> Any:
        """Return the chief's plain data on every worker."""
        text = np.frombuffer(json.dumps(value).encode(), np.uint8)
        return json.loads(self.from_chief({"text": text})["text"].tobytes())

    def _gather_integers(self, values: NDArray[np.int32]) -> NDArray[np.int32]:
        return np.asarray(_collector(self)(tf.constant(values)), dtype=np.int32)


def _joined(values: list[Any]) -> Any:
    return tf.concat([tf.reshape(value, [-1]) for value in values], axis=0)


def _split(joined: Any, like: list[Any]) -> list[Any]:
    parts = tf.split(joined, [tf.size(value) for value in like])
    return [tf.reshape(part, tf.shape(value)) for part, value in zip(parts, like, strict=True)]


@cache
def _collector(distribution: Distribution) -> Any:
    """Return a function, traced once, that joins all workers' integers on every worker."""

    def on_replica(values: Any) -> Any:
        context = tf.distribute.get_replica_context()
        first = context.replica_id_in_sync_group % distribution.local_replicas == 0
        mine = values[: tf.where(first, tf.size(values), 0)]  # the others have nothing to add
        return context.all_gather(mine, axis=0)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32)], autograph=False)
    def collect(values: Any) -> Any:
        return distribution.local(distribution.run(on_replica, values))[0]

    return collect


def _pack(arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.int32]:
    """Turn arrays into integers, which every collective of TensorFlow can carry."""
    stream = io.BytesIO()
    np.savez(stream, **dict(arrays))  # type: ignore[arg-type]
    content = stream.getvalue()
    header = len(content).to_bytes(8, "little")
    return np.frombuffer(header + content + b"\0" * (-len(content) % 4), np.int32)


def _unpack(packed: NDArray[np.int32]) -> dict[str, NDArray[Any]]:
    content = packed.tobytes()
    size = int.from_bytes(content[:8], "little")
    with np.load(io.BytesIO(content[8 : 8 + size]), allow_pickle=False) as arrays:
        return dict(arrays)


@cache
def distribute(
    devices: str = "auto", strategy: str = "auto", *, lanes: int = LANES
) -> Distribution:
    """Choose devices and start the strategy; call it before any tensor is made.

    Args:
        devices: ``auto`` (the first GPU, else the CPU), ``cpu``, ``all`` (every GPU),
            ``gpu``, ``gpu:0,1`` or ``cpu:N`` (N logical replicas, for trying things out).
        strategy: ``auto`` (by the number of devices and workers), ``one_device``,
            ``mirrored`` or ``multi_worker``.
        lanes: on one CPU device, how many parts of a batch are computed side by side.

    Raises:
        ArgumentError: devices that TensorFlow does not see, or a strategy they do not fit.
    """
    cluster = find_cluster(os.environ)
    if strategy == "multi_worker" and cluster is None:
        raise ArgumentError(
            "train.strategy: multi_worker needs a cluster. Expected TF_CONFIG, 'srun' with "
            "several tasks, or an indexed Kubernetes job with TOOLKIT_WORKERS. Received: none. "
            "'toolkit launch --workers N' starts one on this machine."
        )
    if cluster is not None and strategy in ("auto", "multi_worker"):
        return _multi_worker(cluster, devices)
    names = _choose(devices)
    if strategy == "one_device" and len(names) > 1:
        raise ArgumentError(
            f"train.strategy: one_device takes one device. Received: devices={devices!r}, "
            f"which are {len(names)}."
        )
    if strategy == "mirrored" or len(names) > 1:
        return _mirrored(names)
    return _one_device(names[0], lanes)


def _one_device(name: str, lanes: int) -> Distribution:
    if not name.startswith("CPU"):
        strategy = tf.distribute.OneDeviceStrategy(name)
        return Distribution(strategy, 1, 0, 1, _one_of(name), on_gpus=True)
    if lanes > 1:
        _share_cores(lanes)
    # The default strategy does the same with less between a step and its data.
    one = tf.distribute.get_strategy()
    parts = f"; batches in {lanes} parts side by side" if lanes > 1 else ""
    return Distribution(one, 1, 0, 1, _one_of(name) + parts, lanes)


def _share_cores(lanes: int) -> None:
    """Give the operations of each lane their part of the cores, unless the user chose.

    Operations that wait for threads of their own lose much of two cores; parts of a batch have
    nothing to wait for.
    """
    threading = tf.config.threading
    if os.environ.get("TF_NUM_INTRAOP_THREADS") or threading.get_intra_op_parallelism_threads():
        return
    try:
        threading.set_intra_op_parallelism_threads(max(1, cores() // lanes))
    except RuntimeError:
        return  # TensorFlow has started already; its present setting stands


def _one_of(name: str) -> str:
    gpus = len(tf.config.list_physical_devices("GPU"))
    unused = f"; {gpus} GPUs seen, 'devices: all' uses them all" if gpus > 1 else ""
    return f"one device, {name}{unused}"


def _mirrored(names: list[str]) -> Distribution:
    # The default reduction aborts on the second strategy of logical CPUs in a process.
    on_cpu = names[0].startswith("CPU")
    reduction = tf.distribute.ReductionToOneDevice() if on_cpu else None
    mirrored = tf.distribute.MirroredStrategy(names, cross_device_ops=reduction)
    description = f"mirrored over {len(names)} devices, {', '.join(names)}"
    return Distribution(mirrored, 1, 0, len(names), description, on_gpus=not on_cpu)


def _multi_worker(cluster: Cluster, devices: str) -> Distribution:
    names = _devices_of_worker(cluster, devices)
    _show_only(names)
    os.environ["TF_CONFIG"] = cluster.tf_config()
    started = tf.distribute.MultiWorkerMirroredStrategy()
    workers = len(cluster.addresses)
    local = started.num_replicas_in_sync // workers
    description = f"worker {cluster.index} of {workers} ({cluster.source}), {local} replicas each"
    on_gpus = any(name.startswith("GPU") for name in names)
    return Distribution(started, workers, cluster.index, local, description, on_gpus=on_gpus)


def _devices_of_worker(cluster: Cluster, devices: str) -> list[str]:
    """Choose a worker's devices; workers of one machine that see all its GPUs take one each."""
    if devices.startswith("cpu"):
        return []
    names = _choose("all" if devices == "auto" else devices)
    own = cluster.local_workers > 1 and len(names) > 1
    return [names[cluster.local_index % len(names)]] if own else names


def _show_only(names: list[str]) -> None:
    """Hide the other GPUs, because a multi-worker strategy takes all it sees."""
    gpus = tf.config.list_physical_devices("GPU")
    chosen = [gpu for i, gpu in enumerate(gpus) if f"GPU:{i}" in names]
    if len(chosen) < len(gpus):
        tf.config.set_visible_devices(chosen, "GPU")


def _choose(devices: str) -> list[str]:
    if devices == "cpu":
        return ["CPU:0"]
    if devices.startswith("cpu:"):
        return _logical_cpus(int(devices.removeprefix("cpu:")))
    gpus = tf.config.list_physical_devices("GPU")
    _grow_memory(gpus)
    if devices == "auto":
        return ["GPU:0"] if gpus else ["CPU:0"]
    if devices == "all":
        return [f"GPU:{i}" for i in range(len(gpus))] or ["CPU:0"]
    asked = [int(n) for n in devices.removeprefix("gpu").lstrip(":").split(",") if n] or [0]
    if missing := [n for n in asked if n >= len(gpus)]:
        seen = ", ".join(d.name for d in tf.config.list_physical_devices())
        raise ArgumentError(
            f"train.devices: there is no GPU {missing[0]}. TensorFlow sees: {seen}. "
            "Expected a GPU with a driver and 'pip install tensorflow[and-cuda]'. "
            f"Received: devices={devices!r}."
        )
    return [f"GPU:{n}" for n in asked]


def _grow_memory(gpus: list[Any]) -> None:
    """Take GPU memory as it is needed, so that two jobs can share a GPU."""
    try:
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError:
        return  # TensorFlow has started already; its present setting stands


def _logical_cpus(count: int) -> list[str]:
    cpu = tf.config.list_physical_devices("CPU")[0]
    logical = [tf.config.LogicalDeviceConfiguration()] * count
    try:
        if len(tf.config.get_logical_device_configuration(cpu) or [None]) < count:
            tf.config.set_logical_device_configuration(cpu, logical)
    except RuntimeError as error:
        raise ArgumentError(
            f"train.devices: TensorFlow has started with fewer CPU devices. Received: cpu:{count}."
        ) from error
    return [f"CPU:{i}" for i in range(count)]
