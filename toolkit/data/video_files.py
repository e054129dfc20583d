"""Video files, folders of frames and arrays, as a few small frames each.

A video becomes at most ``max_frames`` square RGB frames of one size, evenly spaced in *time*, so
that a variable frame rate does no harm. One frame is held at a time besides those kept: memory
does not grow with the length of a video.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from toolkit.data.video_streams import (
    EXPECTED,
    IMAGE_SUFFIXES,
    VIDEO_SUFFIXES,
    read_image,
    read_timeline,
    shown_frames,
)
from toolkit.errors import DataError

Frames = NDArray[np.uint8]
Fit = Literal["stretch", "crop", "pad"]


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
        return np.stack([_square(read_image(names[row]), decoding) for row in rows])
    line = read_timeline(video)
    stamps = line.between(start, end)
    if line.missing or not len(stamps):
        what = line.missing or "has no frame between start and end"
        raise DataError(f"{video}: {what}. Expected {EXPECTED}.")
    wanted = _spread(stamps, decoding.max_frames, even_in_time=line.unit > 0)
    return np.stack(list(_kept(shown_frames(video, line, wanted[0]), wanted, decoding, video)))


def images_in(folder: Path) -> list[Path]:
    """The images of a folder, ``9.jpg`` before ``10.jpg``."""
    found = [path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES]
    return sorted(found, key=lambda path: [_part(p) for p in re.split(r"(\d+)", path.name)])


def _part(text: str) -> tuple[int, str]:
    return (int(text), "") if text.isdigit() else (-1, text)


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
