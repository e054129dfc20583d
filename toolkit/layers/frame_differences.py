"""Differences of neighbouring video frames."""

from typing import Any

import keras
from keras import ops

from toolkit.layers.arguments import Shape, Tensor
from toolkit.layers.masking import zero_masked


@keras.saving.register_keras_serializable(package="toolkit")
class FrameDifferences(keras.layers.Layer):
    """What changes from frame to frame, a cheap stand-in for optical flow.

    `d_t = x_t - x_(t-1)`, and `d_0 = 0`. Computed in float32, so `uint8` frames do not wrap
    around; the output has the policy's dtype and the unit of the input.

    Shapes: `(batch, frames, height, width, channels)` to the same, or with `keep_frames` to
    `(batch, frames, height, width, 2 * channels)`: the frames, then the differences. Any number of
    axes may follow the frames.

    Masking: with a mask `(batch, frames)`, the difference is 0 where the frame or the one before
    it is masked; masked frames that are kept become 0. The mask goes through.

    Args:
        keep_frames: put the frames themselves before the differences, on the last axis.

    Example:
        >>> import numpy as np
        >>> video = np.arange(3, dtype="uint8").reshape(1, 3, 1, 1, 1)[:, ::-1]
        >>> FrameDifferences()(video).numpy().ravel()
        array([ 0., -1., -1.], dtype=float32)

    Reference: Wang et al., "Temporal Segment Networks", arXiv 1608.00859, section 3.2.
    """

    def __init__(self, keep_frames: bool = False, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self.supports_masking = True
        self.keep_frames = keep_frames

    def call(self, video: Tensor, mask: Tensor | None = None) -> Tensor:
        """Differences of `video`; `mask` is True on real frames."""
        video = ops.cast(video, "float32")
        differences = video - ops.concatenate([video[:, :1], video[:, :-1]], axis=1)
        if mask is not None:
            before = ops.concatenate([mask[:, :1], mask[:, :-1]], axis=1)
            differences = zero_masked(differences, ops.logical_and(mask, before))
            video = zero_masked(video, mask)
        if self.keep_frames:
            differences = ops.concatenate([video, differences], axis=-1)
        return ops.cast(differences, self.compute_dtype)

    def compute_output_shape(self, video_shape: Any) -> Shape:
        """The input's shape, with twice the channels if the frames are kept."""
        *rest, channels = video_shape
        return (*rest, 2 * channels if self.keep_frames else channels)
