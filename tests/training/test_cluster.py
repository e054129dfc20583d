import json

import pytest

from toolkit.errors import ArgumentError
from toolkit.training.cluster import Cluster, expand_counts, expand_hosts, find_cluster

SLURM = {
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_STEP_NODELIST": "gpu[1-2]",
    "SLURM_STEP_TASKS_PER_NODE": "2(x2)",
    "SLURM_PROCID": "3",
}
KUBERNETES = {
    "JOB_COMPLETION_INDEX": "1",
    "TOOLKIT_WORKERS": "2",
    "TOOLKIT_SERVICE": "trainers",
    "HOSTNAME": "my-job-1",
}


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"TF_CONFIG": "{}"},
        {"TF_CONFIG": '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}'},
        {"SLURM_STEP_NUM_TASKS": "1"},
        {"SLURM_NTASKS": "8"},  # inside sbatch without srun: one process
        {"JOB_COMPLETION_INDEX": "3"},  # an indexed job of independent trainings
    ],
)
def test_a_process_on_its_own(environment: dict[str, str]) -> None:
    assert find_cluster(environment) is None


def test_slurm() -> None:
    cluster = find_cluster(SLURM)
    assert cluster is not None
    assert cluster.addresses == ("gpu1:12345", "gpu1:12346", "gpu2:12345", "gpu2:12346")
    assert (cluster.index, cluster.local_index, cluster.local_workers) == (3, 1, 2)


def test_kubernetes() -> None:
    cluster = find_cluster({**KUBERNETES, "TOOLKIT_PORT": "2222"})
    assert cluster is not None
    assert cluster.addresses == ("my-job-0.trainers:2222", "my-job-1.trainers:2222")
    assert cluster.index == 1


def test_tf_config_with_a_chief() -> None:
    config = {
        "cluster": {"chief": ["a:1"], "worker": ["a:2", "b:1"]},
        "task": {"type": "worker", "index": 0},
    }
    cluster = find_cluster({"TF_CONFIG": json.dumps(config)})
    assert cluster == Cluster(("a:1", "a:2", "b:1"), 1, 1, 2)


def test_reads_what_it_writes() -> None:
    cluster = Cluster(("a:1", "b:1"), 1)
    assert find_cluster({"TF_CONFIG": cluster.tf_config()}) == cluster


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"TF_CONFIG": "worker"}, "TF_CONFIG: not understood"),
        ({"TF_CONFIG": '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"index": 2}}'}, "task"),
        ({"TF_CONFIG": '{"cluster": {"ps": ["a:1"]}, "task": {"type": "ps"}}'}, "one of 0 workers"),
        ({**SLURM, "SLURM_STEP_TASKS_PER_NODE": "2,1"}, "do not fit together"),
        ({**KUBERNETES, "TOOLKIT_SERVICE": ""}, "TOOLKIT_SERVICE"),
        ({**KUBERNETES, "HOSTNAME": "other"}, "HOSTNAME='other'"),
    ],
)
def test_contradictions_are_named(environment: dict[str, str], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        find_cluster(environment)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("one", ["one"]),
        ("n[08-10,12],login5", ["n08", "n09", "n10", "n12", "login5"]),
        ("r[1-2]n[1-2]", ["r1n1", "r1n2", "r2n1", "r2n2"]),
    ],
)
def test_slurm_host_lists(text: str, names: list[str]) -> None:
    assert list(expand_hosts(text)) == names


def test_slurm_task_counts() -> None:
    assert list(expand_counts("2(x3),1")) == [2, 2, 2, 1]
