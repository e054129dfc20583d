"""Search for the likeliest outputs of any decoder, in the graph."""

from typing import Any, NamedTuple

import keras
from keras import ops

from toolkit.layers.arguments import Tensor, check_positive
from toolkit.models.decoding import (
    IMPOSSIBLE,
    Answers,
    Decoder,
    Rules,
    gathered,
    longest,
    places,
    repeated,
)

FEW = 8  # rows that are not worth making fewer


def beam_search(
    decoder: Decoder,
    encoded: Any,
    rules: Rules,
    *,
    beam_size: int = 1,
    length_penalty: float | Tensor = 1.0,
    coverage_penalty: float = 0.0,
    num_answers: int = 1,
) -> Answers:
    """The best outputs that a beam finds; a beam of 1 is greedy.

    In each step, the `beam_size` likeliest continuations of a row are looked at. Those that end are
    kept as answers, the others, filled up by the next likeliest, go on. A row is done when
    `beam_size` answers have ended; at its limit everything ends. Answers are ranked by

        log P(y) / length(y) ** length_penalty
            + coverage_penalty * sum_source log min(sum_steps attention, 1),

    the length counting the end.

    Args:
        decoder: a built model; for `coverage_penalty` its state is a mapping that holds the last
            step's `attention` (batch, source) and the `padding_mask` (batch, source).
        encoded: what `decoder.initial_state` takes.
        rules: what outputs may look like.
        beam_size: hypotheses of each row.
        length_penalty: 0 ranks by probability, which favours short outputs; 1 by the mean; or
            (batch,), one for each row.
        coverage_penalty: weight of what the attention left unread.
        num_answers: how many answers of each row, at most `beam_size`.

    Raises:
        ArgumentError: sizes below 1, more answers than the beam is wide.

    References: Graves (arXiv 1211.3711) for the search; Wu et al. (arXiv 1609.08144), section 7,
    for the coverage.
    """
    check_positive(beam_size=beam_size, num_answers=num_answers)
    beam = _Beam(decoder, rules, beam_size, length_penalty, coverage_penalty)
    best = beam.run(encoded)
    taken = min(num_answers, beam_size)
    return Answers(*(value[:, :taken] for value in best))


class _Live(NamedTuple):
    """Hypotheses that go on: (batch, beam, ...) each."""

    tokens: Tensor
    totals: Tensor
    coverage: Tensor


class _Ended(NamedTuple):
    """Hypotheses that have ended: (batch, beam, ...) each, and how many there are: (batch,)."""

    tokens: Tensor
    scores: Tensor
    sums: Tensor
    count: Tensor


Terms = dict[str, Tensor]
"""What holds for each row: its limit, its penalty, its prefix, where its source is real."""


