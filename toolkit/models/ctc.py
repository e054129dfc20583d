"""Connectionist temporal classification: decoding of frame-wise logits. The blank is token 0."""

from __future__ import annotations

from typing import Any

from keras import ops

BLANK = 0


def greedy(logits: Any, num_frames: Any) -> tuple[Any, Any]:
    """Take the likeliest token of each frame; repeats are one, blanks fall out.

    Args:
        logits: ``(batch, frames, tokens)``, token 0 the blank.
        num_frames: ``(batch,)`` frames that count.

    Returns:
        Tokens ``(batch, frames)`` int32, zeros after the last, and the confidence ``(batch,)``:
        the geometric mean of the frames' probabilities.

    Reference: Graves et al., "Connectionist Temporal Classification", ICML 2006, section 3.2.
    """
    log_probabilities = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
    real = ops.arange(ops.shape(logits)[1])[None] < num_frames[:, None]
    best = ops.where(real, ops.cast(ops.argmax(logits, axis=-1), "int32"), BLANK)
    before = ops.pad(best[:, :-1], [[0, 0], [1, 0]])
    tokens = _packed(best, ops.logical_and(best != BLANK, best != before))
    sure = ops.where(real, ops.max(log_probabilities, axis=-1), 0.0)
    count = ops.maximum(ops.cast(num_frames, "float32"), 1.0)
    return tokens, ops.exp(ops.sum(sure, axis=1) / count)


def required_frames(tokens: Any) -> Any:
    """Fewest frames that each row of ``(batch, length)`` tokens, 0 after the last, aligns with.

    A frame for each token, and a blank between two of the same.
    """
    same = ops.logical_and(tokens[:, 1:] == tokens[:, :-1], tokens[:, 1:] != BLANK)
    count = ops.sum(ops.cast(tokens != BLANK, "int32"), axis=1)
    return count + ops.sum(ops.cast(same, "int32"), axis=1)


def _packed(tokens: Any, kept: Any) -> Any:
    """The kept tokens at the front of each row, zeros after them."""
    length = ops.shape(tokens)[1]
    places = ops.cumsum(ops.cast(kept, "int32"), axis=1) - 1
    order = ops.argsort(ops.where(kept, places, length), axis=1)
    sorted_tokens = ops.take_along_axis(ops.where(kept, tokens, BLANK), order, axis=1)
    return ops.cast(sorted_tokens, "int32")
