"""Checks an exported model: its files by hash, its answers without the toolkit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.errors import ExportError, VerificationError
from toolkit.serving import signature

SHOWN = 10


@dataclass(frozen=True)
class Verification:
    """What was checked: the export, its stored examples and its files."""

    directory: Path
    examples: int
    files: int

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "directory": str(self.directory),
            "examples": self.examples,
            "files": self.files,
            "verified": True,
        }


@contextmanager
def replaying() -> Iterator[subprocess.Popen[bytes]]:
    """Start the process that :func:`verify` asks, and end it.

    It loads TensorFlow at once, which takes seconds: meanwhile an export can be written.

    Raises:
        ExportError: Python cannot be started.
    """
    script = Path(__file__).with_name("replay.py")
    # On the CPU, since the process that trained may still hold the accelerator's memory.
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", str(script)],
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            env=environment,
        )
    except OSError as error:
        raise ExportError(f"{sys.executable}: cannot be started to verify. {error}.") from error
    with process:
        try:
            yield process
        finally:
            process.kill()


def verify(
    directory: str | os.PathLike[str], process: subprocess.Popen[bytes] | None = None
) -> Verification:
    """Check that an exported model answers its stored examples as the trained model did.

    The files are compared with their hashes; then a fresh Python process that imports TensorFlow
    (and tensorflow-text, if the signature says so) but not this package loads the model, on the
    CPU, and answers every stored example, alone and in a batch.

    Args:
        directory: what ``toolkit export`` wrote.
        process: from :func:`replaying`, which no one has asked yet; a new one by default.

    Returns:
        The counts of what was checked.

    Raises:
        ExportError: the directory is no export, or Python cannot be started.
        VerificationError: a file was changed, or an answer differs beyond the tolerance.
    """
    path = Path(directory)
    content = signature.read(path)
    _refuse(path, signature.changed_files(path, content["files"]), "changed since the export")
    with replaying() if process is None else nullcontext(process) as asked:
        result = _replay(path, asked)
    _refuse(path, result["differences"], "does not answer like the trained model")
    return Verification(path, result["examples"], len(content["files"]))


def _replay(directory: Path, process: subprocess.Popen[bytes]) -> dict[str, Any]:
    answer, said = process.communicate(os.fsencode(directory.resolve()))
    if process.returncode:
        lines = said.decode(errors="replace").strip().splitlines() or ["no message"]
        raise VerificationError(
            f"{directory}: the exported model cannot be loaded or run by TensorFlow alone. "
            f"Received: {lines[-1]}"
        )
    return dict(json.loads(answer.splitlines()[-1]))


def _refuse(directory: Path, problems: list[str], what: str) -> None:
    if not problems:
        return
    more = [f"  and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
    shown = [f"  {problem}" for problem in problems[:SHOWN]]
    raise VerificationError("\n".join([f"{directory}: {what}:", *shown, *more]))
