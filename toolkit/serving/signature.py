"""``signature.json``: what an exported model takes and answers, and the hash of every file."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from toolkit.errors import ExportError, VerificationError

FILE = "signature.json"
EXAMPLES = "examples.json"
README = "README.md"
FORMAT = "toolkit export 1"
_PACKAGES = ("toolkit", "tensorflow", "tensorflow-text", "keras", "keras-nlp", "numpy")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that shape a model's answers."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def write(directory: Path, content: Mapping[str, Any]) -> None:
    """Write ``signature.json`` with the hashes of the other files and of its own content."""
    whole = {"format": FORMAT, **content, "files": hashes(directory)}
    whole["sha256"] = _own_hash(whole)
    text = json.dumps(whole, ensure_ascii=False, indent=2)
    (directory / FILE).write_text(f"{text}\n", encoding="utf-8")


def hashes(directory: Path) -> dict[str, str]:
    """SHA-256 of the model's files and the stored examples, by relative path.

    The README is left out: people may write into it.
    """
    paths = sorted(path for path in directory.rglob("*") if path.is_file())
    names = {path.relative_to(directory).as_posix(): path for path in paths}
    return {name: _sha256(path) for name, path in names.items() if name not in (FILE, README)}


def is_export(directory: Path) -> bool:
    """Whether ``directory`` holds a signature that this package wrote."""
    try:
        return bool(json.loads((directory / FILE).read_bytes())["format"] == FORMAT)
    except (OSError, ValueError, TypeError, KeyError):
        return False


def read(directory: Path) -> dict[str, Any]:
    """Read ``signature.json`` and see that it is as it was written.

    Raises:
        ExportError: the directory is no export.
        VerificationError: the file was changed or is damaged.
    """
    path = directory / FILE
    if not path.is_file():
        raise ExportError(
            f"{directory}: not an exported model. Expected a directory with {FILE}, as "
            f"'toolkit export RUN' writes it."
        )
    try:
        content = json.loads(path.read_bytes())
        unchanged = content["sha256"] == _own_hash(content)
    except (ValueError, TypeError, KeyError) as error:
        raise VerificationError(f"{path}: damaged. Expected JSON with its sha256.") from error
    if not unchanged:
        raise VerificationError(
            f"{path}: changed since the export. Expected sha256 {content['sha256']}."
        )
    if content.get("format") != FORMAT:
        raise ExportError(
            f"{path}: unknown format. Expected {FORMAT!r}. Received: {content.get('format')!r}."
        )
    return dict(content)


def changed_files(directory: Path, expected: Mapping[str, str]) -> list[str]:
    """Say of each file of the export that is missing or changed that it is."""
    found = hashes(directory)
    return [
        f"{name}: {'changed' if name in found else 'missing'}"
        for name, digest in expected.items()
        if found.get(name) != digest
    ]


def _own_hash(content: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in content.items() if key != "sha256"}
    canonical = json.dumps(rest, sort_keys=True, ensure_ascii=False).encode()
    return hashlib.sha256(canonical).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
