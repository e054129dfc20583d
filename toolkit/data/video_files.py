"""Video files, folders of frames and arrays, as a few small frames each.

A video becomes at most ``max_frames`` square RGB frames of one size, evenly spaced in *time*, so
that a variable frame rate does no harm. One frame is held at a time besides those kept: memory
does not grow with the length of a video.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from toolkit.errors import DataError

Frames = NDArray[np.uint8]
Fit = Literal["stretch", "crop", "pad"]

VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".webm", ".mkv", ".m4v", ".mpg", ".mpeg", ".gif")
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
ENCODED_FRAMES = ".frames"  # images one after the other in a file, as the cache keeps them
EXPECTED = f"a video ({', '.join(VIDEO_SUFFIXES)}) or a folder of images"
GIF_END = b";"


@dataclass(frozen=True)
class Decoding:
    """What is kept of a video.

    Attributes:
        frame_size: Height and width of a frame.
        max_frames: Most frames of a video.
        fit: How a frame becomes a square: stretched, its middle cut out, or black at the sides.
    """

    frame_size: int
    max_frames: int
    fit: Fit = "stretch"


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


def is_video(path: Path) -> bool:
    """Whether a path names one video by its suffix, or is a folder of images."""
    if path.is_dir():
        return bool(images_in(path))
    return path.suffix.lower() in VIDEO_SUFFIXES


def video_problem(value: Any, folder: Path) -> str | None:
    """What is wrong with a cell of a table that gives a video, told without decoding it, or None.

    Args:
        value: The name of a file, or of a folder of images; or frames.
        folder: Where a relative name starts.
    """
    if isinstance(value, np.ndarray):
        right = value.ndim == 4 and value.shape[-1] == 3 and value.dtype == np.uint8 and value.size
        return None if right else f"is no frames: {value.dtype}, shape {value.shape}"
    path = folder / str(value)
    if not path.exists():
        return "is not there"
    try:
        if path.is_dir():
            return None if images_in(path) else "is a folder without images"
        return read_timeline(path).missing
    except DataError as error:
        return str(error).removeprefix(f"{path}: ").split(". Expected")[0]


def decode(
    video: Path | Frames, decoding: Decoding, start: float | None = None, end: float | None = None
) -> Frames:
    """Decode a video.

    Args:
        video: A file, a folder of images in the order of their names, or frames
            ``(frames, height, width, 3)``.
        decoding: What is kept.
        start: Seconds after the first frame from where to keep; of files only.
        end: Seconds up to where to keep.

    Returns:
        ``(frames, size, size, 3)``.

    Raises:
        DataError: Not a video, damaged, cut short, or without a frame; names the file.
    """
    if isinstance(video, np.ndarray):
        rows = _spread(np.arange(len(video)), decoding.max_frames)
        return np.stack([_square(_from_array(video[row]), decoding) for row in rows])
    if video.is_dir():
        names = images_in(video)
        if not names:
            raise DataError(f"{video}: is a folder without images. Expected {EXPECTED}.")
        rows = _spread(np.arange(len(names)), decoding.max_frames)
        return np.stack([_square(_image(names[row]), decoding) for row in rows])
    line = read_timeline(video)
    stamps = line.between(start, end)
    if line.missing or not len(stamps):
        what = line.missing or "has no frame between start and end"
        raise DataError(f"{video}: {what}. Expected {EXPECTED}.")
    wanted = _spread(stamps, decoding.max_frames, even_in_time=line.unit > 0)
    return np.stack(list(_kept(_frames(video, line, wanted[0]), wanted, decoding, video)))


def images_in(folder: Path) -> list[Path]:
    """The images of a folder, ``9.jpg`` before ``10.jpg``."""
    found = [path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES]
    return sorted(found, key=lambda path: [_part(p) for p in re.split(r"(\d+)", path.name)])


def _part(text: str) -> tuple[int, str]:
    return (int(text), "") if text.isdigit() else (-1, text)


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


def _frames(path: Path, line: Timeline, first: np.int64) -> Iterator[tuple[int, Any]]:
    """Frames in the order in which they are shown, each with its stamp, from `first` or before."""
    with _opened(path) as (container, stream):
        stream.codec_context.thread_count = 1  # other files are decoded beside this one
        if line.unit and first > line.stamps[0]:
            container.seek(int(first), stream=stream)
        for number, frame in enumerate(_guarded(container.decode(stream), path)):
            yield (frame.pts if line.unit and frame.pts is not None else number), frame


def _kept(
    frames: Iterator[tuple[int, Any]], wanted: NDArray[np.int64], decoding: Decoding, path: Path
) -> Iterator[Frames]:
    """The frame that is shown at each of the wanted stamps, resized once."""
    current: Any = None
    square: Frames | None = None
    places = iter(wanted.tolist())
    place = next(places)
    for stamp, frame in frames:
        while current is not None and stamp > place:
            square = _square(current, decoding) if square is None else square
            yield square
            following = next(places, None)
            if following is None:
                return
            place = following
        current, square = frame, None
    if current is None:
        raise DataError(f"{path}: no frame can be decoded. Expected {EXPECTED}.")
    square = _square(current, decoding) if square is None else square
    yield square
    yield from (square for _ in places)


def _spread(stamps: NDArray[np.int64], count: int, even_in_time: bool = False) -> NDArray[np.int64]:
    """At most `count` of the stamps, evenly over the list or over the time it spans."""
    count = min(count, len(stamps))
    if not even_in_time or len(stamps) < 2:
        return stamps[(2 * np.arange(count) + 1) * len(stamps) // (2 * count)]
    span = float(stamps[-1] - stamps[0]) * len(stamps) / (len(stamps) - 1)
    moments = stamps[0] + (np.arange(count) + 0.5) * span / count
    return np.asarray(stamps[np.maximum(np.searchsorted(stamps, moments, side="right") - 1, 0)])


def _square(frame: Any, decoding: Decoding) -> Frames:
    """A frame as a square of RGB, turned as its file says."""
    size, fit = decoding.frame_size, decoding.fit
    height, width = size, size
    if fit != "stretch":
        side = min(frame.height, frame.width) if fit == "crop" else max(frame.height, frame.width)
        height = max(1, round(frame.height * size / side))
        width = max(1, round(frame.width * size / side))
    small = frame.reformat(width=width, height=height, format="rgb24", interpolation="AREA")
    pixels: Frames = small.to_ndarray()
    turns = round(frame.rotation / 90) % 4
    return np.rot90(_centred(pixels, size), turns) if turns else _centred(pixels, size)


def _centred(pixels: Frames, size: int) -> Frames:
    """The middle of a frame, black where there is none."""
    height, width = pixels.shape[:2]
    if (height, width) == (size, size):
        return pixels
    top, left = max(0, (height - size) // 2), max(0, (width - size) // 2)
    middle = pixels[top : top + size, left : left + size]
    square = np.zeros((size, size, 3), np.uint8)
    below, beside = (size - middle.shape[0]) // 2, (size - middle.shape[1]) // 2
    square[below : below + middle.shape[0], beside : beside + middle.shape[1]] = middle
    return square


def _from_array(pixels: Frames) -> Any:
    import av

    return av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")


def _image(path: Path) -> Any:
    with _opened(path) as (container, stream):
        return next(_guarded(container.decode(stream), path))
