"""Videos of TensorFlow Datasets, as files of their encoded frames in the cache.

TFDS decodes a video into all its frames at once, far more than memory holds for a data set. Here
its frames stay encoded, as TFDS has them on disk, one after the other in a file for each video.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from toolkit.data.entries import entry_key, open_entry, write_index
from toolkit.data.shards import stored
from toolkit.data.video_streams import ENCODED_FRAMES

_HELD: dict[str, int] = {}  # locks of what this process reads, to its end


def video_features(features: Mapping[str, Any]) -> list[str]:
    """The names of the features that are videos."""
    import tensorflow_datasets as tfds

    return [name for name, one in features.items() if isinstance(one, tfds.features.Video)]


def keep_videos(
    identity: Mapping[str, Any],
    names: Sequence[str],
    rows: Callable[[], Iterable[Mapping[str, Any]]],
) -> Path:
    """Write the encoded frames of each row's videos, where they are not yet.

    Args:
        identity: Data set, version and split.
        names: Of the features that are videos.
        rows: Gives the rows, each with its frames encoded; called only to write.

    Returns:
        The folder, for the names that `with_files` gives.
    """
    key = entry_key({"kind": "tfds videos", **identity})

    def write(folder: Path) -> None:
        files = []
        for number, row in enumerate(rows()):
            for name in names:
                path = folder / _file(name, number)
                path.write_bytes(b"".join(row[name]))
                files.append(stored(path, 1))
        write_index(folder, files, key=key)

    folder, lock = open_entry(key, write)
    _HELD.setdefault(key, lock)
    return folder


def with_files(rows: Iterable[Mapping[str, Any]], names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The rows with the names of files in place of frames."""
    for number, row in enumerate(rows):
        yield {**row, **{name: _file(name, number) for name in names}}


def _file(name: str, number: int) -> str:
    return f"{name}-{number:06d}{ENCODED_FRAMES}"
