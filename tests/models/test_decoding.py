"""Search against brute force, and what must not change an answer."""

import itertools
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from toolkit.models.beam import beam_search
from toolkit.models.decoding import Rules
from toolkit.models.largest import largest
from toolkit.models.sampling import sample, uniform

VOCABULARY, START, END = 6, 2, 3
LETTERS = [1, 4, 5]  # all that may be chosen besides the end


class Chain:
    """Logits from a table of (source, position, token before), with the history as its state."""

    def __init__(self, seed: int = 0) -> None:
        random = np.random.default_rng(seed)
        self.table = random.normal(size=(4, 8, VOCABULARY, VOCABULARY)).astype("float32") * 2

    def initial_state(self, encoded: Any, batch_size: Any, max_length: Any) -> Any:
        return {"source": encoded, "seen": tf.zeros((batch_size,), tf.int32)}

    def step(self, tokens: Any, state: Any, index: Any) -> Any:
        key = tf.stack([state["source"], tf.minimum(index, 7) + tf.zeros_like(tokens), tokens], 1)
        logits = (
            tf.gather_nd(self.table, key) + 0.3 * tf.cast(state["seen"] % 3, tf.float32)[:, None]
        )
        logits = logits * (1 + 0.1 * tf.cast(state["seen"] % 5, tf.float32))[:, None]
        return logits, {**state, "seen": state["seen"] * 2 + tokens}

    def log_probability(self, source: int, letters: tuple[int, ...]) -> float:
        """NumPy's: of the whole output with its end."""
        total, seen, before = 0.0, 0, START
        for index, token in enumerate([*letters, END]):
            logits = (self.table[source, index, before] + 0.3 * (seen % 3)) * (1 + 0.1 * (seen % 5))
            # the state is updated by the token before, after its logits
            total += logits[token] - np.log(np.exp(logits).sum())
            seen, before = seen * 2 + before, token
        return float(total)


def every_output(limit: int) -> list[tuple[int, ...]]:
    return [p for n in range(limit) for p in itertools.product(LETTERS, repeat=n)]


def searched(limits: list[int], sources: list[int], **options: Any) -> Any:
    rules = Rules(START, END, tf.constant(limits), options.pop("prefix", None))
    run = tf.function(lambda s: beam_search(Chain(), s, rules, **options))
    return [np.asarray(value) for value in run(tf.constant(sources))]


def letters(row: np.ndarray) -> tuple[int, ...]:
    return tuple(int(token) for token in row if token)


@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
def test_a_wide_beam_is_brute_force(length_penalty: float) -> None:
    limits, sources = [4, 3], [0, 1]
    options = {"beam_size": 64, "num_answers": 5, "length_penalty": length_penalty}
    tokens, scores, sums = searched(limits, sources, **options)
    chain = Chain()
    for row, (limit, source) in enumerate(zip(limits, sources, strict=True)):
        known = {y: chain.log_probability(source, y) for y in every_output(limit)}
        ranked = sorted(known, key=lambda y: -known[y] / (len(y) + 1) ** length_penalty)[:5]
        assert [letters(found) for found in tokens[row]] == ranked
        np.testing.assert_allclose(sums[row], [known[y] for y in ranked], rtol=1e-5)
        want = [known[y] / (len(y) + 1) ** length_penalty for y in ranked]
        np.testing.assert_allclose(scores[row], want, rtol=1e-5)


def test_each_row_has_a_length_penalty_of_its_own() -> None:
    together = searched([4, 4], [0, 0], beam_size=8, length_penalty=tf.constant([0.0, 2.0]))
    for row, penalty in enumerate([0.0, 2.0]):
        alone = searched([4], [0], beam_size=8, length_penalty=penalty)
        for value, want in zip(together, alone, strict=True):
            np.testing.assert_allclose(value[row], want[0], rtol=1e-5)
    assert (together[0][1] != 0).sum() > (together[0][0] != 0).sum()


def test_a_beam_of_one_is_greedy() -> None:
    chain = Chain()
    for source in range(4):
        tokens, _, sums = searched([6], [source])
        found: tuple[int, ...] = ()
        while len(found) < 5:
            heads = {t: _next(chain, source, found, t) for t in [*LETTERS, END]}
            best = max(heads, key=lambda t: heads[t])
            if best == END:
                break
            found = (*found, best)
        assert letters(tokens[0, 0]) == found
        assert sums[0, 0] == pytest.approx(chain.log_probability(source, found), rel=1e-5)


def _next(chain: Chain, source: int, before: tuple[int, ...], token: int) -> float:
    total, seen, last = 0.0, 0, START
    for index, each in enumerate([*before, token]):
        logits = (chain.table[source, index, last] + 0.3 * (seen % 3)) * (1 + 0.1 * (seen % 5))
        total = logits[each]
        seen, last = seen * 2 + last, each
    return float(total)


def test_rows_do_not_depend_on_the_batch() -> None:
    options = {"beam_size": 3, "num_answers": 3}
    together = searched([5, 2, 7, 4], [0, 1, 2, 3], **options)
    for row, limit in enumerate([5, 2, 7, 4]):
        alone = searched([limit], [row], **options)
        for a, b in zip(together, alone, strict=True):
            np.testing.assert_allclose(a[row][..., : b.shape[-1]], b[0], rtol=1e-6)


