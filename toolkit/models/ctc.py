"""Connectionist temporal classification: decoding of frame-wise logits. The blank is token 0."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

BLANK = 0
IMPOSSIBLE = -1e9  # a log-probability


def path(logits: Any, num_frames: Any) -> Any:
    """The likeliest token of each frame, ``(batch, frames)`` int32; blanks after the last."""
    real = ops.arange(ops.shape(logits)[1])[None] < num_frames[:, None]
    return ops.where(real, ops.cast(ops.argmax(logits, axis=-1), "int32"), BLANK)


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
    best = path(logits, num_frames)
    before = ops.pad(best[:, :-1], [[0, 0], [1, 0]])
    tokens = _packed(best, ops.logical_and(best != BLANK, best != before))
    sure = ops.where(real, ops.max(log_probabilities, axis=-1), 0.0)
    count = ops.maximum(ops.cast(num_frames, "float32"), 1.0)
    return tokens, ops.exp(ops.sum(sure, axis=1) / count)


def prefix_beam(
    logits: Any,
    num_frames: Any,
    width: int,
    language: NDArray[np.float32] | None = None,
    language_weight: float = 0.0,
) -> tuple[Any, Any]:
    """Search for the likeliest text, the sum over all its paths, keeping ``width`` prefixes.

    A prefix keeps the probability of its paths that end in a blank apart from that of those that
    end in its last token. Where one prefix grows into another that is kept too, both are added up.

    Args:
        logits: ``(batch, frames, tokens)``, token 0 the blank.
        num_frames: ``(batch,)`` frames that count.
        width: prefixes kept.
        language: ``(tokens ** (order - 1), tokens)``, the log-probability of each token after the
            last ``order - 1`` ones (the latest counts least in the row's number); token 0 stands
            for the start in the row, and for the end in the column. None: no language model.
        language_weight: of its log-probabilities, taken relative to tokens that are all alike, so
            that long texts are not held back.

    Returns:
        As :func:`greedy`; the confidence is the text's probability, to the power of one over the
        number of frames.

    Reference: Graves and Jaitly, "Towards End-to-End Speech Recognition with Recurrent Neural
    Networks", ICML 2014, algorithm 1; with a language model: Hannun et al., arXiv 1408.2873.
    """
    log_probabilities = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
    frames = ops.transpose(log_probabilities, (1, 0, 2))
    batch, length = ops.shape(log_probabilities)[:2]
    search = _Search(width, logits.shape[-1], language, language_weight)
    first = (ops.zeros((), "int32"), *search.start(batch, length))
    _, *found = ops.while_loop(
        lambda step, *_: step < length,
        lambda step, *state: (step + 1, *search.advance(frames[step], step < num_frames, *state)),
        first,
    )
    tokens, _, blank, ending, _, context, bonus = found
    acoustic = ops.logaddexp(blank, ending)
    total = acoustic + bonus + search.closing(context)
    best = ops.argmax(total, axis=1)[:, None]
    count = ops.maximum(ops.cast(num_frames, "float32"), 1.0)
    sure = ops.take_along_axis(acoustic, best, axis=1)[:, 0]
    return ops.take_along_axis(tokens, best[..., None], axis=1)[:, 0], ops.exp(sure / count)


class _Search:
    """Prefixes of each row, side by side, and how a frame changes them.

    The state: tokens ``(batch, width, length)``; and, each ``(batch, width)``, how many tokens,
    log-probability of ending in a blank and in the last token, a hash of the tokens, the language
    model's context, and its weighted sum.
    """

    def __init__(
        self, width: int, size: int, language: NDArray[np.float32] | None, weight: float
    ) -> None:
        self.width = width
        self.size = size
        self.weight = weight
        relative = None if language is None else weight * (language + np.log(size))
        self.language = None if relative is None else ops.convert_to_tensor(relative, "float32")
        self.contexts = 1 if language is None else len(language)

    def start(self, batch: Any, length: Any) -> tuple[Any, ...]:
        """One empty prefix, and others that are impossible."""
        zeros = ops.zeros((batch, self.width), "int32")
        blank = ops.where(ops.arange(self.width) == 0, 0.0, IMPOSSIBLE) + ops.cast(zeros, "float32")
        ending = ops.full((batch, self.width), IMPOSSIBLE)
        tokens = ops.zeros((batch, self.width, length), "int32")
        marks = zeros + ops.arange(self.width)  # the impossible ones are no one's equals
        return tokens, zeros, blank, ending, marks, zeros, ops.zeros((batch, self.width))

    def closing(self, context: Any) -> Any:
        """What the language model adds where a text ends."""
        if self.language is None:
            return 0.0
        return ops.take(self.language[:, BLANK], context, axis=0)

    def advance(
        self,
        frame: Any,
        real: Any,
        tokens: Any,
        count: Any,
        blank: Any,
        ending: Any,
        mark: Any,
        context: Any,
        bonus: Any,
    ) -> tuple[Any, ...]:
        """The best prefixes after one frame ``(batch, tokens)``; the old ones where not real."""
        last = _last(tokens, count)
        whole = ops.logaddexp(blank, ending)
        # extended by v: (batch, width, size); v = 0 stands for the prefix as it is
        grown = whole[..., None] + frame[:, None, :]
        again = ops.arange(self.size) == last[..., None]
        grown = ops.where(again, blank[..., None] + frame[:, None, :], grown)
        kept_blank = whole + frame[:, :1]
        kept_ending = ending + ops.take_along_axis(frame, last, axis=1)
        grown, kept_ending = self._merged(grown, kept_ending, mark, last, count)
        is_kept = ops.arange(self.size) == BLANK
        all_ending = ops.where(is_kept, kept_ending[..., None], grown)
        all_blank = ops.where(is_kept, kept_blank[..., None], IMPOSSIBLE)
        all_bonus = self._bonus(context, bonus, is_kept)
        score = ops.logaddexp(all_blank, all_ending) + all_bonus
        _, chosen = ops.top_k(ops.reshape(score, (-1, self.width * self.size)), self.width)
        beam, token = chosen // self.size, chosen % self.size

        def pick(values: Any) -> Any:
            flat = ops.reshape(values, (-1, self.width * self.size))
            return ops.take_along_axis(flat, chosen, axis=1)

        def follow(values: Any) -> Any:
            return ops.take_along_axis(values, beam, axis=1)

        grows = token != BLANK
        lives = pick(score) > IMPOSSIBLE / 2
        old = ops.take_along_axis(tokens, beam[..., None], axis=1)
        place = ops.arange(ops.shape(tokens)[2]) == follow(count)[..., None]
        written = ops.logical_and(place, grows[..., None])
        old_mark, old_context = follow(mark), follow(context)
        new = (
            ops.where(written, token[..., None], old),
            # what only fills the beam counts as empty, so that nothing is merged into it
            ops.where(lives, follow(count) + ops.cast(grows, "int32"), 0),
            pick(all_blank),
            pick(all_ending),
            ops.where(grows, _mark(old_mark, token), old_mark),
            ops.where(grows, (old_context * self.size + token) % self.contexts, old_context),
            pick(all_bonus),
        )
        before = (tokens, count, blank, ending, mark, context, bonus)
        real = ops.cast(real, "bool")
        return tuple(
            ops.where(ops.reshape(real, (-1,) + (1,) * (len(n.shape) - 1)), n, b)
            for n, b in zip(new, before, strict=True)
        )

    def _merged(self, grown: Any, kept_ending: Any, mark: Any, last: Any, count: Any) -> Any:
        """Add what grows into a prefix that is kept to that prefix, and take it from the rest."""
        becomes = _mark(mark[:, :, None], last[:, None, :])  # (batch, from, to)
        equal = ops.logical_and(becomes == mark[:, None, :], (count > 0)[:, None, :])
        by_last = ops.take_along_axis(
            grown, ops.broadcast_to(last[:, None, :], ops.shape(equal)), axis=2
        )
        arriving = ops.logsumexp(ops.where(equal, by_last, IMPOSSIBLE), axis=1)
        gone = ops.max(
            ops.where(
                equal[..., None], ops.cast(ops.one_hot(last, self.size), "float32")[:, None], 0.0
            ),
            axis=2,
        )
        grown = ops.where(gone > 0, IMPOSSIBLE, grown)
        return grown, ops.logaddexp(kept_ending, arriving)

    def _bonus(self, context: Any, bonus: Any, is_kept: Any) -> Any:
        shape = (*ops.shape(context), self.size)
        if self.language is None:
            return ops.broadcast_to(bonus[..., None], shape)
        added = ops.take(self.language, context, axis=0)
        return bonus[..., None] + ops.where(is_kept, 0.0, added)


def _last(tokens: Any, count: Any) -> Any:
    """The last token of each prefix; 0 where there is none."""
    place = ops.maximum(count - 1, 0)[..., None]
    return ops.take_along_axis(tokens, place, axis=2)[..., 0]


def _mark(mark: Any, token: Any) -> Any:
    """The hash of a prefix that has grown by a token."""
    return (mark * 31 + token * 7919 + 104729) * 69069


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
