"""Pictures of what the attention of each output piece lay on."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import tensorflow as tf
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from toolkit.text.subwords import END, START

INCHES, MARGIN = 0.28, 1.6  # of a piece, and of the labels


def attention_of(model: Any, source: Any, tokens: NDArray[np.int32]) -> NDArray[np.float32]:
    """Attention to ``(1, source)`` ids while ``(length,)`` target ids are written, and their end.

    Returns:
        ``(length + 1, source)``, rows adding up to 1.
    """
    state = model.initial_state(model.encode(source), 1, tf.constant(len(tokens) + 1))
    rows = []
    for index, token in enumerate([START, *tokens.tolist()]):
        _, state = model.step(tf.constant([token]), state, tf.constant(index))
        rows.append(np.asarray(state["attention"], np.float32)[0])
    return np.stack(rows)


def with_end(tokens: NDArray[np.int32]) -> list[int]:
    """The ids without padding, and the end."""
    return [*tokens[tokens != 0].tolist(), END]


def draw(
    attention: NDArray[np.float32], source: Sequence[str], target: Sequence[str], path: Path
) -> None:
    """Write a picture: a row for each target piece, a column for each source piece."""
    size = (MARGIN + INCHES * len(source), MARGIN + INCHES * len(target))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(attention, cmap="Greys", vmin=0, vmax=1, aspect="auto")
    axes.xaxis.tick_top()
    axes.set_xticks(range(len(source)), _labels(source), rotation=90)
    axes.set_yticks(range(len(target)), _labels(target))
    axes.tick_params(length=0)
    FigureCanvasAgg(figure)
    with mpl.rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # a letter that the font lacks is a box
        figure.savefig(path, dpi=100)


def _labels(pieces: Sequence[str]) -> list[str]:
    return [piece.replace("\u2581", "_") for piece in pieces]
