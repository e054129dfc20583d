"""Which workers there are: from ``TF_CONFIG``, Slurm or an indexed Kubernetes job."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from toolkit.errors import ArgumentError

PORT = 12345


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class Cluster:
    """The workers of a job, chief first, and which of them this process is.

    Attributes:
        addresses: ``host:port`` of each worker.
        index: this worker's place among them; 0 is the chief.
        local_index: this worker's place among those on the same machine.
        local_workers: how many workers share this machine.
        source: where this was read.
    """

    addresses: tuple[str, ...]
    index: int
    local_index: int = 0
    local_workers: int = 1
    source: str = "TF_CONFIG"

    def tf_config(self) -> str:
        """Return the JSON that TensorFlow reads from ``TF_CONFIG``."""
        task = {"type": "worker", "index": self.index}
        return json.dumps({"cluster": {"worker": list(self.addresses)}, "task": task})


def find_cluster(environment: Mapping[str, str]) -> Cluster | None:
    """Read the cluster from the environment, or None for a process on its own.

    Looks at ``TF_CONFIG``, then at what ``srun`` sets, then at an indexed Kubernetes job
    (``JOB_COMPLETION_INDEX`` with ``TOOLKIT_WORKERS`` and ``TOOLKIT_SERVICE``).
    ``TOOLKIT_PORT`` changes the first port of the latter two.

    Raises:
        ArgumentError: the variables contradict each other or are damaged.
    """
    if environment.get("TF_CONFIG"):
        return _from_tf_config(environment["TF_CONFIG"])
    if int(environment.get("SLURM_STEP_NUM_TASKS", "1")) > 1:
        return _from_slurm(environment)
    if "JOB_COMPLETION_INDEX" in environment and "TOOLKIT_WORKERS" in environment:
        return _from_kubernetes(environment)
    return None


def _from_tf_config(text: str) -> Cluster | None:
    try:
        config = json.loads(text)
        cluster, task = config.get("cluster", {}), config.get("task", {})
        chief, workers = cluster.get("chief", []), cluster.get("worker", [])
        addresses = (*chief, *workers)
        index = int(task.get("index", 0)) + (len(chief) if task.get("type") == "worker" else 0)
    except (ValueError, TypeError, AttributeError) as error:
        raise ArgumentError(
            "TF_CONFIG: not understood. Expected JSON with 'cluster' and 'task'. "
            f"Received: {text!r}."
        ) from error
    if task.get("type", "worker") not in ("chief", "worker") or index >= max(1, len(addresses)):
        raise ArgumentError(
            f"TF_CONFIG: expected a task that is the chief or one of {len(workers)} workers. "
            f"Received: task={task}."
        )
    if len(addresses) < 2:
        return None
    hosts = [address.rsplit(":", 1)[0] for address in addresses]
    before = hosts[:index].count(hosts[index])
    return Cluster(addresses, index, before, hosts.count(hosts[index]))


def _from_slurm(environment: Mapping[str, str]) -> Cluster:
    hosts = list(expand_hosts(environment["SLURM_STEP_NODELIST"]))
    counts = list(expand_counts(environment["SLURM_STEP_TASKS_PER_NODE"]))
    if len(hosts) != len(counts) or sum(counts) != int(environment["SLURM_STEP_NUM_TASKS"]):
        raise ArgumentError(
            "SLURM: the step's nodes and tasks do not fit together. Expected block distribution. "
            f"Received: {hosts} with {counts} tasks."
        )
    port = int(environment.get("TOOLKIT_PORT", PORT))
    places = [(host, i) for host, n in zip(hosts, counts, strict=True) for i in range(n)]
    index = int(environment["SLURM_PROCID"])
    host, local = places[index]
    return Cluster(
        tuple(f"{name}:{port + i}" for name, i in places),
        index,
        local,
        counts[hosts.index(host)],
        "Slurm",
    )


def _from_kubernetes(environment: Mapping[str, str]) -> Cluster | None:
    workers = int(environment["TOOLKIT_WORKERS"])
    service = environment.get("TOOLKIT_SERVICE", "")
    index = int(environment["JOB_COMPLETION_INDEX"])
    pod = environment.get("HOSTNAME", "")
    if not service or not pod.endswith(f"-{index}") or index >= workers:
        raise ArgumentError(
            "Kubernetes: expected TOOLKIT_SERVICE (the headless service), a pod named JOB-INDEX "
            "and an index below TOOLKIT_WORKERS. "
            f"Received: TOOLKIT_SERVICE={service!r}, HOSTNAME={pod!r}, "
            f"JOB_COMPLETION_INDEX={index}, TOOLKIT_WORKERS={workers}."
        )
    job = pod.removesuffix(f"-{index}")
    port = int(environment.get("TOOLKIT_PORT", PORT))
    addresses = tuple(f"{job}-{i}.{service}:{port}" for i in range(workers))
    return Cluster(addresses, index, source="Kubernetes") if workers > 1 else None


def expand_hosts(text: str) -> Iterator[str]:
    """Expand Slurm's ``node[01-03,07],login5`` to single names."""
    for group in re.findall(r"(?:[^,\[]|\[[^\]]*\])+", text):
        parts = re.split(r"\[([^\]]*)\]", group)
        choices = [list(_numbers(part)) if i % 2 else [part] for i, part in enumerate(parts)]
        yield from ("".join(choice) for choice in product(*choices))


def _numbers(text: str) -> Iterator[str]:
    for part in text.split(","):
        first, _, last = part.partition("-")
        for number in range(int(first), int(last or first) + 1):
            yield str(number).zfill(len(first))


def expand_counts(text: str) -> Iterator[int]:
    """Expand Slurm's ``2(x3),1`` to ``2, 2, 2, 1``."""
    for count, repeat in re.findall(r"(\d+)(?:\(x(\d+)\))?", text):
        yield from [int(count)] * int(repeat or 1)
