"""Opening text files, gzipped or not, and saying exactly what is wrong with one."""

import codecs
import contextlib
import difflib
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from toolkit.errors import DataError


def open_bytes(path: Path) -> BinaryIO:
    """Opens a file for reading bytes, through gzip where its name ends in ``.gz``."""
    if path.suffix == ".gz":
        return cast(BinaryIO, gzip.open(path, "rb"))
    return path.open("rb")


def open_lines(path: Path) -> io.TextIOWrapper:
    """Opens a UTF-8 file with line ends kept; a byte order mark is dropped."""
    return io.TextIOWrapper(open_bytes(path), encoding="utf-8-sig", newline="")


def sha256_of(path: Path) -> str:
    """The SHA-256 of the file as it lies on disk, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def readable(path: Path, name: str) -> Iterator[None]:
    """Turns whatever goes wrong while a file is read into one `DataError` that names it."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise _not_utf8(path, name) from error
    except (EOFError, zlib.error) as error:
        raise DataError(
            f"{name}: the gzip file is cut short or damaged. Expected a complete .gz file; "
            f"copy or download it again. Received: {path.stat().st_size:,} bytes."
        ) from error
    except gzip.BadGzipFile as error:
        raise DataError(
            f"{name}: not a gzip file, or a damaged one. Expected gzip data, as the name says. "
            f"Received: {error}."
        ) from error
    except FileNotFoundError as error:
        raise DataError(f"{name}: no such file.{near(path)} Received: {str(path)!r}.") from error
    except OSError as error:
        raise DataError(
            f"{name}: the file cannot be read. Expected a readable file. "
            f"Received: {error.strerror or error}."
        ) from error


def _not_utf8(path: Path, name: str) -> DataError:
    with open_bytes(path) as file:
        if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return DataError(
                f"{name}: UTF-16. Expected UTF-8 text; 'iconv -f utf-16 -t utf-8' converts it. "
                "Received: a byte order mark of UTF-16."
            )
        file.seek(0)
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return DataError(
                    f"{name}, line {number}: invalid UTF-8. Expected UTF-8 text; convert the file, "
                    f"as 'iconv -f latin1 -t utf-8' does for Latin-1. "
                    f"Received: byte 0x{line[error.start]:02x} at byte {error.start + 1}."
                )
    return DataError(f"{name}: invalid UTF-8. Expected UTF-8 text. Received: another encoding.")


def near(path: Path) -> str:
    """A hint for a path that does not exist: the name beside it that was probably meant."""
    if not path.parent.is_dir():
        return f" The folder {str(path.parent)!r} does not exist either."
    names = [entry.name for entry in path.parent.iterdir()]
    near = difflib.get_close_matches(path.name, names, n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
