"""Generated spoken commands: syllables of formants and noise by voices that differ.

Each row is one of eight made-up words. A word is four sounds; a vowel is a sum of harmonics shaped
by three formants (Peterson and Barney, "Control methods used in a study of the vowels", 1952), a
consonant a hum or a burst of noise. Speakers differ in pitch, in the length of the vocal tract
(which moves the formants) and in tempo; recordings in loudness, in how much quiet stands around
the word, and in noise. The three splits share no speaker.

Columns: ``audio`` (int16 samples, 8,000 Hz), ``label``, ``speaker``.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

RATE = 8000
WORDS = ("keso", "kitu", "maki", "mote", "saku", "simo", "tema", "tuki")
SIZES = {"train": 480, "validation": 120, "test": 160}
SPEAKERS = {"train": 12, "validation": 4, "test": 6}

VOWELS = {  # Hz
    "a": (730, 1090, 2440),
    "e": (530, 1840, 2480),
    "i": (270, 2290, 3010),
    "o": (570, 840, 2410),
    "u": (300, 870, 2240),
}
NOISES = {"s": (3300, 500, 0.10), "k": (1800, 400, 0.04), "t": (2900, 900, 0.03)}  # Hz, Hz, s
BREADTH = (90, 120, 180)  # of the formants, Hz

Wave = NDArray[np.float64]


@dataclass(frozen=True)
class Voice:
    """How one speaker speaks: pitch in Hz, and factors of the formants and of durations."""

    name: str
    pitch: float
    tract: float
    tempo: float


def generate(seed: int = 0) -> dict[str, pd.DataFrame]:
    """Makes the splits.

    Args:
        seed: Draws other speakers and recordings.

    Returns:
        ``train`` (480 rows), ``validation`` (120) and ``test`` (160).
    """
    random = np.random.default_rng(seed)
    return {name: _split(random, name, size) for name, size in SIZES.items()}


def draw_voice(random: np.random.Generator, name: str) -> Voice:
    """Draws a speaker."""
    tract = random.uniform(0.85, 1.18)
    pitch = random.uniform(95, 150) if tract < 1 else random.uniform(150, 240)
    return Voice(name, pitch, tract, random.uniform(0.8, 1.25))


def speak(random: np.random.Generator, voice: Voice, word: str) -> Wave:
    """One word, full scale about 1."""
    return np.concatenate([_sound(random, voice, letter) for letter in word])


def record(random: np.random.Generator, wave: Wave) -> NDArray[np.int16]:
    """A recording of a wave: quiet around it, noise all over, at some loudness."""
    before, after = random.integers(0, RATE // 8, 2)
    wave = np.concatenate([np.zeros(before), wave, np.zeros(after)])
    noise = random.normal(0, 1, len(wave)) * np.sqrt(np.mean(wave**2))
    noisy = wave + noise * 10 ** (-random.uniform(10, 30) / 20)
    peak = random.uniform(0.1, 0.9) / np.abs(noisy).max()
    return np.asarray(np.round(noisy * peak * 32767), np.int16)


def _split(random: np.random.Generator, split: str, size: int) -> pd.DataFrame:
    voices = [draw_voice(random, f"{split}_{number}") for number in range(SPEAKERS[split])]
    rows = []
    for number in range(size):
        word, voice = WORDS[number % len(WORDS)], voices[int(random.integers(len(voices)))]
        rows.append((record(random, speak(random, voice, word)), word, voice.name))
    order = random.permutation(size)
    return pd.DataFrame([rows[i] for i in order], columns=["audio", "label", "speaker"])


def _sound(random: np.random.Generator, voice: Voice, letter: str) -> Wave:
    if letter in VOWELS:
        seconds = random.uniform(0.09, 0.15) * voice.tempo
        formants = [formant * voice.tract for formant in VOWELS[letter]]
        return _voiced(random, voice, formants, seconds)
    if letter == "m":
        return 0.4 * _voiced(random, voice, [250.0, 1000.0, 2200.0], 0.07 * voice.tempo)
    centre, breadth, seconds = NOISES[letter]
    hiss = _hiss(random, centre * voice.tract**0.5, breadth, seconds * voice.tempo)
    closure = np.zeros(int(0.03 * RATE)) if letter in "kt" else np.zeros(0)
    return np.concatenate([closure, hiss])


def _voiced(
    random: np.random.Generator, voice: Voice, formants: list[float], seconds: float
) -> Wave:
    """Harmonics of a gliding pitch, each as loud as the formants leave it."""
    time = np.arange(int(seconds * RATE)) / RATE
    glide = np.linspace(random.uniform(0.95, 1.1), random.uniform(0.9, 1.05), len(time))
    phase = 2 * np.pi * np.cumsum(voice.pitch * glide) / RATE
    harmonics = np.arange(1, int(0.46 * RATE / voice.pitch))
    hertz = voice.pitch * harmonics
    gains = sum(
        0.6**number / (1 + ((hertz - formant) / breadth) ** 2)
        for number, (formant, breadth) in enumerate(zip(formants, BREADTH, strict=True))
    )
    wave = np.sin(phase[:, None] * harmonics) @ (gains / np.sqrt(harmonics))
    return np.asarray(_faded(wave / np.abs(wave).max()))


def _hiss(random: np.random.Generator, centre: float, breadth: float, seconds: float) -> Wave:
    """Noise around a frequency."""
    count = max(8, int(seconds * RATE))
    spectrum = np.fft.rfft(random.normal(0, 1, count))
    hertz = np.fft.rfftfreq(count, 1 / RATE)
    shaped = np.fft.irfft(spectrum * np.exp(-(((hertz - centre) / breadth) ** 2)), count)
    return np.asarray(_faded(0.4 * shaped / np.abs(shaped).max()))


def _faded(wave: Wave) -> Wave:
    ramp = np.minimum(1, np.arange(len(wave)) / (0.01 * RATE))
    return np.asarray(wave * ramp * ramp[::-1])
