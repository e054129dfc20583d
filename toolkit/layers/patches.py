"""Patches of a series."""

from typing import Any

import keras
from keras import ops

from toolkit.errors import ArgumentError
from toolkit.layers.arguments import Shape, Tensor, check_positive, check_positive_or_none
from toolkit.layers.framing import frame_count, frame_mask, frames, real_length
from toolkit.layers.masking import zero_masked


@keras.saving.register_keras_serializable(package="toolkit")
class Patches(keras.layers.Layer):
    """Cut a series into patches, the tokens of a forecasting Transformer.

    Shapes: `(batch, time, channels)` to `(batch, patches, patch_length * channels)`, within a
    patch time first; `patches = max(1, 1 + (time + end_padding - patch_length) // patch_step)`.
    For channel independence fold the channels into the batch before.

    The series is prolonged by `end_padding` copies of its last step. A tail that fills no patch is
    dropped; a series that is still shorter than one patch is filled up with its last step.

    Masking: the mask `(batch, time)` becomes a mask `(batch, patches)`. Copies follow the last
    *real* step, and there are as many real patches as without padding on the right. Other masked
    steps (padding on the left, gaps) are zero; a patch of nothing else is masked.

    Args:
        patch_length: steps in a patch.
        patch_step: steps from one patch to the next; None is `patch_length`, no overlap.
        end_padding: copies of the last step at the end; the paper takes `patch_step`.

    Raises:
        ArgumentError: a size that is not positive, a negative `end_padding`.

    Example:
        >>> import numpy as np
        >>> layer = Patches(patch_length=16, patch_step=8, end_padding=8)
        >>> layer(np.zeros((4, 96, 1), "float32")).shape
        TensorShape([4, 12, 16])

    Reference: Nie et al., "A Time Series is Worth 64 Words", arXiv 2211.14730, section 3.1.
    """

    def __init__(
        self,
        patch_length: int,
        patch_step: int | None = None,
        end_padding: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_positive(patch_length=patch_length)
        check_positive_or_none(patch_step=patch_step)
        if end_padding < 0:
            raise ArgumentError(
                f"end_padding: Expected 0 or more. Received: end_padding={end_padding}"
            )
        self.supports_masking = True
        self.patch_length = patch_length
        self.patch_step = patch_step
        self.end_padding = end_padding
        self._step = patch_step or patch_length

    def call(self, series: Tensor, mask: Tensor | None = None) -> Tensor:
        """The patches of `series`; `mask` is True on real steps."""
        return frames(self._prolonged(series, mask), self.patch_length, self._step)[
            :, : self._count(ops.shape(series)[1])
        ]

    def compute_mask(self, series: Tensor, mask: Tensor | None = None) -> Tensor:
        """Step mask to patch mask."""
        if mask is None:
            return None
        lengths = real_length(mask)[:, None]
        mask = ops.pad(mask, [[0, 0], [0, self.end_padding]])
        positions = ops.arange(ops.shape(mask)[1])[None]
        copies = ops.logical_and(positions >= lengths, positions < lengths + self.end_padding)
        mask = ops.logical_or(mask, ops.logical_and(copies, lengths > 0))
        return frame_mask(mask, self.patch_length, self._step)

    def compute_output_shape(self, series_shape: Any) -> Shape:
        """`(batch, patches, patch_length * channels)`."""
        batch, time, channels = series_shape
        return batch, self._count(time), self.patch_length * channels

    def _count(self, time: Any) -> Tensor:
        if time is None:
            return None
        return frame_count(time + self.end_padding, self.patch_length, self._step)

    def _prolonged(self, series: Tensor, mask: Tensor | None) -> Tensor:
        """The series with its last real step repeated to the end of every patch."""
        batch, time, _ = ops.shape(series)
        if mask is None:
            lengths = ops.full((batch, 1, 1), time, dtype="int32")
        else:
            series = zero_masked(series, mask)
            lengths = real_length(mask)[:, None, None]
        last = ops.take_along_axis(series, ops.maximum(lengths - 1, 0), axis=1)
        # One patch more than `end_padding` also fills up a series shorter than a patch.
        series = ops.pad(series, [[0, 0], [0, self.end_padding + self.patch_length], [0, 0]])
        positions = ops.arange(ops.shape(series)[1])[None, :, None]
        return ops.where(positions < lengths, series, last)