@pytest.mark.parametrize("beam_size", [1, 3])
def test_rows_that_are_done_leave_the_others_as_they_are(beam_size: int) -> None:
    random = np.random.default_rng(0)
    limits = random.permutation(np.repeat([1, 2, 3, 7], [9, 9, 9, 3])).tolist()
    sources = random.integers(0, 4, 30).tolist()
    prefix = np.where(random.random((30, 1)) < 0.3, 5, 0).astype("int32")
    penalty = random.random(30).astype("float32")
    signature = [
        tf.TensorSpec([None], tf.int32),
        tf.TensorSpec([None], tf.int32),
        tf.TensorSpec([None, 1], tf.int32),
        tf.TensorSpec([None], tf.float32),
    ]

    @tf.function(input_signature=signature)
    def run(limits: Any, sources: Any, prefix: Any, penalty: Any) -> Any:
        rules = Rules(START, END, limits, prefix)
        given = {"beam_size": beam_size, "num_answers": beam_size, "length_penalty": penalty}
        return beam_search(Chain(), sources, rules, **given)

    rows = [np.array(limits, "int32"), np.array(sources, "int32"), prefix, penalty]
    together = run(*rows)
    for row in range(30):
        alone = run(*(each[row : row + 1] for each in rows))
        for a, b in zip(together, alone, strict=True):
            np.testing.assert_allclose(a[row][..., : b.shape[-1]], b[0], rtol=1e-5)


def test_forced_prefixes() -> None:
    prefix = tf.constant([[5, 4], [1, 0]])
    tokens, _, _ = searched([6, 6], [0, 0], beam_size=3, num_answers=3, prefix=prefix)
    assert {letters(row)[:2] for row in tokens[0]} == {(5, 4)}
    assert {letters(row)[:1] for row in tokens[1]} == {(1,)}
    tokens, _, _ = searched([2], [0], prefix=tf.constant([[5, 4, 1]]))
    assert letters(tokens[0, 0]) == (5,)  # the limit is kept


def test_a_limit_of_one_is_an_empty_answer() -> None:
    tokens, scores, sums = searched([1, 3], [0, 1], beam_size=2)
    assert letters(tokens[0, 0]) == ()
    assert scores[0, 0] == pytest.approx(sums[0, 0])


def drawn(seeds: Any, **options: Any) -> Any:
    rules = Rules(START, END, tf.fill(tf.shape(seeds), 4))
    run = tf.function(lambda s: sample(Chain(), tf.zeros_like(s), rules, seeds=s, **options))
    return [np.asarray(value) for value in run(seeds)]


def test_samples_follow_the_model() -> None:
    tokens, scores, _ = drawn(tf.range(4000))
    chain = Chain()
    found = [letters(row) for row in tokens[:, 0]]
    for output in sorted(set(found), key=found.count)[-3:]:
        share = np.exp(_allowed(chain, output))
        assert found.count(output) / 4000 == pytest.approx(share, abs=0.03)
    again = drawn(tf.constant([17]))
    assert letters(again[0][0, 0]) == found[17]
    assert scores[17, 0] == pytest.approx(again[1][0, 0], rel=1e-5)


def _allowed(chain: Chain, output: tuple[int, ...]) -> float:
    """Log-probability where padding and the start cannot be drawn, and the limit ends."""
    total, seen, before = 0.0, 0, START
    for index, token in enumerate([*output, END]):
        logits = (chain.table[0, index, before] + 0.3 * (seen % 3)) * (1 + 0.1 * (seen % 5))
        if index < 3:
            total += logits[token] - np.log(np.exp(logits[[*LETTERS, END]]).sum())
        seen, before = seen * 2 + before, token
    return float(total)


def test_a_sample_from_one_token_is_greedy() -> None:
    greedy, _, _ = searched([4], [0])
    for options in ({"top_k": 1}, {"top_p": 1e-6}, {"temperature": 1e-3}):
        tokens, _, _ = drawn(tf.range(5), **options)
        assert {letters(row[0]) for row in tokens} == {letters(greedy[0, 0])}


def test_several_samples_differ() -> None:
    tokens, scores, _ = drawn(tf.constant([1, 2]), num_answers=8)
    assert len({letters(row) for row in tokens[0]}) > 1
    assert (np.diff(scores, axis=1) <= 0).all()


def test_uniform_numbers() -> None:
    numbers = np.array([uniform(tf.range(1000), tf.constant(i)) for i in range(10)])
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert abs(numbers.mean() - 0.5) < 0.01
    assert abs(np.corrcoef(numbers[0], numbers[1])[0, 1]) < 0.1


@pytest.mark.parametrize("size", [1000, 997, 960, 40, 12])
@pytest.mark.parametrize("count", [1, 2, 10])
def test_the_largest_are_those_of_top_k(size: int, count: int) -> None:
    x = np.random.default_rng(0).integers(0, 50, (7, size)).astype("float32")  # many are equal
    for found, expected in zip(largest(x, count), ops.top_k(x, count), strict=True):
        np.testing.assert_array_equal(found, expected)
