"""SpecAugment: random bands of a spectrogram hidden in training."""

from typing import Any

import keras
from keras import ops

from toolkit.errors import ArgumentError
from toolkit.layers.arguments import Shape, Tensor


@keras.saving.register_keras_serializable(package="toolkit")
class SpecAugment(keras.layers.Layer):
    """Hide random bands of frequency and of time, in training only.

    ```
    f ~ U{0..frequency_width},                       f0 ~ U{0..bins - f}:   bins [f0, f0 + f)
    t ~ U{0..min(time_width, time_ratio * frames)},  t0 ~ U{0..frames - t}: frames [t0, t0 + t)
    ```

    are hidden. Each row draws bands of its own. A band may reach the last bin and the last frame,
    which the paper's ranges leave out by one. Time warping, which the paper finds to matter least,
    is left out.

    Shapes: `(batch, frames, bins)` in and out.

    Masking: bands of time are drawn within the real frames of each row; the mask goes through.

    Args:
        num_frequency_masks: bands of frequency per row.
        frequency_width: most bins in a band.
        num_time_masks: bands of time per row.
        time_width: most frames in a band.
        time_ratio: most of the row's real frames in a band, as a fraction.
        mask_value: what hidden values become: the mean of the spectrogram, 0 when normalised.
        seed: seed of the draws; None takes one from Keras's global generator.

    Raises:
        ArgumentError: a negative number or width, a ratio outside 0..1.

    Example:
        >>> import numpy as np
        >>> layer = SpecAugment(frequency_width=4, time_width=10, seed=1)
        >>> layer(np.ones((2, 50, 16), "float32"), training=True).shape
        TensorShape([2, 50, 16])

    Reference: Park et al., "SpecAugment", arXiv 1904.08779, section 2.
    """

    def __init__(
        self,
        num_frequency_masks: int = 2,
        frequency_width: int = 27,
        num_time_masks: int = 2,
        time_width: int = 100,
        time_ratio: float = 0.2,
        mask_value: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.num_frequency_masks = num_frequency_masks
        self.frequency_width = frequency_width
        self.num_time_masks = num_time_masks
        self.time_width = time_width
        self.time_ratio = time_ratio
        self.mask_value = mask_value
        self.seed = seed
        self._check_arguments()
        self.seed_generator = keras.random.SeedGenerator(seed, name="seed_generator")

    def call(
        self, spectrogram: Tensor, mask: Tensor | None = None, training: bool | None = None
    ) -> Tensor:
        """The spectrogram with bands hidden; unchanged outside training."""
        if not training:
            return spectrogram
        batch, num_frames, num_bins = ops.shape(spectrogram)
        if mask is None:
            mask = ops.ones((batch, num_frames), "bool")
        hidden_bins = self._hidden_bins(batch, num_bins)
        hidden_frames = self._hidden_frames(batch, mask)
        hidden = ops.logical_or(hidden_bins[:, None, :], hidden_frames[:, :, None])
        value = ops.cast(self.mask_value, spectrogram.dtype)
        return ops.where(hidden, value, spectrogram)

    def compute_output_shape(self, spectrogram_shape: Shape) -> Shape:
        """The shape of the input."""
        return spectrogram_shape

    def _hidden_bins(self, batch: Any, num_bins: int) -> Tensor:
        sizes = ops.full((batch, 1), float(num_bins))
        widest = min(self.frequency_width, num_bins)
        return self._bands(self.num_frequency_masks, sizes, widest, ops.arange(num_bins)[None])

    def _hidden_frames(self, batch: Any, mask: Tensor) -> Tensor:
        # Positions count real frames only, so that it does not matter where the padding is.
        counts = ops.cumsum(ops.cast(mask, "int32"), axis=1)
        sizes = ops.cast(counts[:, -1:], "float32")
        widest = ops.minimum(float(self.time_width), ops.floor(self.time_ratio * sizes))
        bands = self._bands(self.num_time_masks, sizes, widest, counts - 1)
        return ops.logical_and(bands, mask)

    def _bands(self, number: int, sizes: Tensor, widest: Tensor, positions: Tensor) -> Tensor:
        """Which of the positions `(batch, size)` lie in one of `number` bands per row."""
        shape = (2, ops.shape(sizes)[0], number)
        wide, far = ops.unstack(keras.random.uniform(shape, seed=self.seed_generator))
        widths = ops.floor(wide * (widest + 1.0))
        starts = ops.floor(far * (sizes - widths + 1.0))
        positions = ops.cast(positions, "float32")[:, :, None]
        inside = ops.logical_and(
            positions >= starts[:, None, :], positions < (starts + widths)[:, None, :]
        )
        return ops.any(inside, axis=-1)

    def _check_arguments(self) -> None:
        for name in ("num_frequency_masks", "frequency_width", "num_time_masks", "time_width"):
            if getattr(self, name) < 0:
                raise ArgumentError(
                    f"{name}: Expected 0 or more. Received: {name}={getattr(self, name)}"
                )
        if not 0 <= self.time_ratio <= 1:
            raise ArgumentError(
                f"time_ratio: Expected a fraction. Received: time_ratio={self.time_ratio}"
            )
