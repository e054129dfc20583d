"""Outputs of any decoder drawn at random, in the graph, by seeds of the rows."""

from typing import Any

from keras import ops

from toolkit.layers.arguments import Tensor, check_positive
from toolkit.models.decoding import Answers, Decoder, Rules, gathered, longest, repeated


def sample(
    decoder: Decoder,
    encoded: Any,
    rules: Rules,
    *,
    seeds: Tensor,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    num_answers: int = 1,
) -> Answers:
    """Outputs drawn at random, the likeliest first; the same seeds draw the same.

    Args:
        decoder: a built model.
        encoded: what `decoder.initial_state` takes.
        rules: what outputs may look like.
        seeds: integers (batch,).
        temperature: below 1 for likelier tokens, above 1 for more variety.
        top_k: draw from so many of the likeliest tokens; None for all.
        top_p: draw from the likeliest tokens that together have this probability; None for all.
        num_answers: independent draws for each row.

    Returns:
        The answers; scores are their log-probabilities under the model itself.

    Raises:
        ArgumentError: sizes below 1.

    Reference: for `top_p`, Holtzman et al. (arXiv 1904.09751).
    """
    check_positive(num_answers=num_answers)
    batch, length = ops.shape(rules.limits)[0], longest(rules.limits, encoded)
    state = decoder.initial_state(encoded, batch, length)
    state = repeated(decoder, state, num_answers)
    seeds = ops.repeat(seeds, num_answers, axis=0) + ops.tile(ops.arange(num_answers), (batch,))
    rows = batch * num_answers

    def goes_on(index: Tensor, tokens: Tensor, total: Tensor, done: Tensor, state: Any) -> Tensor:
        return ops.logical_and(index < length, ops.any(~done))

    def advance(index: Tensor, tokens: Tensor, total: Tensor, done: Tensor, state: Any) -> Any:
        before = ops.take(tokens, ops.maximum(index - 1, 0), axis=1)
        before = ops.where(index > 0, before, rules.start_id)
        logits, state = decoder.step(before, state, index)
        values = rules.allowed(logits, index, num_answers)
        chosen = _draw(values / temperature, uniform(seeds, index), top_k, top_p)
        step = ops.take_along_axis(values, chosen[:, None], axis=1)[:, 0]
        tokens = ops.where((ops.arange(length) == index) & ~done[:, None], chosen[:, None], tokens)
        total = total + ops.where(done, 0.0, step)
        done = ops.logical_or(done, chosen == rules.end_id)
        return index + 1, tokens, total, done, state

    zeros = ops.zeros((rows, length), "int32")
    first = (ops.cast(0, "int32"), zeros, ops.zeros((rows,)), zeros[:, 0] > 0, state)
    _, tokens, total, _, _ = ops.while_loop(goes_on, advance, first)
    tokens = ops.reshape(ops.where(tokens == rules.end_id, 0, tokens), (batch, num_answers, -1))
    scores, order = ops.top_k(ops.reshape(total, (batch, num_answers)), num_answers)
    return Answers(gathered(tokens, order), scores, scores)


def _draw(values: Tensor, share: Tensor, top_k: int | None, top_p: float | None) -> Tensor:
    """One token a row: where `share` of the probability of those that are kept ends."""
    size = min(top_k or values.shape[-1], values.shape[-1])
    best, tokens = ops.top_k(values, size)
    weights = ops.exp(best - best[:, :1])
    probabilities = weights / ops.sum(weights, axis=-1, keepdims=True)
    if top_p is not None:
        above = ops.cumsum(probabilities, axis=-1) - probabilities
        probabilities = ops.where(above < top_p, probabilities, 0.0)
    reached = ops.cumsum(probabilities, axis=-1)
    place = ops.sum(ops.cast(reached <= share[:, None] * reached[:, -1:], "int32"), axis=-1)
    place = ops.minimum(place, size - 1)
    return ops.cast(ops.take_along_axis(tokens, place[:, None], axis=1)[:, 0], "int32")


def uniform(seeds: Tensor, index: Tensor) -> Tensor:
    """Numbers (batch,) in [0, 1) of (seed, index) alone: the finish of MurmurHash3."""
    x = ops.cast(seeds, "uint32") + ops.cast(index, "uint32") * ops.cast(0x9E3779B9, "uint32")
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        x = ops.bitwise_xor(x, ops.right_shift(x, ops.cast(shift, "uint32")))
        x = x * ops.cast(factor, "uint32")
    x = ops.bitwise_xor(x, ops.right_shift(x, ops.cast(16, "uint32")))
    return ops.cast(ops.right_shift(x, ops.cast(8, "uint32")), "float32") / 2.0**24
