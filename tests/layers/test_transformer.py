"""Transformer parts and stacks: equations, decoding step by step, depth and masks."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from toolkit.errors import ArgumentError
from toolkit.layers import (
    FeedForward,
    LayerNormalization,
    Residual,
    RMSNormalization,
    StochasticDepth,
    TokenEmbedding,
    TransformerDecoder,
    TransformerEncoder,
)

RNG = np.random.default_rng(1)
X = RNG.standard_normal((2, 9, 8)).astype("float32")
ENCODED = RNG.standard_normal((2, 5, 6)).astype("float32")
COUNTS = np.arange(5) < np.array([[5], [2]])


def layer_norm(x):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)


def test_normalisations() -> None:
    np.testing.assert_allclose(LayerNormalization()(X), layer_norm(X), atol=1e-5)
    rms = X / np.sqrt((X**2).mean(-1, keepdims=True) + 1e-6)
    np.testing.assert_allclose(RMSNormalization()(X), rms, atol=1e-5)


def test_gated_feed_forward() -> None:
    layer = FeedForward(5, activation="swiglu")
    got = layer(X)
    w, b, w2, b2 = layer.get_weights()
    gate, hidden = np.split(X @ w + b, 2, -1)
    np.testing.assert_allclose(got, gate / (1 + np.exp(-gate)) * hidden @ w2 + b2, atol=1e-5)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_residual(norm: str) -> None:
    layer = Residual(keras.layers.Lambda(lambda x: 3 * x), norm=norm)
    expected = X + 3 * layer_norm(X) if norm == "pre" else layer_norm(4 * X)
    np.testing.assert_allclose(layer(X), expected, atol=1e-5)


def test_stochastic_depth_keeps_the_mean() -> None:
    kept = StochasticDepth(0.25, seed=1)(np.ones((4000, 1), "float32"), training=True)
    assert abs(float(tf.reduce_mean(kept)) - 1) < 0.03


def test_token_embedding_mask_scale_and_tied_logits() -> None:
    layer = TokenEmbedding(11, 4, scale=True, mask_zero=True)
    ids = np.array([[3, 0]])
    vectors = layer(ids)
    table = layer.table.numpy()
    np.testing.assert_allclose(vectors, 2 * table[ids], atol=1e-6)
    assert keras.tree.flatten(layer.compute_mask(ids))[0].numpy().tolist() == [[True, False]]
    np.testing.assert_allclose(layer.logits(vectors), 2 * table[ids] @ table.T, atol=1e-5)
    with pytest.raises(ArgumentError, match=r"integer token ids.*Received: dtype="):
        layer(np.ones((1, 2), "float32"))


def test_masks_of_tokens_reach_every_layer() -> None:
    ids = keras.Input((None,), dtype="int32")
    x = TokenEmbedding(11, 8, mask_zero=True)(ids)
    model = keras.Model(ids, TransformerEncoder(2, 2, 16)(x))
    short, padded = model(np.array([[3, 4]])), model(np.array([[3, 4, 0, 0]]))
    np.testing.assert_allclose(short, padded[:, :2], atol=1e-5)


STACKS = [
    {"positions": positions, "norm": norm}
    for positions in (None, "sinusoidal", "learned", "rotary", "relative", "alibi")
    for norm in ("pre",)
]
STACKS += [
    {"norm": "post", "num_key_value_heads": 1},
    {"normalization": "rms", "activation": "swiglu"},
    {"attention": "blocked", "attention_options": {"block_length": 4}},
    {"attention": "local", "attention_options": {"window": 4}, "positions": "rotary"},
]


@pytest.mark.parametrize("options", STACKS, ids=str)
def test_decoding_equals_the_whole_at_every_step(options) -> None:
    decoder = TransformerDecoder(2, 4, 16, **options)
    whole = decoder(X, ENCODED, encoder_padding_mask=COUNTS)
    state = decoder.initial_state(ENCODED, batch_size=2, max_length=9)
    assert {len(leaf) for leaf in keras.tree.flatten(state)} == {2}
    step = tf.function(decoder.step)
    for index in range(9):
        y, state = step(X[:, index], state, tf.constant(index), COUNTS)
        np.testing.assert_allclose(y, whole[:, index], atol=2e-5)


def test_decoding_alone_in_half_precision() -> None:
    decoder = TransformerDecoder(1, 2, 16, dtype="mixed_bfloat16")
    whole = decoder(X)
    y, _ = decoder.step(X[:, 0], decoder.initial_state(None, 2, 4), 0)
    assert y.dtype == tf.bfloat16
    np.testing.assert_allclose(tf.cast(y, "float32"), tf.cast(whole[:, 0], "float32"), atol=0.05)


def test_deeper_layers_skip_more_often() -> None:
    encoder = TransformerEncoder(4, 2, 16, stochastic_depth=0.4)
    assert [layer.stochastic_depth for layer in encoder.layers] == pytest.approx(
        [0.1, 0.2, 0.3, 0.4]
    )


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: TransformerEncoder(0, 2, 16), "num_layers=0"),
        (lambda: TransformerEncoder(1, 2, 16, attention="none"), "attention='none'"),
        (lambda: TransformerEncoder(1, 2, 16, positions="absolute"), "positions='absolute'"),
        (lambda: TransformerEncoder(1, 2, 16, norm="before"), "norm='before'"),
        (lambda: FeedForward(16, activation="tanh"), "activation='tanh'"),
        (
            lambda: TransformerDecoder(1, 2, 16, attention="lsh").initial_state(None, 2, 4),
            "attention='lsh'",
        ),
    ],
)
def test_messages(make, words: str) -> None:
    with pytest.raises(ArgumentError, match=r"Expected .*Received: ") as error:
        make()
    assert words in str(error.value)
