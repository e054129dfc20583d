"""The mel scale and its filterbank."""

from typing import Any, Literal

import numpy as np

MelScale = Literal["htk", "slaney"]

# Slaney's scale (Auditory Toolbox, 1998): linear up to 1 kHz, then 27 mels for a factor of 6.4.
_BREAK_HZ, _HZ_PER_MEL, _LOG_STEP = 1000.0, 200.0 / 3.0, np.log(6.4) / 27.0
_BREAK_MEL = _BREAK_HZ / _HZ_PER_MEL


def hertz_to_mel(hertz: Any, mel_scale: MelScale) -> Any:
    """Frequency in mels; HTK: `2595 log10(1 + f / 700)`."""
    hertz = np.asarray(hertz, "float64")
    if mel_scale == "htk":
        return 2595.0 * np.log10(1.0 + hertz / 700.0)
    above = _BREAK_MEL + np.log(np.maximum(hertz, _BREAK_HZ) / _BREAK_HZ) / _LOG_STEP
    return np.where(hertz < _BREAK_HZ, hertz / _HZ_PER_MEL, above)


def mel_to_hertz(mel: Any, mel_scale: MelScale) -> Any:
    """The inverse of `hertz_to_mel`."""
    mel = np.asarray(mel, "float64")
    if mel_scale == "htk":
        return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
    above = _BREAK_HZ * np.exp(_LOG_STEP * (np.maximum(mel, _BREAK_MEL) - _BREAK_MEL))
    return np.where(mel < _BREAK_MEL, mel * _HZ_PER_MEL, above)


def mel_filterbank(
    num_mel_bins: int,
    fft_length: int,
    sampling_rate: int,
    lower_edge_hertz: float,
    upper_edge_hertz: float,
    mel_scale: MelScale,
) -> Any:
    """Triangular filters `(fft_length // 2 + 1, num_mel_bins)`, equally spaced in mels.

    Triangles are straight in Hz. With `"htk"` each has the height 1, so that neighbours sum to 1
    between the first and the last peak; with `"slaney"` each has the area 1 in Hz.
    """
    low, high = hertz_to_mel([lower_edge_hertz, upper_edge_hertz], mel_scale)
    corners = mel_to_hertz(np.linspace(low, high, num_mel_bins + 2), mel_scale)
    left, peak, right = corners[:-2], corners[1:-1], corners[2:]
    hertz = np.arange(fft_length // 2 + 1)[:, None] * (sampling_rate / fft_length)
    rising, falling = (hertz - left) / (peak - left), (right - hertz) / (right - peak)
    weights = np.maximum(0.0, np.minimum(rising, falling))
    if mel_scale == "slaney":
        weights *= 2.0 / (right - left)
    return weights.astype("float32")
