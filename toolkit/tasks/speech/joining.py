"""Longer clips made of several clips of one speaker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from toolkit.data.audio import Wave


@dataclass(frozen=True)
class Joint:
    """One clip to be made: rows in order, and the seconds of silence after each but the last."""

    rows: tuple[int, ...]
    gaps: tuple[float, ...]


def plan_joints(
    speakers: Sequence[str],
    count: int,
    clips: tuple[int, int],
    gaps: tuple[float, float],
    seed: int,
) -> list[Joint]:
    """Draw which clips to join.

    Args:
        speakers: of each row.
        count: clips to make.
        clips: fewest and most rows of each.
        gaps: shortest and longest silence between two, seconds.
        seed: of the draws.
    """
    random = np.random.Generator(np.random.Philox(key=[seed, count]))
    names = sorted(set(speakers))
    rows = {name: [i for i, one in enumerate(speakers) if one == name] for name in names}
    joints = []
    for _ in range(count):
        mine = rows[names[int(random.integers(len(names)))]]
        size = int(random.integers(clips[0], clips[1] + 1))
        chosen = tuple(int(mine[i]) for i in random.integers(0, len(mine), size))
        joints.append(Joint(chosen, tuple(float(g) for g in random.uniform(*gaps, size - 1))))
    return joints


def join(waves: Sequence[Wave], gaps: Sequence[float]) -> Wave:
    """Put waves of one rate one after another, silence between them.

    Raises:
        ValueError: their rates differ.
    """
    rate = waves[0].sampling_rate
    if any(wave.sampling_rate != rate for wave in waves):
        raise ValueError("clips of different sampling rates cannot be joined")
    parts = [waves[0].samples]
    for wave, gap in zip(waves[1:], gaps, strict=True):
        parts += [np.zeros(round(gap * rate), np.float32), wave.samples]
    return Wave(np.concatenate(parts), rate)
