"""Small videos of known frames, written for tests."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

CODECS = {".webm": "libvpx", ".gif": "gif"}


def ramp(frames: int = 20, height: int = 48, width: int = 64) -> np.ndarray:
    """Frames of one grey each, from dark to bright: a frame's number can be told from its grey."""
    greys = np.linspace(20, 220, frames).astype(np.uint8)
    return np.broadcast_to(greys[:, None, None, None], (frames, height, width, 3)).copy()


def numbers(frames: np.ndarray, total: int = 20) -> list[int]:
    """Which frames of :func:`ramp` these are."""
    greys = frames.reshape(len(frames), -1).mean(1)
    return [round(n) for n in (greys - 20) / 200 * (total - 1)]


def write(path: Path, frames: np.ndarray, stamps: Sequence[int] | None = None) -> Path:
    """Write a video of 10 frames a second, or of frames at `stamps` tenths of a second."""
    codec = CODECS.get(path.suffix, "mpeg4")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
        if codec != "gif":
            stream.bit_rate = 2_000_000
        stream.time_base = stream.codec_context.time_base = Fraction(1, 10)
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = number if stamps is None else stamps[number]
            frame.time_base = Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_images(folder: Path, frames: np.ndarray) -> Path:
    """Write a folder of png images, numbered without leading zeros."""
    folder.mkdir(parents=True)
    for number, pixels in enumerate(frames):
        with av.open(str(folder / f"{number}.png"), "w", format="image2") as container:
            stream = container.add_stream("png", rate=1)
            stream.height, stream.width = pixels.shape[:2]
            stream.pix_fmt = "rgb24"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(stream.encode(None))
    return folder


def write_sound(path: Path) -> Path:
    """Write a file with sound and no picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
