"""What searches of outputs share: `beam` finds the likeliest, `sampling` draws them.

A decoder offers `initial_state(encoded, batch_size, max_length)`, a nest whose leaves have the
batch first, and `step(tokens, state, index)`, from the tokens (batch,) before position `index` to
the logits (batch, vocabulary) of that position and the state after it. Caches of keys and values,
recurrent states, prefixes: all are just state. A search knows nothing else of the model, but for
`repeat_state(state, times)`, where a decoder has it: its way to ready a state for the hypotheses of
a beam, which may leave what they share one row for them all.

No row's answer depends on the others, on the padding or on the size of the batch: each has a limit
of its own, and a row that is done is not touched again.
"""

from typing import Any, NamedTuple, Protocol

import keras
from keras import ops

from toolkit.layers.arguments import Tensor
from toolkit.layers.transformer_decoder import repeat_rows
from toolkit.models.largest import largest

IMPOSSIBLE = -1e9  # log-probability of what must not be chosen; a sum of two is still finite


class Decoder(Protocol):
    """What can be searched."""

    def initial_state(self, encoded: Any, batch_size: Any, max_length: Any) -> Any:
        """The state before the first step."""

    def step(self, tokens: Tensor, state: Any, index: Tensor) -> tuple[Tensor, Any]:
        """Logits of position `index` after `tokens`, and the state after the step."""


class Answers(NamedTuple):
    """What a search found, best first.

    Attributes:
        tokens: (batch, answers, length), 0 after the end, which is left out.
        scores: (batch, answers), what they are ranked by.
        log_probabilities: (batch, answers), of the whole answer, its end included.
    """

    tokens: Tensor
    scores: Tensor
    log_probabilities: Tensor


class Rules(NamedTuple):
    """What an output may look like.

    Attributes:
        start_id: stands before the first token; is never chosen.
        end_id: ends an output.
        limits: (batch,) most tokens of each row's output, its end included; at least 1.
        prefix: (batch, length) tokens that outputs must begin with, 0 where a row is free; or None.
    """

    start_id: int
    end_id: int
    limits: Tensor
    prefix: Tensor | None = None

    def allowed(self, logits: Tensor, index: Tensor, times: int) -> Tensor:
        """Log-probabilities (batch * times, vocabulary), of what the rules forbid `IMPOSSIBLE`."""
        values = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
        tokens = ops.arange(logits.shape[-1])[None]
        must = self._must(index, times)
        return ops.where(
            ops.where(must > 0, tokens != must, self._never(tokens)), IMPOSSIBLE, values
        )

    def likeliest(
        self, logits: Tensor, index: Tensor, times: int, count: int
    ) -> tuple[Tensor, Tensor]:
        """The `count` likeliest allowed tokens of each row, and their log-probabilities.

        Both are (batch * times, count), best first; what the rules forbid has `IMPOSSIBLE`. A part
        of `allowed` in far fewer passes over the vocabulary.
        """
        logits = ops.cast(logits, "float32")
        total = ops.logsumexp(logits, axis=-1, keepdims=True)
        values, tokens = largest(logits, min(count + 2, logits.shape[-1]))
        values = ops.where(self._never(tokens), IMPOSSIBLE, values - total)
        values, order = ops.top_k(values, count)
        tokens = ops.take_along_axis(tokens, order, axis=1)
        must = self._must(index, times)
        only = ops.take_along_axis(logits, must, axis=1) - total
        only = ops.where(ops.arange(count) == 0, only, IMPOSSIBLE)
        return ops.where(must > 0, only, values), ops.where(must > 0, must, tokens)

    def _never(self, tokens: Tensor) -> Tensor:
        return ops.logical_or(tokens == 0, tokens == self.start_id)

    def _must(self, index: Tensor, times: int) -> Tensor:
        """(batch * times, 1) the token that must stand at `index`, 0 where any may.

        That is the end at the limit, and before it what the prefix says.
        """
        must = ops.where(index + 1 >= self.limits, self.end_id, 0)
        if self.prefix is not None:
            length = ops.shape(self.prefix)[1]
            here = ops.take(self.prefix, ops.minimum(index, length - 1), axis=1)
            must = ops.where(ops.logical_or(index >= length, must > 0), must, here)
        return ops.repeat(must, times, axis=0)[:, None]


def repeated(decoder: Decoder, state: Any, times: int) -> Any:
    """The state of `times` neighbouring rows for each, in the decoder's own way if it has one."""
    return getattr(decoder, "repeat_state", repeat_rows)(state, times)


def longest(limits: Tensor, encoded: Any) -> Tensor:
    """The largest limit, made to depend on the data.

    A graph would otherwise know the length of a state that has no step yet, and would not let it
    grow in the loop.
    """
    value = ops.reshape(keras.tree.flatten(encoded)[0], (-1,))[0]
    return ops.max(limits) + 0 * ops.cast(value, "int32")


def places(mask: Tensor) -> Tensor:
    """Where a mask (batch,) is True."""
    return ops.cast(ops.nonzero(mask)[0], "int32")


def gathered(x: Tensor, rows: Tensor) -> Tensor:
    """(batch, beam, ...) in another order of the beam, (batch, taken)."""
    return ops.take_along_axis(x, rows[..., None], axis=1)
