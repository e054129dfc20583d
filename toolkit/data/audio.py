"""Sound files and arrays of samples as mono waves. Loads soundfile only when a file is opened."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from toolkit.errors import DataError

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".opus", ".aiff", ".aif", ".au")
UNKNOWN_SIZE = 0x7FFFF000  # a wav that was written as a stream promises about this much, or more

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Wave:
    """A mono wave.

    Attributes:
        samples: ``(samples,)``, full scale is -1 to 1.
        sampling_rate: Hz.
    """

    samples: Samples
    sampling_rate: int

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.samples) / self.sampling_rate


@dataclass(frozen=True)
class Header:
    """What a file says of itself before it is decoded: samples per channel, and Hz."""

    num_samples: int
    sampling_rate: int


def problem(path: Path) -> str | None:
    """What keeps a file from being read as sound, by its header and size; None if nothing does."""
    import soundfile

    if not path.stat().st_size:
        return "is empty"
    try:
        info = soundfile.info(str(path), verbose=True)
    except (soundfile.SoundFileError, TypeError):  # a TypeError for .raw files
        return "is not sound that can be read"
    promised = re.search(r"data\s*:\s*(\d+) \(should be (\d+)\)", info.extra_info)
    if promised and int(promised[2]) < int(promised[1]) < UNKNOWN_SIZE:
        return "is cut off"
    return None if info.frames else "holds no samples"


def header(path: Path) -> Header:
    """A file's own words on its length and rate; what :func:`problem` finds nothing wrong with.

    Raises:
        ValueError: There is no such file, or none that is sound.
    """
    import soundfile

    if not path.is_file():
        raise ValueError("is not there")
    try:
        info = soundfile.info(str(path))
    except (soundfile.SoundFileError, TypeError) as error:
        raise ValueError(f"is not sound that can be read ({error})") from error
    return Header(int(info.frames), int(info.samplerate))


def read_wave(path: Path, start: float = 0.0, end: float | None = None) -> Wave:
    """Decode a file, or a part of it, and mix its channels.

    Args:
        path: Any format of libsndfile: wav, flac, ogg, mp3 and others.
        start: Where the part begins, in seconds.
        end: Where it ends; None: with the file.

    Raises:
        ValueError: It cannot be decoded, or less is in it than its header says.
    """
    import soundfile

    try:
        with soundfile.SoundFile(str(path)) as file:
            rate = int(file.samplerate)
            first = min(round(start * rate), file.frames)
            last = file.frames if end is None else min(round(end * rate), file.frames)
            file.seek(first)
            samples = file.read(max(0, last - first), dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, TypeError) as error:
        raise ValueError(f"cannot be decoded ({error})") from error
    if len(samples) < last - first:
        raise ValueError(f"is cut off: {len(samples):,} of {last - first:,} samples")
    return Wave(samples.mean(axis=1), rate)


def array_wave(array: NDArray[Any], sampling_rate: int) -> Wave:
    """An array of samples: integers of 16 bits (in any integer type), or floats of -1 to 1."""
    flat = array.mean(axis=-1) if array.ndim == 2 else array
    scale = 1.0 if np.issubdtype(array.dtype, np.floating) else 2.0**-15
    return Wave(np.asarray(flat * scale, np.float32), sampling_rate)


def pcm_chunks(file: BinaryIO, size: int = 800) -> Iterator[Samples]:
    """Samples of raw little-endian PCM of 16 bits as they come, at most so many at once.

    Raises:
        DataError: the end is half a sample.
    """
    while content := file.read(2 * size):
        if len(content) % 2:
            raise DataError(
                "stdin: ends within a sample. Expected raw PCM, 16 bits little-endian, mono. "
                f"Received: {len(content)} bytes at the end."
            )
        yield np.frombuffer(content, "<i2").astype(np.float32) / np.float32(32768)
