"""Recognition while sound comes in: what is fitted for it, its loop, and its signatures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from toolkit.models import acoustic
from toolkit.models.streaming import Stream
from toolkit.tasks.base import Tensors
from toolkit.tasks.speech import examples, models
from toolkit.tasks.speech.recognition import TextOutput

if TYPE_CHECKING:
    from toolkit.tasks.speech.task import Speech
    from toolkit.tasks.speech.waves import Clips

SAMPLE = 500  # training clips that the statistics are fitted on, at most
UNHEARD = 0.3  # seconds of a training clip, at most, of which what is said does not count
LEAST_DEVIATION = 0.1  # nats; of a band that is always silent


def fit_statistics(task: Speech, clips: Clips) -> NDArray[np.float32]:
    """Mean and deviation of each band over clips drawn by the seed, ``(2, bands)``."""
    random = np.random.Generator(np.random.Philox(key=[task.options.run.seed, len(clips)]))
    rows = np.sort(random.permutation(len(clips))[:SAMPLE])
    frames = examples.compute_frames(clips.read, rows.tolist(), task.computed)
    front_end = task.front_end  # the silence that it adds says nothing of the clips
    lead, tail = (n // front_end.frame_step for n in (front_end.lead, front_end.tail))
    parts = np.split(frames.values, frames.splits[1:-1])
    heard = np.concatenate([part[lead : max(lead + 1, len(part) - tail)] for part in parts])
    deviation = np.maximum(heard.std(axis=0), LEAST_DEVIATION)
    return np.stack([heard.mean(axis=0), deviation]).astype(np.float32)


def make_stream(task: Speech, model: keras.Model) -> Stream:
    """The model's layers as a function from state to state."""
    front_end = task.front_end
    front = models.make_front(task.model_options, task.options.data.features, task.statistics)
    assert isinstance(front, acoustic.Front), "a preset does not stream"
    return Stream(
        model,
        front,
        front_end.log_mel,
        front_end.frame_length,
        front_end.frame_step,
        front_end.lead,
        front_end.tail,
    )


def _step(task: Speech, stream: Stream, audio: Any, state: Tensors, final: Any) -> Tensors:
    """The new text of each row, and the state after it."""
    assert isinstance(task.head, TextOutput)
    audio = tf.where(tf.math.is_finite(audio), audio, 0.0)
    tokens, after = stream.step(audio, state, final)
    return {"text": task.head.spelt(tokens), **after}


def signatures(task: Speech, model: keras.Model) -> dict[str, Any]:
    """``stream_start``: a state for so many sounds; ``stream``: samples and a state to new text."""
    stream = make_stream(task, model)
    start = {"batch_size": tf.TensorSpec([], tf.int32, name="batch_size")}
    state = {
        name: tf.TensorSpec(_open(name, value.shape), value.dtype, name=name)
        for name, value in stream.initial_state(1).items()
    }
    audio = tf.TensorSpec([None, None], tf.float32, name="audio")
    inputs = {"audio": audio, "final": tf.TensorSpec([], tf.bool, name="final"), **state}

    @tf.function(input_signature=[start], autograph=False)
    def serve_start(raw: Tensors) -> Tensors:
        return dict(stream.initial_state(raw["batch_size"]))

    @tf.function(input_signature=[inputs], autograph=False)
    def serve_stream(raw: Tensors) -> Tensors:
        held = {name: raw[name] for name in state}
        return _step(task, stream, raw["audio"], held, raw["final"])

    return {"stream_start": serve_start, "stream": serve_stream}


def _open(name: str, shape: Any) -> list[int | None]:
    """The shape for any number of rows, and of samples that are left over."""
    return [None, None] if name == "samples" else [None, *shape[1:]]


def listen(task: Speech, model: keras.Model, chunks: Iterable[NDArray[Any]]) -> Iterator[str]:
    """Recognise one sound that comes in pieces.

    Args:
        task: prepared, with ``task.streaming``.
        model: its model.
        chunks: ``(samples,)`` each, full scale -1 to 1, at the model's sampling rate.

    Yields:
        The text that is new after each piece, ``""`` mostly, and once more after the last.
    """
    found = signatures(task, model)
    state = found["stream_start"]({"batch_size": tf.constant(1)})
    silence = np.zeros(0, np.float32)
    spaced = True  # a text begins with no space, and has never two of them together
    for audio, final in _ending(chunks, silence):
        raw = {"audio": tf.constant(audio[None], tf.float32), "final": tf.constant(final)}
        state = dict(found["stream"]({**raw, **state}))
        text = state.pop("text").numpy()[0].decode("utf-8")
        text = text.lstrip() if spaced else text
        spaced = text.endswith(" ") if text else spaced
        yield text


def _ending(
    chunks: Iterable[NDArray[Any]], last: NDArray[Any]
) -> Iterator[tuple[NDArray[Any], bool]]:
    """The pieces, and one more that says that nothing follows."""
    for chunk in chunks:
        yield np.asarray(chunk, np.float32), False
    yield last, True
