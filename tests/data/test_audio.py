"""Sound files of every kind that the documentation names."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from toolkit.data.audio import header, problem, read_wave

RATE, SECONDS = 16000, 1.5
TONE = 0.3 * np.sin(2 * np.pi * 440 * np.arange(int(RATE * SECONDS)) / RATE)


def power_at(samples: np.ndarray, hertz: float) -> float:
    """The share of the power within 20 Hz of a frequency."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    near = np.abs(np.fft.rfftfreq(len(samples), 1 / RATE) - hertz) < 20
    return float(power[near].sum() / power.sum())


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3", "aiff", "au"])
@pytest.mark.parametrize("channels", [1, 2])
def test_files_are_read(tmp_path: Path, kind: str, channels: int) -> None:
    path = tmp_path / f"tone.{kind}"
    soundfile.write(path, np.tile(TONE[:, None], (1, channels)), RATE)
    assert problem(path) is None
    assert header(path).sampling_rate == RATE
    wave = read_wave(path)
    assert wave.sampling_rate == RATE
    assert wave.samples.ndim == 1
    assert len(wave.samples) == pytest.approx(len(TONE), rel=0.05)  # mp3 has whole frames
    assert power_at(wave.samples, 440) > 0.95
    part = read_wave(path, 0.5, 1.0)
    assert len(part.samples) == RATE // 2


@pytest.fixture
def cut(tmp_path: Path) -> Callable[[str], Path]:
    """Writes half of a file."""

    def written(kind: str) -> Path:
        path = tmp_path / f"noise.{kind}"
        soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 5 * RATE), RATE)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        return path

    return written


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3"])
def test_a_cut_off_file_is_noticed(cut: Callable[[str], Path], kind: str) -> None:
    path = cut(kind)
    if problem(path) is None:
        with pytest.raises(ValueError, match=r"cut off|decoded"):
            read_wave(path)


def test_what_has_no_length_is_read_as_far_as_it_goes(cut: Callable[[str], Path]) -> None:
    path = cut("ogg")
    assert problem(path) is None
    assert 0 < len(read_wave(path).samples) < 5 * RATE
