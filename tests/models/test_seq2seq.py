"""Every kind of model: a step equals the whole sequence, padding changes nothing, it reloads."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from toolkit.models import seq2seq
from toolkit.models.beam import beam_search
from toolkit.models.decoding import Rules
from toolkit.models.seq2seq import Seq2Seq, Uncached
from toolkit.models.seq2seq_ensemble import Seq2SeqEnsemble

DIM, SIZE, START, END = 16, 12, 2, 3
SOURCE = np.array([[4, 5, 6, 7, END], [8, 9, END, 0, 0]], np.int32)
TARGET = np.array([[5, 4, END, 0], [7, 6, 8, END]], np.int32)


def make(kind: str, **options: Any) -> Seq2Seq | Seq2SeqEnsemble:
    keras.utils.set_random_seed(0)  # first values have no seed of their own
    if kind == "ensemble":  # one whose hypotheses share the source's rows, and one where none do
        return Seq2SeqEnsemble([make("transformer"), make("rnn additive")])
    attending = {"num_layers": 2, "num_heads": 2, "intermediate_dim": 24, "norm": "pre"}
    dropping = {"dropout": 0.1, "activation_dropout": 0.1, "seed": 0}
    encoder: Any
    if kind.startswith("rnn"):
        encoder = seq2seq.recurrent_encoder(DIM, 2, "gru", 0.1, 0)
    else:
        encoder = seq2seq.transformer_encoder(**attending, **dropping)
    if kind == "transformer":
        decoder: Any = seq2seq.transformer_decoder(**attending, **dropping)
    else:
        attention = {"rnn dot": "dot", "rnn none": "none", "rnn general": "general"}
        decoder = seq2seq.recurrent_decoder(
            DIM, 2, "lstm", attention.get(kind, "additive"), kind == "rnn fed", 0.1, 0
        )
    model = Seq2Seq(encoder, decoder, SIZE, SIZE, DIM, START, **options)
    for weight in model.trainable_weights:  # away from the small first values
        weight.assign(weight + 0.3 * keras.random.normal(weight.shape, seed=1))
    return model


KINDS: tuple[Any, ...] = (
    "transformer",
    "rnn additive",
    *(
        pytest.param(kind, marks=pytest.mark.slow)
        for kind in ("ensemble", "hybrid", "rnn dot", "rnn fed", "rnn general", "rnn none")
    ),
)


@pytest.fixture(scope="module", params=KINDS)
def model(request: pytest.FixtureRequest) -> Any:
    return make(request.param, share_embeddings=request.param == "transformer")


def test_steps_equal_the_whole(model: Any) -> None:
    whole = np.asarray(model({"source": SOURCE, "target": TARGET}))
    state = model.initial_state(model.encode(SOURCE), 2, 4)
    tokens = np.full(2, START, np.int32)
    for index in range(4):
        logits, state = model.step(tokens, state, index)
        np.testing.assert_allclose(logits, whole[:, index], atol=2e-5)
        tokens = TARGET[:, index]


def test_padding_changes_nothing(model: Any) -> None:
    whole = np.asarray(model({"source": SOURCE, "target": TARGET}))
    wider = {
        "source": np.pad(SOURCE, ((0, 0), (0, 3))),
        "target": np.pad(TARGET, ((0, 0), (0, 2))),
    }
    np.testing.assert_allclose(np.asarray(model(wider))[:, :4], whole, atol=2e-5)


def found(decoder: Any, source: np.ndarray, limit: int = 6, beam_size: int = 3) -> Any:
    @tf.function
    def run(source: Any) -> Any:
        rules = Rules(START, END, tf.fill([tf.shape(source)[0]], limit))
        encoded = decoder.encode(source)
        return beam_search(decoder, encoded, rules, beam_size=beam_size, num_answers=beam_size)

    return [np.asarray(value) for value in run(tf.constant(source))]


def test_cached_search_equals_uncached(model: Any) -> None:
    cached, plain = found(model, SOURCE), found(Uncached(model), SOURCE)
    np.testing.assert_array_equal(cached[0], plain[0])
    np.testing.assert_allclose(cached[1], plain[1], atol=2e-5)


def test_search_does_not_depend_on_batch_and_padding(model: Any) -> None:
    together = found(model, np.pad(SOURCE, ((0, 0), (0, 2))))
    alone = found(model, SOURCE[1:, :3])
    np.testing.assert_array_equal(together[0][1], alone[0][0])
    np.testing.assert_allclose(together[1][1], alone[1][0], atol=2e-5)


def test_saved_models_answer_alike(model: Any, tmp_path: Path) -> None:
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    inputs = {"source": SOURCE, "target": TARGET}
    np.testing.assert_allclose(again(inputs), model(inputs), atol=1e-6)
    assert again.get_config() == model.get_config()


def test_every_weight_learns(model: Any) -> None:
    with tf.GradientTape() as tape:
        logits = model({"source": SOURCE, "target": TARGET}, training=True)
        loss = tf.reduce_mean(tf.square(tf.nn.softmax(logits)))
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    assert all(gradient is not None for gradient in gradients)
    again = model({"source": SOURCE, "target": TARGET}, training=True)
    assert not np.allclose(again, logits)  # dropout is on


@pytest.mark.parametrize(
    "kind", ["rnn additive", "transformer", pytest.param("ensemble", marks=pytest.mark.slow)]
)
def test_coverage_costs_what_is_left_unread(kind: str) -> None:
    model = make(kind)

    def best(penalty: float) -> Any:
        rules = Rules(START, END, tf.fill([2], 6))
        return beam_search(
            model, model.encode(SOURCE), rules, beam_size=4, coverage_penalty=penalty
        )

    with_penalty, without = np.asarray(best(5.0).scores), np.asarray(best(0.0).scores)
    assert (with_penalty <= without + 1e-6).all()
    assert (with_penalty < without - 0.1).any()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["transformer", "rnn additive", "rnn fed"])
def test_half_precision(kind: str) -> None:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = make(kind)
    finally:
        keras.config.set_dtype_policy(before)
    assert model({"source": SOURCE, "target": TARGET}).dtype == tf.bfloat16
    assert np.isfinite(found(model, SOURCE)[1][:, 0]).all()
    with tf.GradientTape() as tape:
        logits = model({"source": SOURCE, "target": TARGET}, training=True)
        loss = tf.reduce_mean(tf.square(tf.cast(logits, tf.float32)))
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    assert all(gradient is not None for gradient in gradients)


def test_an_ensemble_answers_with_the_geometric_mean() -> None:
    model = make("ensemble")
    inputs = {"source": SOURCE, "target": TARGET}
    each = [keras.ops.softmax(member(inputs)) for member in model.members]
    product = np.sqrt(np.asarray(each[0]) * np.asarray(each[1]))
    want = product / product.sum(-1, keepdims=True)
    np.testing.assert_allclose(keras.ops.softmax(model(inputs)), want, atol=1e-5)
