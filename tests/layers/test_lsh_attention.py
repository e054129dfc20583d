"""LSH attention: exact with one bucket, rounds counted once, and its map."""

import numpy as np
import pytest
import tensorflow as tf

from toolkit.errors import ArgumentError
from toolkit.layers import LSHAttention

RNG = np.random.default_rng(1)
X = RNG.standard_normal((2, 21, 8)).astype("float32")
PADDED = np.arange(21) < np.array([[21], [15]])


def exact(layer: LSHAttention, causal: bool):
    """Attention with shared queries and keys, oneself the last resort."""
    q, k, v = (x.numpy() for x in layer._project(tf.constant(X), None))
    scores = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1]) - 1e5 * np.eye(21)
    mask = PADDED[:, None, None] & (np.tril(np.ones((21, 21))) > 0 if causal else True)
    scores = np.where(mask, scores, -1e9)
    p = np.exp(scores - scores.max(-1, keepdims=True))
    p = p / p.sum(-1, keepdims=True) * PADDED[:, None, :, None]
    return layer._join(tf.constant(p @ v, "float32")), p


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("rounds", [1, 3])
def test_one_bucket_is_exact_attention(causal: bool, rounds: int) -> None:
    layer = LSHAttention(2, num_buckets=1, num_hashes=rounds, chunk_length=24)
    options = {"mask": PADDED, "use_causal_mask": causal}
    got, scores = layer(X, **options, return_attention_scores=True)
    expected, p = exact(layer, causal)
    np.testing.assert_allclose(got, expected, atol=1e-5)
    np.testing.assert_allclose(scores, p, atol=1e-6)


def test_rounds_attend_to_the_union_of_what_they_meet() -> None:
    layer = LSHAttention(2, num_buckets=4, num_hashes=3, chunk_length=24, seed=1)
    _, got = layer(X, return_attention_scores=True)
    q, k, _ = (x.numpy() for x in layer._project(tf.constant(X), None))
    turned = np.einsum("bhtd,rdn->bhrtn", k, layer.rotations.numpy())
    bucket = np.concatenate([turned, -turned], -1).argmax(-1)
    meets = (bucket[..., :, None] == bucket[..., None, :]).any(2)
    scores = np.where(meets, q @ k.swapaxes(-1, -2) / 2.0 - 1e5 * np.eye(21), -1e9)
    p = np.exp(scores - scores.max(-1, keepdims=True))
    np.testing.assert_allclose(got, p / p.sum(-1, keepdims=True), atol=1e-5)


def test_the_map_gives_the_output_and_sees_no_later_step() -> None:
    layer = LSHAttention(2, num_buckets=4, num_hashes=2, chunk_length=4, seed=1)
    y, scores = layer(X, use_causal_mask=True, return_attention_scores=True)
    value = layer._project(tf.constant(X), None)[2]
    np.testing.assert_allclose(y, layer._join(tf.matmul(scores, value)), atol=1e-5)
    assert not np.triu(scores.numpy(), 1).any()
    np.testing.assert_allclose(tf.reduce_sum(scores, -1), np.ones((2, 2, 21)), atol=1e-5)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: LSHAttention(2, num_buckets=5), "num_buckets=5"),
        (lambda: LSHAttention(2)(X, X), "Expected no context"),
        (lambda: LSHAttention(2).step(X[:, 0], {}), "to decode step by step"),
    ],
)
def test_messages(make, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        make()
