"""Log-mel spectrograms, their filterbank and cepstra against NumPy."""

from typing import Any

import keras
import numpy as np
import pytest

from toolkit.errors import ArgumentError
from toolkit.layers import MFCC, LogMelSpectrogram
from toolkit.layers.mel import hertz_to_mel, mel_filterbank, mel_to_hertz

SIZES: dict[str, Any] = {"sampling_rate": 8000, "frame_length": 200, "frame_step": 80}


def waveform(*shape: int) -> np.ndarray:
    return (0.1 * np.random.default_rng(1).standard_normal(shape)).astype("float32")


def log_mel(samples: np.ndarray, layer: LogMelSpectrogram) -> np.ndarray:
    """The spectrogram of one clip of at least one frame, in float64."""
    length, step = layer.frame_length, layer.frame_step
    points = 2 * (len(layer.filterbank) - 1)
    window = np.hanning(length + 1)[:-1]
    count = 1 + (len(samples) - length) // step
    cut = np.stack([samples[i * step : i * step + length] * window for i in range(count)])
    power = np.abs(np.fft.rfft(cut, points)) ** 2
    return np.log(np.maximum(power @ layer.filterbank, layer.log_floor))


@pytest.mark.parametrize("samples", [200, 279, 280, 1001])
@pytest.mark.parametrize("mel_scale", ["htk", "slaney"])
def test_equals_numpy(samples: int, mel_scale: Any) -> None:
    layer = LogMelSpectrogram(**SIZES, num_mel_bins=20, mel_scale=mel_scale)
    clips = waveform(2, samples)
    expected = np.stack([log_mel(clip, layer) for clip in clips])
    np.testing.assert_allclose(layer(clips), expected, atol=1e-4)


def test_a_short_clip_is_filled_up_with_zeros() -> None:
    layer, clip = LogMelSpectrogram(**SIZES, num_mel_bins=20), waveform(1, 120)
    expected = log_mel(np.pad(clip[0], (0, 80)), layer)[None]
    np.testing.assert_allclose(layer(clip), expected, atol=1e-4)
    assert layer(np.zeros((1, 0), "float32")).shape == (1, 1, 20)


def test_silence_is_the_floor() -> None:
    silent = LogMelSpectrogram(**SIZES, num_mel_bins=20, log_floor=1e-3)(np.zeros((1, 300)))
    np.testing.assert_allclose(silent, np.log(1e-3), rtol=1e-6)


def test_a_tone_is_loudest_in_the_filter_that_covers_it() -> None:
    layer = LogMelSpectrogram(**SIZES, num_mel_bins=20)
    tone = np.sin(2 * np.pi * 1000 * np.arange(8000) / 8000)[None].astype("float32")
    covering = np.argmax(layer.filterbank[1000 * 256 // 8000])
    assert (np.argmax(layer(tone), axis=-1) == covering).all()


def test_inputs_keep_their_precision_under_a_half_precision_policy() -> None:
    clip = 0.9 + 0.001 * waveform(1, 1000)
    exact = LogMelSpectrogram(**SIZES, num_mel_bins=20)(clip)
    mixed = LogMelSpectrogram(**SIZES, num_mel_bins=20, dtype="mixed_bfloat16")(clip)
    np.testing.assert_allclose(keras.ops.cast(mixed, "float32"), exact, rtol=0.01)


def test_a_clip_is_the_same_in_any_batch() -> None:
    layer, clips = LogMelSpectrogram(**SIZES, num_mel_bins=20), waveform(5, 900)
    np.testing.assert_allclose(layer(clips)[3:4], layer(clips[3:4]), atol=1e-5)


@pytest.mark.parametrize("samples", [0, 1, 199, 200, 279, 280, 600])
def test_mask_keeps_the_frames_of_the_unpadded_clip(samples: int) -> None:
    layer = LogMelSpectrogram(**SIZES, num_mel_bins=20)
    mask = layer.compute_mask(None, np.arange(900)[None] < samples)
    assert np.sum(mask) == (layer.compute_output_shape((1, samples))[1] if samples else 0)


@pytest.mark.parametrize("mel_scale", ["htk", "slaney"])
def test_mel_scale_and_its_inverse(mel_scale: Any) -> None:
    hertz = np.linspace(0, 8000, 50)
    np.testing.assert_allclose(mel_to_hertz(hertz_to_mel(hertz, mel_scale), mel_scale), hertz)


def test_known_mels() -> None:
    np.testing.assert_allclose(hertz_to_mel(1000.0, "htk"), 1000, rtol=1e-4)
    np.testing.assert_allclose(hertz_to_mel([500.0, 1000.0, 6400.0], "slaney"), [7.5, 15, 42])


def test_htk_filters_sum_to_one_between_the_outer_peaks() -> None:
    filters = mel_filterbank(20, 1024, 8000, 100.0, 4000.0, "htk")
    first, last = np.argmax(filters[:, 0]) + 1, np.argmax(filters[:, -1]) - 1
    np.testing.assert_allclose(filters[first:last].sum(axis=1), 1, atol=1e-6)


def test_slaney_filters_have_unit_area() -> None:
    filters = mel_filterbank(20, 8192, 8000, 100.0, 4000.0, "slaney")
    np.testing.assert_allclose(filters.sum(axis=0) * 8000 / 8192, 1, rtol=1e-2)


def test_fft_length_grows_until_no_filter_is_empty() -> None:
    layer = LogMelSpectrogram(**SIZES, num_mel_bins=120)
    assert len(layer.filterbank) == 257  # 512 points; the frame alone would need 256
    assert layer.filterbank.any(axis=0).all()


def test_mfcc_is_the_orthonormal_cosine_transform() -> None:
    clips = waveform(2, 500)
    logs = np.asarray(LogMelSpectrogram(**SIZES, num_mel_bins=12)(clips))
    k, n = np.arange(12)[:, None], np.arange(12)[None]
    matrix = np.sqrt(np.where(k, 2, 1) / 12) * np.cos(np.pi / 12 * k * (n + 0.5))
    got = MFCC(**SIZES, num_mel_bins=12, num_coefficients=5)(clips)
    np.testing.assert_allclose(got, (logs @ matrix.T)[..., :5], atol=1e-4)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(12), atol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"frame_step": 0}, "Expected a positive integer. Received: frame_step=0"),
        ({"mel_scale": "bark"}, "Expected one of htk, slaney. Received: mel_scale='bark'"),
        ({"upper_edge_hertz": 5000.0}, "Received: .*upper_edge_hertz=5000.0"),
        ({"fft_length": 128}, "at least frame_length=200. Received: fft_length=128"),
        ({"fft_length": 256, "num_mel_bins": 120}, "Received: num_mel_bins=120, fft_length=256"),
        ({"log_floor": 0.0}, "Expected more than 0. Received: log_floor=0.0"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        LogMelSpectrogram(**{**SIZES, **arguments})


def test_more_coefficients_than_bins() -> None:
    with pytest.raises(ArgumentError, match="at most num_mel_bins=10"):
        MFCC(num_coefficients=13, num_mel_bins=10)
