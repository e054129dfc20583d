"""Several local processes as one multi-worker job: started, watched, restarted, ended together."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import IO, Any

from toolkit.errors import StoppedError, ToolkitError
from toolkit.training.cluster import Cluster, cores

GRACE_SECONDS, POLL_SECONDS = 60.0, 0.1
# Codes that a restart would only repeat: the user's error, a stop on request.
FINAL_CODES = (ToolkitError.exit_code, StoppedError.exit_code)


def launch_workers(
    workers: int,
    command: Sequence[str],
    *,
    restarts: int = 0,
    restart_command: Sequence[str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> int:
    """Run ``command`` in ``workers`` processes that find each other through ``TF_CONFIG``.

    Each line of output is prefixed with the worker's number. When a worker dies, the others
    cannot go on without it: all are ended and the whole job starts again. SIGTERM and Ctrl-C
    are passed on to every worker.

    Args:
        workers: how many processes.
        command: what each runs.
        restarts: how often the whole job may start again.
        restart_command: what to run then, such as the command with ``--resume=auto``.
        environment: of the processes; this process's by default.

    Returns:
        The job's exit code: 0, or that of the worker that failed first (128 + signal).
    """
    base = dict(os.environ if environment is None else environment)
    current = command
    while True:
        code = _Job(workers, current, base).wait()
        if code == 0 or code in FINAL_CODES or restarts == 0:
            return code
        restarts -= 1
        current = restart_command or command
        _say(f"A worker ended with {code}; the job starts again ({restarts} restarts left).")


class _Job:
    """One start of all workers."""

    def __init__(self, workers: int, command: Sequence[str], base: Mapping[str, str]) -> None:
        addresses = tuple(f"localhost:{port}" for port in _free_ports(workers))
        self.stopping = False
        self.processes: list[subprocess.Popen[str]] = []
        self.readers: list[threading.Thread] = []
        for index in range(workers):
            environment = {**base, **_threads(base, workers)}
            if workers > 1:
                environment["TF_CONFIG"] = Cluster(addresses, index).tf_config()
            self._start(index, command, environment)

    def _start(self, index: int, command: Sequence[str], environment: Mapping[str, str]) -> None:
        process = subprocess.Popen(
            command,
            env=environment,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C reaches the workers through this process alone
        )
        self.processes.append(process)
        for stream, target in ((process.stdout, sys.stdout), (process.stderr, sys.stderr)):
            reader = threading.Thread(target=_forward, args=(index, stream, target), daemon=True)
            reader.start()
            self.readers.append(reader)

    def wait(self) -> int:
        """Wait for all workers, ending the others soon after one fails; return the job's code."""
        with self._passing_on_signals():
            code = self._first_failure()
            if code:
                self._end_others(GRACE_SECONDS if code in FINAL_CODES else 0.0)
        for reader in self.readers:
            reader.join()
        return code

    def _first_failure(self) -> int:
        while True:
            codes = [process.poll() for process in self.processes]
            failed = [code for code in codes if code]
            if failed:
                return failed[0] if failed[0] > 0 else 128 - failed[0]
            if all(code == 0 for code in codes):
                return 0
            time.sleep(POLL_SECONDS)

    def _end_others(self, grace: float) -> None:
        limit = time.monotonic() + grace
        for process in self.processes:
            try:
                process.wait(max(0.0, limit - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @contextmanager
    def _passing_on_signals(self) -> Iterator[None]:
        def pass_on(number: int, _: Any) -> None:
            for process in self.processes:
                if process.poll() is None:
                    process.send_signal(number)

        if threading.current_thread() is not threading.main_thread():
            yield
            return
        with ExitStack() as stack:
            for number in (signal.SIGTERM, signal.SIGINT):
                stack.callback(signal.signal, number, signal.signal(number, pass_on))
            yield


def _forward(index: int, stream: IO[str] | None, target: IO[str]) -> None:
    assert stream is not None
    with stream:
        for line in stream:
            target.write(f"[{index}] {line}")
            target.flush()


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("localhost", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def _threads(base: Mapping[str, str], workers: int) -> dict[str, str]:
    """Share the cores out: each worker's thread pool would otherwise take all of them."""
    share = max(1, cores() // workers)
    names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
    return {name: str(share) for name in names if name not in base and workers > 1}


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
