"""Multi-head attention against NumPy, its masks, its cache and its messages."""

import numpy as np
import pytest
import tensorflow as tf

from toolkit.errors import ArgumentError
from toolkit.layers import BlockedAttention, LocalAttention, MultiHeadAttention

RNG = np.random.default_rng(1)
X = RNG.standard_normal((2, 9, 8)).astype("float32")
CONTEXT = RNG.standard_normal((2, 5, 6)).astype("float32")
PADDED = np.arange(9) < np.array([[9], [6]])


def reference(q, k, v, mask):
    """softmax(q k' / sqrt(d)) v for one head each, (batch, heads, time, d)."""
    scores = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])
    scores = np.where(mask, scores, -1e9)
    p = np.exp(scores - scores.max(-1, keepdims=True))
    p = p / p.sum(-1, keepdims=True) * mask.any(-1, keepdims=True)
    return p @ v, p


def heads(x, dense, count):
    y = x @ dense.kernel.numpy() + dense.bias.numpy()
    return y.reshape(*x.shape[:2], count, -1).transpose(0, 2, 1, 3)


def joined(output, dense):
    batch, _, time, _ = output.shape
    flat = output.transpose(0, 2, 1, 3).reshape(batch, time, -1)
    return flat @ dense.kernel.numpy() + dense.bias.numpy()


@pytest.mark.parametrize("shared", [1, 2, 4])
def test_self_attention_is_the_papers(shared: int) -> None:
    layer = MultiHeadAttention(4, num_key_value_heads=shared)
    got, scores = layer(X, mask=PADDED, use_causal_mask=True, return_attention_scores=True)
    fused = heads(X, layer.query_key_value, 4 + 2 * shared)
    k, v = (np.repeat(x, 4 // shared, 1) for x in np.split(fused[:, 4:], 2, axis=1))
    mask = PADDED[:, None, None] & np.tril(np.ones((9, 9), bool))
    output, p = reference(fused[:, :4], k, v, mask)
    np.testing.assert_allclose(got, joined(output, layer.output_dense), atol=1e-5)
    np.testing.assert_allclose(scores, p, atol=1e-6)


def test_cross_attention_is_the_papers() -> None:
    layer = MultiHeadAttention(2, head_dim=3)
    counts = np.arange(5) < np.array([[5], [2]])
    got = layer(X, CONTEXT, padding_mask=counts)
    k, v = np.split(heads(CONTEXT, layer.key_value, 4), 2, axis=1)
    output, _ = reference(heads(X, layer.query, 2), k, v, counts[:, None, None])
    np.testing.assert_allclose(got, joined(output, layer.output_dense), atol=1e-5)


def test_nothing_to_attend_gives_the_bias_alone() -> None:
    layer = MultiHeadAttention(2)
    y, scores = layer(X, padding_mask=np.zeros((2, 9), bool), return_attention_scores=True)
    np.testing.assert_array_equal(scores, np.zeros((2, 2, 9, 9)))
    np.testing.assert_allclose(y, np.broadcast_to(layer.output_dense.bias, y.shape), atol=1e-6)


def test_attention_mask_and_single_step() -> None:
    layer = MultiHeadAttention(2)
    only_self = layer(X, attention_mask=np.eye(9, dtype=bool))
    np.testing.assert_allclose(only_self[:, 3:4], layer(X[:, 3:4]), atol=1e-5)


KINDS = [
    *(
        lambda p=p, s=s: MultiHeadAttention(4, num_key_value_heads=s, positions=p)
        for p in (None, "rotary", "relative", "alibi")
        for s in (None, 2)
    ),
    lambda: BlockedAttention(4, block_length=4, positions="rotary"),
    lambda: LocalAttention(4, window=4, global_positions=[0, 3], positions="rotary"),
]


@pytest.mark.parametrize("make", KINDS)
def test_decoding_equals_the_whole_at_every_step(make) -> None:
    layer = make()
    whole = layer(X, use_causal_mask=True)
    cache = layer.initial_cache(2, 12)
    step = tf.function(layer.step)
    for index in range(9):
        y, cache = step(X[:, index], cache, tf.constant(index))
        np.testing.assert_allclose(y, whole[:, index], atol=1e-5)


def test_a_cache_that_grows_decodes_alike() -> None:
    layer = MultiHeadAttention(4, num_key_value_heads=2, positions="rotary")
    whole = layer(X, use_causal_mask=True)
    cache = layer.initial_cache(2, tf.constant(12))
    for index in range(9):
        y, cache = layer.step(X[:, index], cache, tf.constant(index))
        assert all(part.shape[2] == index + 1 for part in cache.values())
        np.testing.assert_allclose(y, whole[:, index], atol=1e-5)


def test_cross_decoding_reads_keys_made_once() -> None:
    layer = MultiHeadAttention(4)
    counts = np.arange(5) < np.array([[5], [2]])
    whole = layer(X, CONTEXT, padding_mask=counts)
    context = layer.project_context(CONTEXT)
    y, same = layer.step(X[:, 4], context, padding_mask=counts)
    np.testing.assert_allclose(y, whole[:, 4], atol=1e-5)
    assert same is context


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: MultiHeadAttention(0), "positive integer. Received: num_heads=0"),
        (lambda: MultiHeadAttention(4, num_key_value_heads=3), "multiple of num_key_value_heads"),
        (lambda: MultiHeadAttention(4, positions="learned"), "positions='learned'"),
        (lambda: MultiHeadAttention(4, dropout=1.0), "dropout=1.0"),
        (lambda: MultiHeadAttention(3)(X), "num_heads=3, query of shape"),
        (lambda: MultiHeadAttention(2)(X[0]), "Expected 3 axes. Received: query"),
        (lambda: MultiHeadAttention(2, positions="rotary")(X, CONTEXT), "only in self-attention"),
        (lambda: BlockedAttention(2)(X, attention_mask=np.eye(9)), "attention_mask"),
        (lambda: LocalAttention(2, window=1), "window=1"),
    ],
)
def test_messages(make, words: str) -> None:
    with pytest.raises(ArgumentError, match=r"Expected .*Received: ") as error:
        make()
    assert words in str(error.value)
