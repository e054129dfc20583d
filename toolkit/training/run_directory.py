"""The directory of one run: what is in it, who may write it, what may go on in it."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Literal

import keras

from toolkit.errors import RunError

Resume = bool | Literal["auto"]
Status = Literal["running", "stopped", "failed", "trained", "finished"]

# What a resumed run may change: how long it runs, on what, and what it keeps.
CHANGEABLE = (
    "epochs",
    "steps",
    "devices",
    "strategy",
    "accumulation",
    "compile",
    "steps_per_execution",
    "checkpoint_every",
    "keep",
    "average_checkpoints",
    "early_stopping",
)


class RunDirectory:
    """The files of a run.

    | file | what |
    |---|---|
    | ``recipe.yaml`` | the resolved recipe |
    | ``run.json`` | manifest: status, versions, devices, seed, checksums, decisions, timings |
    | ``metrics.jsonl`` | one record per validation |
    | ``logs/`` | the same for TensorBoard |
    | ``checkpoints/step-N/`` | see :mod:`toolkit.training.checkpoint` |
    | ``task/`` | the task's fitted state |
    | ``model.keras`` | the trained model |
    | ``report.json``, ``report.txt`` | the evaluation |
    | ``export/`` | the exported model |

    Constructing one reads nothing and writes nothing: use it to look into a run.
    :meth:`open_for_fit` is how a training takes possession of it.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.resuming = False
        self.writes = True
        self._lock: IO[str] | None = None

    @classmethod
    def open_for_fit(
        cls, path: Path | str, resume: Resume = False, distribution: Any = None
    ) -> RunDirectory:
        """Take possession of a directory, for as long as this process lives.

        Args:
            path: the directory; its parents are made.
            resume: False for a new run, True to go on, ``auto`` for whichever it is.
            distribution: with several workers, only the chief's look at the disk counts.

        Raises:
            RunError: it exists (without ``resume``), has nothing to resume, or another
                process trains in it.
        """
        run = cls(path)
        error = ""
        run.writes = distribution is None or distribution.is_chief
        if run.writes:
            try:
                run._take(resume)
            except RunError as refused:
                error = str(refused)
        if distribution is not None:
            error, run.resuming = distribution.from_chief_text([error, run.resuming])
        if error:
            run.close()
            raise RunError(error)
        return run

    def _take(self, resume: Resume) -> None:
        used = self.path.exists() and any(p.name != ".lock" for p in self._content())
        if used and resume is False:
            raise RunError(
                f"{self.path}: the run directory exists already. Add --resume to go on, "
                "or give another --run."
            )
        self.resuming = any((self.path / "checkpoints").glob("step-*"))
        if resume is True and not self.resuming:
            raise RunError(f"{self.path}: nothing to resume: there is no checkpoint.")
        if used and not (self.manifest_file.exists() or self.resuming):
            raise RunError(f"{self.path}: not a run directory. Expected run.json in it.")
        self._lock_it()
        if used and not self.resuming:
            self._clear()

    def _content(self) -> list[Path]:
        if not self.path.is_dir():
            raise RunError(f"{self.path}: expected a directory. Received: a file.")
        return list(self.path.iterdir())

    def _lock_it(self) -> None:
        """Lock by ``flock``, which the system itself lets go when the process dies."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = (self.path / ".lock").open("a+")
        except OSError as error:
            raise RunError(f"{self.path}: cannot be written: {error.strerror}.") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            lock.close()
            raise RunError(f"{self.path}: another process trains here ({owner}).") from error
        lock.seek(0)
        lock.truncate()
        lock.write(f"process {os.getpid()} on {os.uname().nodename}")
        lock.flush()
        self._lock = lock

    def _clear(self) -> None:
        """Remove what a run left that died before its first checkpoint."""
        for path in self._content():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != ".lock":
                path.unlink()

    def close(self) -> None:
        """Let another process have the directory."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @property
    def recipe_file(self) -> Path:
        """The resolved recipe."""
        return self.path / "recipe.yaml"

    @property
    def manifest_file(self) -> Path:
        """The manifest."""
        return self.path / "run.json"

    @property
    def metrics_file(self) -> Path:
        """One JSON record per validation."""
        return self.path / "metrics.jsonl"

    @property
    def logs(self) -> Path:
        """TensorBoard's files."""
        return self.path / "logs"

    @property
    def checkpoints(self) -> Path:
        """The checkpoints."""
        return self.path / "checkpoints"

    @property
    def task(self) -> Path:
        """The task's fitted state."""
        return self.path / "task"

    @property
    def model_file(self) -> Path:
        """The trained model."""
        return self.path / "model.keras"

    @property
    def export(self) -> Path:
        """The exported model."""
        return self.path / "export"

    def manifest(self) -> dict[str, Any]:
        """Read the manifest.

        Raises:
            RunError: it is missing or damaged.
        """
        try:
            manifest: dict[str, Any] = json.loads(self.manifest_file.read_text())
        except FileNotFoundError as error:
            raise RunError(f"{self.path}: not a run directory. Expected run.json in it.") from error
        except (OSError, ValueError) as error:
            raise RunError(f"{self.manifest_file}: damaged: {error}.") from error
        return manifest

    def note(self, **entries: Any) -> None:
        """Add entries to the manifest; a mapping is merged into the one that is there."""
        if not self.writes:
            return
        manifest = self.manifest() if self.manifest_file.exists() else {}
        for name, value in entries.items():
            old = manifest.get(name)
            if isinstance(old, dict) and isinstance(value, Mapping):
                value = {**old, **value}
            manifest[name] = value
        write_text(self.manifest_file, json.dumps(manifest, indent=2, default=str) + "\n")

    def set_status(self, status: Status) -> None:
        """Say in the manifest how far the run is."""
        self.note(status=status)

    def claim(self, identity: Mapping[str, Any]) -> None:
        """Write what makes this run what it is or, when resuming, insist that it is the same.

        Args:
            identity: plain data such as task, model, seed, checksums of the data, and
                :func:`training_identity`.

        Raises:
            RunError: something differs; names each difference.
        """
        new = json.loads(json.dumps(identity, default=str))
        if self.resuming and self.manifest_file.exists():
            differences = _differences(self.manifest().get("identity", {}), new)
            if differences:
                raise RunError(
                    f"{self.path}: cannot resume, this is another training: "
                    f"{'; '.join(differences)}. Start it in another --run."
                )
        self.note(identity=new)

    def append_metrics(self, record: Mapping[str, Any]) -> None:
        """Add one record to the metrics."""
        if self.writes:
            with self.metrics_file.open("a") as file:
                file.write(json.dumps(record) + "\n")

    def rewrite_metrics(self, records: list[dict[str, Any]]) -> None:
        """Put the metrics back to what a checkpoint knows."""
        if self.writes:
            lines = "".join(json.dumps(record) + "\n" for record in records)
            write_text(self.metrics_file, lines)

    def save_model(self, model: keras.Model) -> None:
        """Write ``model.keras``, whole or not at all."""
        if self.writes:
            temporary = self.path / ".writing.keras"
            model.save(temporary)
            temporary.rename(self.model_file)


def training_identity(options: Any) -> dict[str, Any]:
    """Return those of a recipe's ``train`` options that a resumed run may not change."""
    return {
        name: value
        for name, value in options.model_dump(mode="json", fallback=str).items()
        if name not in CHANGEABLE
    }


def _differences(old: Any, new: Any, name: str = "") -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted({*old, *new})
        return [
            text
            for key in keys
            for text in _differences(
                old.get(key), new.get(key), f"{name}.{key}" if name else str(key)
            )
        ]
    return [] if old == new else [f"{name} was {old!r}, now {new!r}"]


def write_text(path: Path, text: str) -> None:
    """Replace a file by ``text``, whole or not at all."""
    temporary = path.with_name(f".writing-{path.name}")
    with temporary.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
