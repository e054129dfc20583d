"""One TensorFlow set-up for all tests: quiet, and with two logical CPUs to test distribution on."""

import os
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def pytest_configure() -> None:
    # The number of logical devices is fixed once TensorFlow has run anything, so set it first.
    import tensorflow as tf

    if "PYTEST_XDIST_WORKER" in os.environ:  # beside others, a thread more is a thread in the way
        tf.config.threading.set_intra_op_parallelism_threads(1)
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="no GPU is here"))


@pytest.fixture(scope="session")
def strategy() -> Any:
    """Two replicas on one machine; shared, because a second one in a process aborts."""
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice()
    )


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``tiny.csv`` (id, text, label) and the two-line recipe ``tiny.yaml``."""
    folder = tmp_path_factory.mktemp("tiny")
    lines = ["id,text,label"]
    for number in range(80):
        words, label = (("good nice fine", "yes"), ("bad poor sad", "no"))[number % 2]
        lines.append(f"{number},{words} day {number},{label}")
    (folder / "tiny.csv").write_text("\n".join(lines) + "\n")
    (folder / "tiny.yaml").write_text("task: tests.tiny_task\ndata: tiny.csv\n")
    return folder


@pytest.fixture(scope="session")
def tiny_run(tiny_data: Path) -> Any:
    """A finished run of the tiny task, export included; do not write into it."""
    import toolkit

    return toolkit.fit(tiny_data / "tiny.yaml", run=tiny_data / "run")
