"""Contact sheets: clips as strips of their frames, with what was answered and looked at."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.data.table import Table
from toolkit.tasks.video.examples import VideoExamples

CLIPS = 8  # of a sheet


def contact_sheets(
    answers: Mapping[str, NDArray[Any]], examples: VideoExamples, table: Table, names: list[str]
) -> dict[str, bytes]:
    """Draw ``best.png`` and ``worst.png``: the videos most and least probably right.

    Below each frame stands a bar of its weight, where the model weighs frames.

    Args:
        answers: ``probabilities``, and ``frame_weights`` where there are any.
        examples: the videos, with their labels.
        table: their rows.
        names: of the labels.
    """
    probabilities = answers["probabilities"]
    labels = np.asarray(examples.target("label"))
    right = probabilities[np.arange(len(labels)), labels]
    order = np.argsort(right, kind="stable")
    weights = answers.get("frame_weights")

    def caption(row: int) -> str:
        predicted = int(probabilities[row].argmax())
        said = f"{names[predicted]} ({probabilities[row, predicted]:.2f})"
        return f"{table.where(row)}: {names[labels[row]]}, answered {said}"

    def sheet(rows: NDArray[np.int64]) -> bytes:
        frames = examples.batch(rows, ()).inputs["frames"][:, 0]
        shown = None if weights is None else weights[rows, 0]
        return _drawn(np.asarray(frames, np.uint8), [caption(int(row)) for row in rows], shown)

    return {"best.png": sheet(order[::-1][:CLIPS]), "worst.png": sheet(order[:CLIPS])}


def _drawn(frames: NDArray[np.uint8], captions: list[str], weights: NDArray[Any] | None) -> bytes:
    """A sheet of clips, ``(clips, frames, size, size, 3)``, as png."""
    from matplotlib.figure import Figure

    count, number = frames.shape[:2]
    figure = Figure(figsize=(0.8 * number + 0.4, 1.5 * count), layout="constrained")
    rows = figure.subplots(count, 1, squeeze=False)[:, 0]
    for axes, clip, caption, row in zip(rows, frames, captions, range(count), strict=True):
        axes.imshow(np.concatenate(list(clip), axis=1), extent=(0, number, 0, 1))
        axes.set_title(caption, fontsize=8, loc="left")
        axes.set_axis_off()
        axes.set_xlim(0, number)
        axes.set_ylim(0 if weights is None else -0.35, 1)
        if weights is not None:
            height = 0.3 * weights[row] / max(float(weights[row].max()), 1e-9)
            axes.bar(np.arange(number) + 0.5, height, bottom=-0.35, width=0.9, color="tab:orange")
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=80)
    return content.getvalue()
