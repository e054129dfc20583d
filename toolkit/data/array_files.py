"""Arrays in files of their own: as they are in memory, behind a head with their checksum.

A file appears under its name only when it is whole, which makes two jobs that write the same one
at once a waste of time and nothing worse.
"""

import hashlib
import os
import struct
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.errors import DataError

HEAD = struct.Struct("<8sIIII32s8x")  # magic, shape, sha256: 64 bytes
MAGIC: dict[bytes, np.dtype[Any]] = {
    b"toolclip": np.dtype(np.uint8),
    b"toolfeat": np.dtype(np.float32),
}
PART = ".part"


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write bytes or float32 of up to four axes aside, and rename the file.

    Raises:
        DataError: there is no room.
    """
    magic = next(magic for magic, dtype in MAGIC.items() if dtype == array.dtype)
    content = np.ascontiguousarray(array).data
    digest = hashlib.sha256(content).digest()
    shape = (*array.shape, *[0] * (4 - array.ndim))  # 0 is no axis
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=PART)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(HEAD.pack(magic, *shape, digest))
            file.write(content)
        Path(name).replace(path)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise DataError(
            f"{path.parent}: nothing can be written to the cache. Expected room for it; 'toolkit "
            f"cache' clears what is there, $TOOLKIT_CACHE names another place. Received: {error}."
        ) from error


def map_array(path: Path) -> NDArray[Any]:
    """A file's array, read from the disk as it is used.

    Raises:
        OSError: there is no such file.
        ValueError: it is not one of these.
    """
    dtype, shape, _ = _head(path)
    return np.memmap(path, dtype, "r", HEAD.size, shape)


def is_intact(path: Path) -> bool:
    """Whether a file is as it was written."""
    try:
        content = np.ascontiguousarray(map_array(path)).data
        return hashlib.sha256(content).digest() == _head(path)[2]
    except (OSError, ValueError, struct.error):
        return False


def _head(path: Path) -> tuple[np.dtype[Any], tuple[int, ...], bytes]:
    with path.open("rb") as file:
        magic, *shape, digest = HEAD.unpack(file.read(HEAD.size))
    if magic not in MAGIC:
        raise ValueError(f"{path}: not an array of the cache")
    return MAGIC[magic], tuple(size for size in shape if size), bytes(digest)
