"""The frames of video files by FFmpeg (PyAV): when they are shown, and what is wrong with them."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.errors import DataError

VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".webm", ".mkv", ".m4v", ".mpg", ".mpeg", ".gif")
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
ENCODED_FRAMES = ".frames"  # images one after the other in a file, as the cache keeps them
EXPECTED = f"a video ({', '.join(VIDEO_SUFFIXES)}) or a folder of images"
GIF_END = b";"


@dataclass(frozen=True)
class Timeline:
    """When the frames of a video are shown.

    Attributes:
        stamps: (frames,) in units of the file; the numbers 0, 1, ... where it has no times.
        unit: Seconds of one unit; 0 where it has no times.
        missing: Why it seems to be cut short, or None.
    """

    stamps: NDArray[np.int64]
    unit: float
    missing: str | None = None

    def between(self, start: float | None, end: float | None) -> NDArray[np.int64]:
        """The stamps from `start` up to `end`, seconds after the first frame."""
        if not self.unit or not len(self.stamps):
            return self.stamps
        seconds = (self.stamps - self.stamps[0]) * self.unit
        inside = (seconds >= (start or 0) - 1e-9) & (seconds < (math.inf if end is None else end))
        return np.asarray(self.stamps[inside])


def read_timeline(path: Path) -> Timeline:
    """Read when the frames of a file are shown; decodes none.

    Raises:
        DataError: Not a video, no video stream, or no frame.
    """
    with _opened(path) as (container, stream):
        packets = [  # without what they hold, which may be more than fits memory
            (packet.pts, packet.duration or 0, packet.is_corrupt)
            for packet in _guarded(container.demux(stream), path)
            if packet.size
        ]
        if not packets:
            raise DataError(f"{path}: has no frame. Expected {EXPECTED}.")
        stamps = [stamp for stamp, _, _ in packets if stamp is not None]
        end = max((s + length for s, length, _ in packets if s is not None), default=None)
        missing = _missing(path, stream, len(packets), end)
        if any(corrupt for _, _, corrupt in packets):
            missing = missing or "is damaged"
        if len(stamps) < len(packets):
            return Timeline(np.arange(len(packets)), 0.0, missing)
        return Timeline(np.sort(np.array(stamps, np.int64)), float(stream.time_base or 0), missing)


def _missing(path: Path, stream: Any, count: int, end: int | None) -> str | None:
    """What tells that frames are missing at the end: counts and lengths in the file's head."""
    if stream.frames > count:
        return f"is cut short: {count} of {stream.frames} frames"
    length = _length_by_tag(stream)
    if end is not None and length and stream.time_base:
        there = float((end - (stream.start_time or 0)) * stream.time_base)
        if there < 0.9 * length - 0.5:
            return f"is cut short: {there:.1f} of {length:.1f} seconds"
    if path.suffix.lower() == ".gif" and not _tail(path).rstrip(b"\0").endswith(GIF_END):
        return "is cut short: a gif without its end"
    return None


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-min(64, path.stat().st_size), os.SEEK_END)
        return file.read()


def _length_by_tag(stream: Any) -> float | None:
    """Seconds, from the tag that Matroska and WebM files carry: ``00:01:02.345``."""
    match = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if match is None:
        return None
    return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3])


class _opened:  # noqa: N801 - a context manager that reads like a function
    """Opens a file's first video stream; turns FFmpeg's errors into ours."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.container: Any = None

    def __enter__(self) -> tuple[Any, Any]:
        import av

        av.logging.set_level(av.logging.PANIC)  # its notes name no file
        try:
            self.container = av.open(str(self.path), format=_format(self.path))
        except (av.FFmpegError, OSError, ValueError) as error:
            what = "is empty" if not self.path.stat().st_size else "is no video, or is damaged"
            raise DataError(
                f"{self.path}: {what}. Expected {EXPECTED}. Received: {_said(error)}"
            ) from error
        if not self.container.streams.video:
            self.container.close()
            raise DataError(f"{self.path}: has no video stream. Expected {EXPECTED}.")
        return self.container, self.container.streams.video[0]

    def __exit__(self, *_: object) -> None:
        self.container.close()


def _said(error: Exception) -> str:
    return str(error).rstrip(".") + "."


def _format(path: Path) -> str | None:
    """What FFmpeg cannot tell by the name."""
    if path.suffix != ENCODED_FRAMES:
        return None
    with path.open("rb") as file:
        return "jpeg_pipe" if file.read(2) == b"\xff\xd8" else "png_pipe"


def _guarded(items: Iterable[Any], path: Path) -> Iterator[Any]:
    import av

    try:
        yield from items
    except (av.FFmpegError, OSError, ValueError) as error:
        raise DataError(
            f"{path}: is damaged or cut short. Expected {EXPECTED}. Received: {_said(error)}"
        ) from error


def shown_frames(path: Path, line: Timeline, first: np.int64) -> Iterator[tuple[int, Any]]:
    """Frames in the order in which they are shown, each with its stamp, from `first` or before."""
    with _opened(path) as (container, stream):
        stream.codec_context.thread_count = 1  # other files are decoded beside this one
        if line.unit and first > line.stamps[0]:
            container.seek(int(first), stream=stream)
        for number, frame in enumerate(_guarded(container.decode(stream), path)):
            yield (frame.pts if line.unit and frame.pts is not None else number), frame


def read_image(path: Path) -> Any:
    """The one frame of an image file.

    Raises:
        DataError: It cannot be read; names it.
    """
    with _opened(path) as (container, stream):
        return next(_guarded(container.decode(stream), path))
