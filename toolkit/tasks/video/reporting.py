"""The evaluation report of a video classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from toolkit.data.columns import texts
from toolkit.data.table import Table
from toolkit.metrics.classification import SingleLabelScorer
from toolkit.tasks.labels import Labelling
from toolkit.tasks.video.examples import VideoExamples, warn_of_short

if TYPE_CHECKING:
    from toolkit.tasks.video.options import Options

Floats = NDArray[Any]


class TopKScorer(SingleLabelScorer):
    """The scores of :class:`SingleLabelScorer`, and how often the right label is near the top.

    ``top_K_accuracy``: how often it is among the `top_k` likeliest; absent with as few labels.

    Args:
        probabilities: ``(videos, labels)``.
        labels: ``(videos,)`` numbers of the right ones.
        top_k: how near.
    """

    def __init__(self, probabilities: Floats, labels: Floats, top_k: int) -> None:
        super().__init__(probabilities, labels)
        right = probabilities[np.arange(len(labels)), labels]
        self.hits = (probabilities > right[:, None]).sum(1) < top_k
        self.name = None if top_k >= self.classes else f"top_{top_k}_accuracy"

    def __call__(self, counts: Floats | None = None) -> dict[str, float]:
        """Score, each video as often as ``counts`` says, ``(videos,)``; once by default."""
        scores = super().__call__(counts)
        if self.name is None:
            return scores
        drawn = np.ones(len(self.hits)) if counts is None else counts
        return {**scores, self.name: float(drawn @ self.hits / drawn.sum())}


def report(
    probabilities: Floats,
    examples: VideoExamples,
    table: Table,
    names: list[str],
    options: Options,
) -> dict[str, Any]:
    """Scores with intervals, scores of each label, confusion matrix, hardest errors."""
    labels = np.asarray(examples.target("label"))
    scorer = TopKScorer(probabilities, labels, options.evaluate.top_k)
    labelling = Labelling(names)
    groups = _groups(table, options)
    content = labelling.report(probabilities, labels, options.evaluate, scorer, groups)
    content["hardest_errors"] = labelling.hardest(probabilities, labels, table)[1]
    short = examples.short()
    if short:
        places = [table.where(row) for row in short]
        warn_of_short(places, len(table), examples.sampler.num_frames)
        content["videos_with_repeated_frames"] = len(short)
    return content


def _groups(table: Table, options: Options) -> NDArray[Any] | None:
    """The group of each video, by number, or None."""
    split = options.data.split
    column = options.evaluate.group or (split.group if split is not None else None)
    return None if column is None else np.unique(texts(table, column), return_inverse=True)[1]
