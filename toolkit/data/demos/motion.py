"""Generated clips of a moving shape whose class is how it moves.

One shape (a disc, a square, a cross or a ring, of any colour) moves before a still, grainy
background for 12 frames. The classes, for the column ``label``:

- ``left``, ``right``, ``up``, ``down``: in a straight line, over the edge and in again opposite;
- ``grow``, ``shrink``: larger or smaller from frame to frame, in one place.

Where a clip begins is drawn evenly, and so are shape, size, colour and pace: the middle frame of
a clip says nothing of its class, and all frames without their order leave two classes.

No clip is in two splits. The column ``clip`` holds the frames, ``(12, 32, 32, 3)`` of bytes.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

SIZES = {"train": 720, "validation": 120, "test": 240}
CLASSES = ("left", "right", "up", "down", "grow", "shrink")
SHAPES = ("disc", "square", "cross", "ring")
FRAMES, SIZE = 12, 32
DIRECTIONS = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0)}
GROWTH = {"grow": 0.4, "shrink": -0.4}  # of the size, from the middle of a clip to its end

Floats = NDArray[np.floating]


def generate(seed: int = 0) -> dict[str, pd.DataFrame]:
    """Makes the splits.

    Args:
        seed: Draws other clips.

    Returns:
        ``train`` (720 rows), ``validation`` (120) and ``test`` (240), each with the columns
        ``clip``, ``label`` and ``shape``, and as many rows of each label.
    """
    random = np.random.default_rng([seed, 20])
    return {name: _split(random, size) for name, size in SIZES.items()}


def _split(random: np.random.Generator, size: int) -> pd.DataFrame:
    labels = random.permutation(np.arange(size) % len(CLASSES))
    shapes = random.integers(0, len(SHAPES), size)
    clips = [_clip(random, CLASSES[a], SHAPES[b]) for a, b in zip(labels, shapes, strict=True)]
    frame = pd.DataFrame({"clip": pd.Series(clips, dtype=object)})
    frame["label"] = [CLASSES[number] for number in labels]
    frame["shape"] = [SHAPES[number] for number in shapes]
    return frame


def _clip(random: np.random.Generator, label: str, shape: str) -> NDArray[np.uint8]:
    """Frames of one clip, ``(12, 32, 32, 3)``."""
    steps = np.arange(FRAMES)
    pace = random.uniform(1.2, 2.4)  # pixels a frame
    growth = GROWTH.get(label, 0.0) * np.linspace(-1, 1, FRAMES)
    radius = random.uniform(3.5, 5.5) * (1 + growth)
    direction = np.array(DIRECTIONS.get(label, (0, 0)))
    centre = random.uniform(0, SIZE, 2) + pace * steps[:, None] * direction
    colour = random.uniform(130, 255, 3)
    background = random.uniform(20, 90, 3) + random.normal(0, 12, (SIZE, SIZE, 3))
    frames = [
        background + _drawn(shape, where, size)[..., None] * (colour - background)
        for where, size in zip(centre, radius, strict=True)
    ]
    return np.asarray(np.clip(frames, 0, 255), np.uint8)


def _drawn(shape: str, centre: Floats, radius: float) -> Floats:
    """How much of each pixel the shape covers, ``(32, 32)`` from 0 to 1."""
    half = SIZE / 2  # what leaves at one edge comes in at the other
    down, right = ((np.arange(SIZE) - c + half) % SIZE - half for c in centre)
    y, x = np.abs(down)[:, None], np.abs(right)[None, :]
    if shape == "square":
        distance = np.maximum(x, y)
    elif shape == "cross":
        distance = np.maximum(np.minimum(x, y) + radius - 1.5, np.maximum(x, y))
    else:
        distance = np.hypot(x, y)
    covered = np.clip(radius - distance + 0.5, 0, 1)
    if shape == "ring":
        covered = covered - np.clip(radius - 2.5 - distance + 0.5, 0, 1)
    return np.asarray(covered)
