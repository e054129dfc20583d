"""One job of several processes on this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from toolkit.training.launch import launch_workers


def launch(
    workers: int,
    recipe: str | os.PathLike[str],
    arguments: Sequence[str] = (),
    *,
    restarts: int = 0,
) -> int:
    """Fit one model in several local processes.

    Args:
        workers: how many processes.
        recipe: the recipe's file.
        arguments: of ``toolkit fit``, such as ``["--run", "runs/two"]``.
        restarts: how often the job starts again, going on from its last checkpoint, when a
            worker dies.

    Returns:
        The job's exit code.
    """
    command = [sys.executable, "-m", "toolkit", "fit", os.fspath(recipe), *arguments]
    words = [word for word in command if word != "--resume"]
    again = [*words, *([] if "--resume=auto" in words else ["--resume=auto"])]
    return launch_workers(workers, command, restarts=restarts, restart_command=again)
