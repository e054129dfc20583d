"""A folder that holds a folder for each class, as a table of labels and texts or paths."""

import hashlib
from pathlib import Path

import pandas as pd

from toolkit.data.table import Source, Table
from toolkit.data.text_files import open_lines, readable, sha256_of
from toolkit.data.video_streams import IMAGE_SUFFIXES
from toolkit.errors import DataError

TEXT_SUFFIXES = (".txt",)


def open_folder(folder: Path, name: str) -> Table:
    """Opens ``folder/CLASS/file``: each file is a row, its folder's name the label.

    Hidden files and folders are passed over. Rows come sorted by path. Where every file is a
    ``.txt`` the columns are ``text, label, path``, else ``path, label``; paths are relative to
    the folder. Where every file is an image, each folder of images is a row instead: the frames
    of a video.

    Args:
        folder: The folder.
        name: What messages call it.

    Raises:
        DataError: No folder inside, or one without files.
    """
    classes = sorted(entry for entry in folder.iterdir() if entry.is_dir() and _shown(entry))
    if not classes:
        raise DataError(
            f"{name}: a folder without classes. Expected a folder for each class in it, such as "
            f"'{name}/CLASS/file'. Received: {_contents(folder)}."
        )
    files = {label: _files_below(label) for label in classes}
    empty = next((label for label, found in files.items() if not found), None)
    if empty is not None:
        raise DataError(f"{name}/{empty.name}: a class without files. Expected at least one.")
    rows = [(path, label.name) for label, found in files.items() for path in found]
    paths = [path for path, _ in rows]
    if all(path.suffix.lower() in IMAGE_SUFFIXES for path in paths):
        rows = list(dict.fromkeys((path.parent, label) for path, label in rows))
    frame = pd.DataFrame(
        {
            "path": [str(path.relative_to(folder)) for path, _ in rows],
            "label": [label for _, label in rows],
        }
    )
    if all(path.suffix.lower() in TEXT_SUFFIXES for path in paths):
        texts = [_text(path, f"{name}/{path.relative_to(folder)}") for path in paths]
        frame.insert(0, "text", texts)
        frame = frame[["text", "label", "path"]]
    return Table.from_source(frame, Source(name, "file", _sha256(folder, paths), folder))


def _files_below(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and all(map(_shown, [path.relative_to(folder), *_parents(path, folder)]))
    )


def _parents(path: Path, folder: Path) -> list[Path]:
    return [parent for parent in path.relative_to(folder).parents if parent.name]


def _shown(path: Path) -> bool:
    return not path.name.startswith(".")


def _text(path: Path, name: str) -> str | None:
    with readable(path, name), open_lines(path) as file:
        return file.read() or None


def _sha256(folder: Path, paths: list[Path]) -> str:
    """One hash of all the files' names and contents."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.relative_to(folder)}\0{sha256_of(path)}\n".encode())
    return digest.hexdigest()


def _contents(folder: Path) -> str:
    names = sorted(entry.name for entry in folder.iterdir())
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return (", ".join(names[:3]) + more) or "an empty folder"
