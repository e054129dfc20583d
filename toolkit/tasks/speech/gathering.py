"""The clips of a table as examples: their frames in memory, or read when they are needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from toolkit.data.audio import Wave
from toolkit.data.columns import texts
from toolkit.data.examples import Examples
from toolkit.ragged import Ragged
from toolkit.tasks.speech import examples as clip_examples
from toolkit.tasks.speech.joining import join, plan_joints
from toolkit.tasks.speech.recognition import TextOutput
from toolkit.tasks.speech.waves import ARRAY_RATE, Clips, Doubts

if TYPE_CHECKING:
    from toolkit.data.table import Table
    from toolkit.tasks.speech.task import Speech

MEGABYTE = 1_000_000


def clips_of(task: Speech, table: Table) -> Clips:
    """The waves of a table's rows."""
    rate = task.options.data.sampling_rate
    return Clips(table, task.options.data, ARRAY_RATE if rate == "auto" else rate)


def most_frames(task: Speech, clips: Clips) -> NDArray[np.int64]:
    """``(clips,)`` frames of each clip, at most."""
    headers = [clips.header(row) for row in range(len(clips))]
    return np.array(
        [task.front_end.most_frames(h.num_samples, h.sampling_rate) for h in headers], np.int64
    )


def every(task: Speech, table: Table, *, targets: bool) -> Examples:
    """Every clip, with or without what is to be learnt."""
    known, weights = task.head.targets(table) if targets else ({}, None)
    return _made(task, table, clips_of(task, table), known, weights, rates=not targets)


def fitting(task: Speech, table: Table) -> Examples:
    """The clips that are learnt from, where asked with others that are made of several."""
    if not isinstance(task.head, TextOutput):
        return every(task, table, targets=True)
    clips = clips_of(task, table)
    known, weights = task.head.targets(table)
    steps = -(-most_frames(task, clips) // task.model_options.subsampling)
    skip = task.options.data.skip_bad_rows
    fits = task.head.check_room(table, known["tokens"], steps, skip)
    count = round(task.options.data.join * len(table) / max(1, task.rows))
    if not count:
        return _made(task, table, clips, known, weights * fits)
    features = _frames(task, table, clips, rates=False)
    return _with_joined(task, table, clips, features, known["tokens"], count)


def _made(
    task: Speech,
    table: Table,
    clips: Clips,
    known: dict[str, Any],
    weights: NDArray[np.float64] | None,
    *,
    rates: bool = False,
) -> Examples:
    most = most_frames(task, clips)
    if int(most.sum()) * task.num_bands * 4 > task.options.data.memory_limit * MEGABYTE:
        return clip_examples.on_demand(clips.read, task.computed, most, known, weights)
    features = _frames(task, table, clips, rates=rates)
    return clip_examples.in_memory(features, known, weights)


def _frames(task: Speech, table: Table, clips: Clips, *, rates: bool) -> Ragged:
    doubts = Doubts(table, task.sampling_rate)

    def read(row: int) -> Wave:
        wave = clips.read(row)
        doubts.look(row, wave, clips.lacking(row, wave))
        task.tick("clips", row + 1, len(table))
        return wave

    frames = clip_examples.compute_frames(read, range(len(table)), task.computed)
    doubts.tell(rates=rates)
    return frames


def _with_joined(
    task: Speech, table: Table, clips: Clips, features: Ragged, tokens: Ragged, count: int
) -> Examples:
    data = task.options.data
    assert isinstance(task.head, TextOutput)
    assert data.speaker is not None
    speakers = texts(table, data.speaker)
    seed = task.options.run.seed
    plans = plan_joints(speakers, count, data.join_clips, data.join_gap, seed)
    waves = [clips.read(row) for row in range(len(table))]

    def read(number: int) -> Wave:
        plan = plans[number]
        task.tick("joined clips", number + 1, count)
        return join([waves[row] for row in plan.rows], plan.gaps)

    joined = clip_examples.compute_frames(read, range(count), task.computed)
    made = task.head.join({"tokens": tokens}, [plan.rows for plan in plans])
    both = [
        Ragged.join([(one.values, one.lengths), (two.values, two.lengths)])
        for one, two in ((features, joined), (tokens, made))
    ]
    weights = both[1].lengths.astype(np.float64)
    return clip_examples.in_memory(both[0], {"tokens": both[1]}, weights)
