"""Log-mel spectrogram of a waveform."""

from typing import Any, get_args

import keras
import numpy as np
from keras import ops

from toolkit.errors import ArgumentError
from toolkit.layers.arguments import Shape, Tensor, check_choice, check_positive
from toolkit.layers.framing import frame_count, frame_mask, frames
from toolkit.layers.mel import MelScale, mel_filterbank


@keras.saving.register_keras_serializable(package="toolkit")
class LogMelSpectrogram(keras.layers.Layer):
    """Natural logarithm of the mel-scaled power spectrogram of a waveform.

    ```
    X     = rfft(hann * frame)          # power |X|^2
    mel   = |X|^2 . filterbank
    output = log(max(mel, log_floor))
    ```

    Everything is computed in float32 whatever the dtype policy; only the output has the
    policy's dtype. No statistic crosses rows, so an example is the same in any batch.

    Shapes: `(batch, samples)` to `(batch, frames, num_mel_bins)` with
    `frames = max(1, 1 + (samples - frame_length) // frame_step)`: a tail that fills no frame is
    dropped, a clip shorter than one frame is filled up with zeros.

    Masking: the mask `(batch, samples)` becomes a mask `(batch, frames)`: as many real frames as
    the clip has without its padding. Masked samples count as zero. Padding on the right never
    changes a real frame; padding on the left moves the frames unless it is a multiple of
    `frame_step`.

    Args:
        sampling_rate: samples per second, Hz.
        frame_length: samples in a frame.
        frame_step: samples from one frame to the next.
        num_mel_bins: number of mel filters.
        fft_length: points of the Fourier transform, at least `frame_length`; None is the smallest
            power of two with which every filter covers a frequency.
        lower_edge_hertz: lowest frequency, Hz.
        upper_edge_hertz: highest frequency, Hz; None is half the sampling rate.
        mel_scale: `"htk"` (2595 log10(1 + f / 700), peaks of 1) or `"slaney"` (linear below
            1 kHz, unit area).
        log_floor: smallest mel power, so that silence has a finite logarithm. Samples are meant
            to lie in -1..1.

    Raises:
        ArgumentError: a size that is not positive, edges out of order or above half the sampling
            rate, an `fft_length` too short for the frame or for the lowest filters.

    Example:
        >>> import numpy as np
        >>> layer = LogMelSpectrogram(sampling_rate=8000, frame_length=200, frame_step=80)
        >>> layer(np.zeros((2, 8000), "float32")).shape
        TensorShape([2, 98, 80])

    Reference: Davis and Mermelstein, "Comparison of Parametric Representations for Monosyllabic
    Word Recognition", 1980, section II; Young et al., "The HTK Book", section 5.4.
    """

    def __init__(
        self,
        sampling_rate: int = 16000,
        frame_length: int = 400,
        frame_step: int = 160,
        num_mel_bins: int = 80,
        fft_length: int | None = None,
        lower_edge_hertz: float = 20.0,
        upper_edge_hertz: float | None = None,
        mel_scale: MelScale = "htk",
        log_floor: float = 1e-6,
        **kwargs: Any,
    ) -> None:
        # The waveform must not be rounded to a half-precision policy's dtype on its way in.
        super().__init__(autocast=False, **kwargs)
        check_positive(sampling_rate=sampling_rate, frame_length=frame_length)
        check_positive(frame_step=frame_step, num_mel_bins=num_mel_bins)
        check_choice(get_args(MelScale), mel_scale=mel_scale)
        if log_floor <= 0:
            raise ArgumentError(f"log_floor: Expected more than 0. Received: log_floor={log_floor}")
        self.supports_masking = True
        self.sampling_rate = sampling_rate
        self.frame_length = frame_length
        self.frame_step = frame_step
        self.num_mel_bins = num_mel_bins
        self.fft_length = fft_length
        self.lower_edge_hertz = lower_edge_hertz
        self.upper_edge_hertz = upper_edge_hertz
        self.mel_scale = mel_scale
        self.log_floor = log_floor
        self._check_edges()
        self.filterbank = self._choose_filterbank()
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(frame_length) / frame_length)
        self._num_points = 2 * (len(self.filterbank) - 1)
        # Zeros after the window save padding every frame to the transform's length.
        self._window = np.pad(window, (0, self._num_points - frame_length)).astype("float32")

    def call(self, waveform: Tensor, mask: Tensor | None = None) -> Tensor:
        """Log-mel powers of `waveform`; `mask` is True on real samples."""
        return ops.cast(self.log_mel(waveform, mask), self.compute_dtype)

    def log_mel(self, waveform: Tensor, mask: Tensor) -> Tensor:
        """The output in float32, before the policy's dtype."""
        samples = ops.cast(waveform, "float32")
        if mask is not None:
            samples = ops.where(mask, samples, 0.0)
        real, imaginary = ops.rfft(self._frames(samples) * self._window, self._num_points)
        power = ops.square(real) + ops.square(imaginary)
        mel = ops.matmul(power, self.filterbank)
        return ops.log(ops.maximum(mel, self.log_floor))

    def compute_mask(self, waveform: Tensor, mask: Tensor | None = None) -> Tensor:
        """Sample mask to frame mask."""
        return None if mask is None else frame_mask(mask, self.frame_length, self.frame_step)

    def compute_output_shape(self, waveform_shape: Shape) -> Shape:
        """`(batch, frames, num_mel_bins)`."""
        batch, samples = waveform_shape
        count = frame_count(samples, self.frame_length, self.frame_step)
        return batch, count, self.num_mel_bins

    def _frames(self, samples: Tensor) -> Tensor:
        """Frames as long as the transform, as many as there are of `frame_length`."""
        count = frame_count(ops.shape(samples)[1], self.frame_length, self.frame_step)
        return frames(samples[..., None], self._num_points, self.frame_step, count)

    def _check_edges(self) -> None:
        half = self.sampling_rate / 2
        upper = half if self.upper_edge_hertz is None else self.upper_edge_hertz
        if not 0 <= self.lower_edge_hertz < upper <= half:
            raise ArgumentError(
                "Expected 0 <= lower_edge_hertz < upper_edge_hertz <= sampling_rate / 2. Received: "
                f"lower_edge_hertz={self.lower_edge_hertz}, upper_edge_hertz={upper}, "
                f"sampling_rate={self.sampling_rate}"
            )

    def _choose_filterbank(self) -> Tensor:
        """The filters on `fft_length` points, or on the fewest that leave no filter empty."""
        if self.fft_length is not None:
            return self._given_filterbank(self.fft_length)
        points = 1 << (self.frame_length - 1).bit_length()
        while not self._filters(points).any(axis=0).all():
            points *= 2
        return self._filters(points)

    def _given_filterbank(self, points: int) -> Tensor:
        if points < self.frame_length or points % 2:
            raise ArgumentError(
                "fft_length: Expected an even number of at least frame_length="
                f"{self.frame_length}. Received: fft_length={points}"
            )
        filters = self._filters(points)
        if not filters.any(axis=0).all():
            raise ArgumentError(
                "Expected every mel filter to cover a frequency of the transform: fewer mel bins "
                "or a longer transform. Received: "
                f"num_mel_bins={self.num_mel_bins}, fft_length={points}"
            )
        return filters

    def _filters(self, points: int) -> Tensor:
        upper = self.sampling_rate / 2 if self.upper_edge_hertz is None else self.upper_edge_hertz
        edges = (self.lower_edge_hertz, upper)
        return mel_filterbank(self.num_mel_bins, points, self.sampling_rate, *edges, self.mel_scale)
