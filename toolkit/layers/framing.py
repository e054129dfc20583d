"""Overlapping frames of a series, and which of them are real.

One rule serves spectrograms, patches and convolutions without padding: a series of `n` steps has
`max(1, 1 + (n - frame_length) // frame_step)` frames, so a tail that fills no frame is dropped,
and a series shorter than one frame has one frame, filled up with zeros.
"""

import math
from typing import Any

from keras import ops

from toolkit.layers.arguments import Tensor

# Rows narrower than this make the gather slow: it copies one row at a time.
_NARROW = 8


def frame_count(time: Any, frame_length: int, frame_step: int) -> Tensor:
    """Number of frames of `time` steps: int to int, None to None, tensor to tensor."""
    if time is None:
        return None
    count = 1 + (time - frame_length) // frame_step
    return max(1, count) if isinstance(count, int) else ops.maximum(1, count)


def frames(
    series: Tensor, frame_length: int, frame_step: int, count: int | Tensor | None = None
) -> Tensor:
    """Cut `(batch, time, channels)` into `(batch, frames, frame_length * channels)`.

    The series is seen as rows as wide as frames and steps have in common, and each frame
    gathers its rows: whole rows are copied, never single steps. `count` asks for another number
    of frames, of which the last may end up to a frame after the series, in zeros.
    """
    channels = series.shape[-1]
    if count is None:
        count = frame_count(ops.shape(series)[1], frame_length, frame_step)
    width = math.gcd(frame_length, frame_step)
    if width * channels < _NARROW:
        width = frame_step
    step_rows, frame_rows = frame_step // width, -(-frame_length // width)
    num_rows = (count - 1) * step_rows + frame_rows
    series = ops.pad(series, [[0, 0], [0, frame_rows * width], [0, 0]])
    rows = ops.reshape(series[:, : num_rows * width], (-1, num_rows, width * channels))
    picks = ops.arange(count)[:, None] * step_rows + ops.arange(frame_rows)
    cut = ops.reshape(ops.take(rows, picks, axis=1), (-1, count, frame_rows * width * channels))
    return cut[..., : frame_length * channels]


def real_length(mask: Tensor) -> Tensor:
    """Steps up to and with the last real one, `(batch,)`; 0 where none is real."""
    return ops.max(ops.where(mask, ops.arange(1, ops.shape(mask)[1] + 1), 0), axis=1)


def frame_mask(mask: Tensor, frame_length: int, frame_step: int) -> Tensor:
    """Which frames of a masked series are real, `(batch, frames)`.

    A frame is real when it ends by the last real step and holds a real step: as many frames as
    the series has without its padding. The first frame may end later, for a short series.
    """
    time = ops.shape(mask)[1]
    starts = ops.arange(frame_count(time, frame_length, frame_step)) * frame_step
    ends = ops.minimum(starts + frame_length, time)
    seen = ops.pad(ops.cumsum(ops.cast(mask, "int32"), axis=1), [[0, 0], [1, 0]])
    holds_real = ops.take(seen, ends, axis=1) > ops.take(seen, starts, axis=1)
    is_whole = (starts + frame_length)[None] <= real_length(mask)[:, None]
    return ops.logical_and(holds_real, ops.logical_or(is_whole, starts == 0))
