"""Pictures of what was heard: clips with their alignment, and labels taken for others."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from toolkit.data.examples import Examples
from toolkit.metrics.classification import confusion_matrix

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from toolkit.data.table import Table
    from toolkit.tasks.speech.recognition import TextOutput

CLIPS = 4  # of a picture
MOST_WRITTEN = 25  # labels whose counts are written into their squares


def alignments(
    head: TextOutput,
    answers: Mapping[str, NDArray[Any]],
    examples: Examples,
    table: Table,
    frame_step: float,
    step: float,
) -> dict[str, bytes]:
    """Draw ``best.png`` and ``worst.png``: spectrograms, and over them the tokens of CTC.

    A token stands where the likeliest path first has it.

    Args:
        head: the output, which knows the tokens.
        answers: ``path`` among them, ``(clips, steps)``.
        examples: the clips' frames and transcripts.
        table: their rows.
        frame_step: seconds from one frame to the next.
        step: seconds from one step of the model to the next.
    """
    references, recognised, errors = head.read(answers, examples)
    order = np.argsort(errors, kind="stable")

    def picture(rows: NDArray[np.int64]) -> bytes:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(10, 2.2 * len(rows)), layout="constrained")
        plots = figure.subplots(len(rows), 1, squeeze=False)[:, 0]
        for axes, row in zip(plots, rows, strict=True):
            frames = _frames(examples, int(row))
            extent = (0, len(frames) * frame_step, 0, frames.shape[1])
            axes.imshow(frames.T, origin="lower", aspect="auto", extent=extent, cmap="magma")
            for place, token in _firsts(answers["path"][row]):
                axes.axvline(place * step, color="white", linewidth=0.5)
                name = head.tokens.names[token].strip() or "_"
                axes.text(place * step, 0.9 * frames.shape[1], name, color="white")
            told = f"{table.where(int(row))}: {references[row]!r}, heard {recognised[row]!r}"
            axes.set_title(told, fontsize=8, loc="left")
            axes.set_ylabel("band")
        plots[-1].set_xlabel("seconds")
        return _png(figure)

    return {"best.png": picture(order[:CLIPS]), "worst.png": picture(order[::-1][:CLIPS])}


def _frames(examples: Examples, row: int) -> NDArray[np.float32]:
    """The log-mel frames of a clip."""
    rows = np.array([row])
    shape = tuple(int(length) for length in examples.lengths[row])
    inputs = examples.batch(rows, shape).inputs
    return np.asarray(inputs["features"][0][: int(inputs["num_frames"][0])])


def _firsts(path: NDArray[Any]) -> list[tuple[int, int]]:
    """Where each token of a path begins, and which it is."""
    before = np.concatenate([[0], path[:-1]])
    return [(int(n), int(path[n])) for n in np.flatnonzero((path != 0) & (path != before))]


def confusions(
    answers: Mapping[str, NDArray[Any]], examples: Examples, labels: list[str]
) -> dict[str, bytes]:
    """Draw ``confusion.png``: how many clips of each label were taken for which."""
    from matplotlib.figure import Figure

    right = np.asarray(examples.target("label"))
    counts = np.asarray(confusion_matrix(answers["probabilities"].argmax(1), right, len(labels)))
    size = min(4 + 0.3 * len(labels), 16)
    figure = Figure(figsize=(size, size), layout="constrained")
    axes = figure.subplots()
    axes.imshow(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), cmap="Blues", vmin=0)
    places = np.arange(len(labels))
    axes.set_xticks(places, labels, rotation=90)
    axes.set_yticks(places, labels)
    axes.set_xlabel("answered")
    axes.set_ylabel("right")
    for one, other in np.argwhere(counts) if len(labels) <= MOST_WRITTEN else ():
        axes.text(other, one, str(counts[one, other]), ha="center", va="center", fontsize=8)
    return {"confusion.png": _png(figure)}


def _png(figure: Figure) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=100)
    return content.getvalue()
