"""Generated spoken sentences: one to three of the words of ``demo:commands`` after another.

Columns: ``audio`` (int16 samples, 8,000 Hz), ``text``, ``speaker``. The three splits share no
speaker.
"""

import numpy as np
import pandas as pd

from toolkit.data.demos.commands import RATE, SPEAKERS, WORDS, Voice, draw_voice, record, speak

SIZES = {"train": 600, "validation": 80, "test": 100}
GAP = (0.03, 0.12)  # between two words, s
MOST_WORDS = 3


def generate(seed: int = 0) -> dict[str, pd.DataFrame]:
    """Makes the splits.

    Args:
        seed: Draws other speakers and sentences.

    Returns:
        ``train`` (600 rows), ``validation`` (80) and ``test`` (100).
    """
    random = np.random.default_rng([seed, 1])
    return {name: _split(random, name, size) for name, size in SIZES.items()}


def _split(random: np.random.Generator, split: str, size: int) -> pd.DataFrame:
    voices = [draw_voice(random, f"{split}_{number}") for number in range(SPEAKERS[split])]
    rows = []
    for _ in range(size):
        voice = voices[int(random.integers(len(voices)))]
        words = [str(w) for w in random.choice(WORDS, int(random.integers(1, MOST_WORDS + 1)))]
        rows.append((_spoken(random, voice, words), " ".join(words), voice.name))
    return pd.DataFrame(rows, columns=["audio", "text", "speaker"])


def _spoken(random: np.random.Generator, voice: Voice, words: list[str]) -> np.ndarray:
    parts = []
    for word in words:
        parts += [np.zeros(int(random.uniform(*GAP) * RATE)), speak(random, voice, word)]
    return record(random, np.concatenate(parts))
