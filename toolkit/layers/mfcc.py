"""Mel-frequency cepstral coefficients of a waveform."""

from typing import Any

import keras
import numpy as np
from keras import ops

from toolkit.errors import ArgumentError
from toolkit.layers.arguments import Shape, Tensor, check_positive
from toolkit.layers.log_mel_spectrogram import LogMelSpectrogram


@keras.saving.register_keras_serializable(package="toolkit")
class MFCC(LogMelSpectrogram):
    """Mel-frequency cepstral coefficients: a cosine transform of each log-mel frame.

    The orthonormal DCT-II of the log-mel spectrum, its first `num_coefficients` terms (the term 0,
    the frame's loudness, included). float32 inside whatever the dtype policy.

    Shapes: `(batch, samples)` to `(batch, frames, num_coefficients)`. Frames, masking and errors
    are those of `LogMelSpectrogram`.

    Args:
        num_coefficients: cepstral coefficients kept, at most `num_mel_bins`.
        num_mel_bins: number of mel filters.
        **kwargs: the other arguments of `LogMelSpectrogram` (`sampling_rate`, `frame_length`, ...).

    Raises:
        ArgumentError: more coefficients than mel bins, or as `LogMelSpectrogram`.

    Example:
        >>> import numpy as np
        >>> MFCC(num_coefficients=13)(np.zeros((1, 16000), "float32")).shape
        TensorShape([1, 98, 13])

    Reference: Davis and Mermelstein, "Comparison of Parametric Representations for Monosyllabic
    Word Recognition", 1980, section II.
    """

    def __init__(self, num_coefficients: int = 13, num_mel_bins: int = 40, **kwargs: Any) -> None:
        super().__init__(num_mel_bins=num_mel_bins, **kwargs)
        check_positive(num_coefficients=num_coefficients)
        if num_coefficients > num_mel_bins:
            raise ArgumentError(
                f"num_coefficients: Expected at most num_mel_bins={num_mel_bins}. "
                f"Received: num_coefficients={num_coefficients}"
            )
        self.num_coefficients = num_coefficients
        self._cosines = dct_matrix(num_mel_bins, num_coefficients)

    def call(self, waveform: Tensor, mask: Tensor | None = None) -> Tensor:
        """Cepstral coefficients of `waveform`; `mask` is True on real samples."""
        coefficients = ops.matmul(self.log_mel(waveform, mask), self._cosines)
        return ops.cast(coefficients, self.compute_dtype)

    def compute_output_shape(self, waveform_shape: Shape) -> Shape:
        """`(batch, frames, num_coefficients)`."""
        return (*super().compute_output_shape(waveform_shape)[:2], self.num_coefficients)


def dct_matrix(size: int, num_coefficients: int) -> Tensor:
    """Orthonormal DCT-II as a matrix `(size, num_coefficients)`."""
    angles = np.pi / size * np.outer(np.arange(size) + 0.5, np.arange(num_coefficients))
    scale = np.sqrt(np.where(np.arange(num_coefficients) == 0, 1.0, 2.0) / size)
    return (np.cos(angles) * scale).astype("float32")