class _Beam:
    """One search. Its loop carries the live hypotheses, the ended ones and the decoder's state.

    Rows that are done wait for the slowest. Where shapes may change in a loop, which is with
    TensorFlow, they are taken out of the batch as soon as they are half of it.
    """

    def __init__(
        self,
        decoder: Decoder,
        rules: Rules,
        width: int,
        length_penalty: float | Tensor,
        coverage_penalty: float,
    ) -> None:
        self.decoder, self.rules, self.width = decoder, rules, width
        self.length_penalty = ops.reshape(ops.cast(length_penalty, "float32"), (-1, 1))
        self.coverage_penalty = coverage_penalty
        self.shrinks = keras.backend.backend() == "tensorflow"

    def run(self, encoded: Any) -> Answers:
        batch = ops.shape(self.rules.limits)[0]
        self.length = longest(self.rules.limits, encoded)
        state = self.decoder.initial_state(encoded, batch, self.length)
        terms = self._terms(state, batch)
        several = state
        if self.width > 1:
            several = repeated(self.decoder, state, self.width)
        self.together = keras.tree.map_structure(lambda one, all_: one is all_, state, several)
        live = self._first_live(several, batch)
        rows = ops.arange(batch, dtype="int32")
        first = (ops.cast(0, "int32"), terms, live, self._none_ended(batch), several)
        if self.shrinks:
            rows, ended = self._shrinking(rows, first)
        else:
            _, _, _, ended, _ = ops.while_loop(self._goes_on, self._advance, first)
        tokens, scores, sums, _ = (ops.take(x, ops.argsort(rows), axis=0) for x in ended)
        return Answers(ops.where(tokens == self.rules.end_id, 0, tokens), scores, sums)

    def _terms(self, state: Any, batch: Tensor) -> Terms:
        limits = self.rules.limits
        terms = {"limits": limits, "penalty": ops.zeros((batch, 1)) + self.length_penalty}
        if self.rules.prefix is not None:
            terms["prefix"] = self.rules.prefix
        if self.coverage_penalty:
            terms["real"] = ops.cast(state["padding_mask"], "float32")[:, None]
        return terms

    def _first_live(self, state: Any, batch: Tensor) -> _Live:
        """One hypothesis a row; the others cannot be chosen before it has spread."""
        lone = ops.cast(ops.arange(self.width) > 0, "float32") * IMPOSSIBLE
        totals = ops.zeros((batch, 1)) + lone[None]
        coverage = ops.zeros((batch, self.width, 1))
        if self.coverage_penalty:
            coverage = self._by_row(ops.zeros_like(ops.cast(state["attention"], "float32")))
        return _Live(self._no_tokens(batch), totals, coverage)

    def _none_ended(self, batch: Tensor) -> _Ended:
        nothing = ops.zeros((batch, self.width)) + IMPOSSIBLE
        return _Ended(self._no_tokens(batch), nothing, nothing, ops.zeros((batch,), "int32"))

    def _no_tokens(self, batch: Tensor) -> Tensor:
        return ops.zeros((batch, self.width, self.length), "int32")

    # Rows that are done leave.

    def _shrinking(self, rows: Tensor, carried: Any) -> tuple[Tensor, _Ended]:
        """The search over fewer and fewer rows: which these were, in the order they were done."""
        everyone = places(rows >= 0)  # the graph then knows no size that would change
        none = places(rows < 0)
        carried = self._taken(carried, everyone)
        gone = none, keras.tree.map_structure(lambda x: ops.take(x, none, axis=0), carried[3])

        def some_left(rows: Tensor, gone: Any, carried: Any) -> Tensor:
            return ops.shape(rows)[0] > 0

        def shrink(rows: Tensor, gone: Any, carried: Any) -> Any:
            carried = ops.while_loop(self._many_go_on, self._advance, carried)
            done = self._done(carried[0], carried[1], carried[3])
            left, going = places(done), places(~done)
            joined = (
                ops.concatenate([before, ops.take(now, left, axis=0)])
                for before, now in zip((gone[0], *gone[1]), (rows, *carried[3]), strict=True)
            )
            numbers, *ended = joined
            return ops.take(rows, going), (numbers, _Ended(*ended)), self._taken(carried, going)

        numbers, ended = ops.while_loop(some_left, shrink, (everyone, gone, carried))[1]
        return numbers, ended

    def _taken(self, carried: Any, rows: Tensor) -> Any:
        """What the loop carries, of some rows."""
        index, terms, live, ended, state = carried
        hypotheses = ops.reshape(rows[:, None] * self.width + ops.arange(self.width), (-1,))
        terms, live, ended = keras.tree.map_structure(
            lambda x: ops.take(x, rows, axis=0), (terms, live, ended)
        )
        state = keras.tree.map_structure(
            lambda x, one: ops.take(x, rows if one else hypotheses, axis=0), state, self.together
        )
        return index, terms, live, ended, state

    def _many_go_on(
        self, index: Tensor, terms: Terms, live: _Live, ended: _Ended, state: Any
    ) -> Tensor:
        going = ops.sum(ops.cast(~self._done(index, terms, ended), "int32"))
        rows = ops.shape(terms["limits"])[0]
        return ops.logical_and(going > 0, ops.logical_or(2 * going > rows, rows < FEW))

    def _goes_on(
        self, index: Tensor, terms: Terms, live: _Live, ended: _Ended, state: Any
    ) -> Tensor:
        return ops.any(~self._done(index, terms, ended))

    def _done(self, index: Tensor, terms: Terms, ended: _Ended) -> Tensor:
        return ops.logical_or(ended.count >= self.width, index >= terms["limits"])

    # One step.

    def _advance(self, index: Tensor, terms: Terms, live: _Live, ended: _Ended, state: Any) -> Any:
        width = self.width
        before = ops.where(
            index > 0,
            ops.reshape(ops.take(live.tokens, ops.maximum(index - 1, 0), axis=2), (-1,)),
            self.rules.start_id,
        )
        logits, after = self.decoder.step(before, state, index)
        count = min(2 * width, logits.shape[-1])  # more of one hypothesis cannot be chosen
        rules = self.rules._replace(limits=terms["limits"], prefix=terms.get("prefix"))
        steps, tokens = rules.likeliest(logits, index, width, count)
        totals = live.totals[..., None] + ops.reshape(steps, (-1, width, count))
        totals = ops.reshape(totals, (-1, width * count))
        totals, found = ops.top_k(totals, min(2 * width, width * count))
        parents = found // count
        chosen = ops.take_along_axis(ops.reshape(tokens, (-1, width * count)), found, axis=1)
        coverage = self._covered(live.coverage, after)
        ending = chosen == self.rules.end_id
        ended = self._collect(index, terms, live, ended, totals, parents, ending, coverage)
        # The likeliest that do not end go on.
        going, order = ops.top_k(ops.where(ending, 2 * IMPOSSIBLE, totals), width)
        parents = ops.take_along_axis(parents, order, axis=1)
        written = live.tokens if width == 1 else gathered(live.tokens, parents)
        chosen = ops.take_along_axis(chosen, order, axis=1)
        written = ops.where(ops.arange(self.length) == index, chosen[..., None], written)
        live = _Live(written, ops.maximum(going, 2 * IMPOSSIBLE), gathered(coverage, parents))
        return index + 1, terms, live, ended, self._follow(state, after, parents)

    def _covered(self, coverage: Tensor, after: Any) -> Tensor:
        if not self.coverage_penalty:
            return coverage
        return coverage + self._by_row(ops.cast(after["attention"], "float32"))

    def _collect(
        self,
        index: Tensor,
        terms: Terms,
        live: _Live,
        ended: _Ended,
        totals: Tensor,
        parents: Tensor,
        ending: Tensor,
        coverage: Tensor,
    ) -> _Ended:
        """Keep the best of the hypotheses that have ended, now or before."""
        width = self.width
        totals, parents, ending = (x[:, :width] for x in (totals, parents, ending))
        ending = ending & (totals > IMPOSSIBLE / 2) & ~self._done(index, terms, ended)[:, None]
        score = totals / ops.cast(index + 1, "float32") ** terms["penalty"]
        score = score + gathered(self._unread(coverage, terms), parents)[..., 0]
        scores = ops.concatenate([ended.scores, ops.where(ending, score, IMPOSSIBLE)], axis=1)
        sums = ops.concatenate([ended.sums, ops.where(ending, totals, IMPOSSIBLE)], axis=1)
        new = gathered(live.tokens, parents)
        new = ops.where(ops.arange(self.length) == index, self.rules.end_id, new)
        tokens = ops.concatenate([ended.tokens, new], axis=1)
        scores, order = ops.top_k(scores, width)
        sums = ops.take_along_axis(sums, order, axis=1)
        count = ended.count + ops.sum(ops.cast(ending, "int32"), axis=1)
        return _Ended(gathered(tokens, order), scores, sums, count)

    def _unread(self, coverage: Tensor, terms: Terms) -> Tensor:
        """(batch, beam, 1): the penalty for what each hypothesis has not attended to."""
        if not self.coverage_penalty:
            return coverage
        read = ops.log(ops.clip(coverage, 1e-6, 1.0))
        return self.coverage_penalty * ops.sum(read * terms["real"], axis=-1, keepdims=True)

    def _follow(self, before: Any, after: Any, parents: Tensor) -> Any:
        """The state of each hypothesis is its parent's.

        What a step hands on as it was, such as the keys and values of the source, is the same for
        all hypotheses of a row and stays where it is.
        """
        if self.width == 1:
            return after
        batch = ops.shape(parents)[0]
        rows = ops.reshape(parents + self.width * ops.arange(batch)[:, None], (-1,))
        moved: dict[int, Tensor] = {}  # a tensor may stand in several places

        def follow(old: Tensor, new: Tensor) -> Tensor:
            if new is old:
                return new
            if id(new) not in moved:
                moved[id(new)] = ops.take(new, rows, axis=0)
            return moved[id(new)]

        return keras.tree.map_structure(follow, before, after)

    def _by_row(self, x: Tensor) -> Tensor:
        """(batch * beam, size) to (batch, beam, size)."""
        return ops.reshape(x, (-1, self.width, ops.shape(x)[1]))
