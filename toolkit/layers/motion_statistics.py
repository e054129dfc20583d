"""Statistics of how much a video moves, and how unevenly."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from toolkit.errors import ArgumentError
from toolkit.layers.arguments import Shape, Tensor, check_positive, check_rank

SUMMARIES = 7  # of each lag, beside a share for each threshold
PERCENT = 100.0


@keras.saving.register_keras_serializable(package="toolkit")
class MotionStatistics(keras.layers.Layer):
    """A few numbers about a video's motion, that little data suffices to learn from.

    With `g_t` the mean of frame `t` over its channels, `D_t = |g_(t + lag) - g_t|`, `m_t` its mean
    over the frame and `c_t` its means over a grid of cells, each lag gives the

    - mean, deviation and maximum of `m_t` over time,
    - mean over time of the busiest cell of `c_t`,
    - maximum and deviation over the cells of their mean over time, and the maximum over the cells
      of their deviation over time,
    - per cent of all `D_t` above each threshold;

    two more are the deviation and the mean of `g` (0 where that is below). All enter as
    `log(1 + value)`.

    Shapes: `(batch, frames, height, width, channels)` to
    `(batch, lags * (7 + thresholds) + 2)`. Lags that are longer than the video give zeros.

    Masking: with a mask `(batch, frames)`, masked frames and differences from or to one enter
    nothing. The mask ends here.

    Args:
        lags: frames from one to the other of a difference.
        thresholds: of differences, in the input's unit; the defaults suit values from 0 to 255.
        grid: cells over the height, and over the width.

    Raises:
        ArgumentError: no lag, a lag or `grid` below 1, or a video without five axes.

    Example:
        >>> import numpy as np
        >>> still = np.ones((1, 8, 16, 16, 3), "uint8")
        >>> MotionStatistics(lags=(1,), thresholds=(4.0,))(still).numpy().round(2)
        array([[0.  , 0.  , 0.  , 0.  , 0.  , 0.  , 0.  , 0.  , 0.  , 0.69]], dtype=float32)

    References: energies of frame differences: Bobick and Davis, "The Recognition of Human Movement
    Using Temporal Templates", IEEE TPAMI 23(3), 2001; unevenness over cells as a sign of violence:
    Hassner et al., "Violent Flows", CVPR Workshops 2012.
    """

    def __init__(
        self,
        lags: Sequence[int] = (1, 2, 4),
        thresholds: Sequence[float] = (4.0, 8.0, 16.0, 32.0, 64.0),
        grid: int = 8,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        if not lags:
            raise ArgumentError(f"lags: Expected at least one. Received: lags={lags!r}")
        for lag in lags:
            check_positive(lags=lag)
        check_positive(grid=grid)
        self.supports_masking = True
        self.lags = tuple(lags)
        self.thresholds = tuple(thresholds)
        self.grid = grid

    def build(self, video_shape: Shape) -> None:
        """Nothing is learnt; the shape is checked."""
        check_rank(5, video=tuple(video_shape))

    def call(self, video: Tensor, mask: Tensor | None = None) -> Tensor:
        """Statistics of `video`; `mask` is True on real frames."""
        grey = _grey(ops.cast(video, "float32"))
        frames = grey.shape[1]
        real = ops.ones_like(grey[:, :, 0, 0]) if mask is None else ops.cast(mask, "float32")
        found = []
        for lag in self.lags:
            if frames is not None and lag >= frames:
                found += [ops.zeros_like(real[:, 0])] * (SUMMARIES + len(self.thresholds))
            else:
                change = ops.abs(grey[:, lag:] - grey[:, :-lag])
                found += self._of_changes(change, real[:, lag:] * real[:, :-lag])
        brightness, _ = _over_time(ops.mean(grey, axis=(2, 3)), real)
        squares, _ = _over_time(ops.mean(ops.square(grey), axis=(2, 3)), real)
        spread = _root(squares - ops.square(brightness))
        found += [spread, ops.maximum(brightness, 0.0)]
        return ops.cast(ops.log1p(ops.stack(found, axis=-1)), self.compute_dtype)

    def _of_changes(self, change: Tensor, real: Tensor) -> list[Tensor]:
        """Numbers of `(batch, pairs, height, width)` differences, each `(batch,)`."""
        energy = ops.mean(change, axis=(2, 3))
        cells = self._cells(change)
        mean, deviation = _over_time(energy, real)
        busiest, _ = _over_time(ops.max(cells, axis=2), real)
        cell_mean, cell_deviation = _over_time(cells, real[..., None])
        found = [
            mean,
            deviation,
            ops.max(energy * real, axis=1),
            busiest,
            ops.max(cell_mean, axis=1),
            _root(ops.var(cell_mean, axis=1)),
            ops.max(cell_deviation, axis=1),
        ]
        for threshold in self.thresholds:
            above = ops.mean(ops.cast(change > threshold, "float32"), axis=(2, 3))
            found.append(PERCENT * _over_time(above, real)[0])
        return found

    def _cells(self, change: Tensor) -> Tensor:
        """Means over the grid's cells, `(batch, pairs, cells)`."""
        height, width = change.shape[2:]
        across = ops.matmul(change, areas(width, self.grid).T)
        cells = ops.matmul(areas(height, self.grid), across)
        return ops.reshape(cells, (*ops.shape(change)[:2], self.grid**2))

    def compute_mask(self, video: Tensor, mask: Tensor | None = None) -> None:
        """No time is left to mask."""
        return

    def compute_output_shape(self, video_shape: Shape) -> Shape:
        """`(batch, statistics)`."""
        return video_shape[0], len(self.lags) * (SUMMARIES + len(self.thresholds)) + 2


def _grey(video: Tensor) -> Tensor:
    """Means over the channels, by a convolution: as a mean over so short an axis they are slow."""
    *_, height, width, channels = video.shape
    images = ops.reshape(video, (-1, height, width, channels))
    summed = ops.conv(images, ops.ones((1, 1, channels, 1)), data_format="channels_last")
    return ops.reshape(summed / channels, ops.shape(video)[:-1])


def areas(size: int, cells: int) -> Any:
    """Weights `(cells, size)` of the pixels in the mean over each cell, shared at its borders."""
    edges = np.linspace(0, size, cells + 1)
    pixels = np.arange(size)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    weights = np.maximum(overlap, 0.0)
    return (weights / weights.sum(axis=1, keepdims=True)).astype("float32")


def _over_time(values: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation over axis 1, where `real` is 1."""
    count = ops.maximum(ops.sum(real, axis=1), 1.0)
    mean = ops.sum(values * real, axis=1) / count
    away = ops.square(values - ops.expand_dims(mean, 1)) * real
    return mean, _root(ops.sum(away, axis=1) / count)


def _root(variance: Tensor) -> Tensor:
    """Deviations, whose slope is 0 where nothing varies and not infinite."""
    return ops.sqrt(ops.maximum(variance, 1e-12))
