"""Text classifiers: shapes, padding, and one by one the ways to read a text."""

from pathlib import Path

import keras
import numpy as np
import pytest

from toolkit.models import classifier
from toolkit.models.ensemble import ensemble

ENCODERS = {
    "cnn": classifier.cnn_encoder(4, (2, 3)),
    "rnn": classifier.recurrent_encoder("rnn", 4, 1, False, "none", 0.1, 1),
    "lstm_additive": classifier.recurrent_encoder("lstm", 4, 1, True, "additive", 0.1, 1),
    "gru_dot": classifier.recurrent_encoder("gru", 4, 2, True, "dot", 0.1, 1),
    "gru_multi_head": classifier.recurrent_encoder("gru", 4, 1, True, "multi_head", 0.1, 1),
    "transformer": classifier.transformer_encoder(1, 2, 8, 0.1, 1),
    "hybrid": classifier.hybrid_encoder(1, 2, 0.1, 1),
}
IDS = np.array([[3, 4, 5, 6, 2], [7, 8, 0, 0, 0]], "int32")


def network(name: str) -> keras.Model:
    keras.utils.set_random_seed(1)
    return classifier.network(ENCODERS[name], 3, 20, 8, 0.2, 0.1, 1, name)


@pytest.mark.parametrize("name", ENCODERS)
def test_padding_changes_nothing(name: str) -> None:
    model = network(name)
    wider = np.pad(IDS, [(0, 0), (0, 3)])
    assert model({"token_ids": IDS}).shape == (2, 1, 3)
    np.testing.assert_allclose(
        model({"token_ids": IDS}), model({"token_ids": wider}), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("name", ENCODERS)
def test_an_empty_text_is_answered(name: str) -> None:
    assert np.isfinite(network(name)({"token_ids": np.zeros((1, 2), "int32")})).all()


def test_an_ensemble_shares_inputs_and_reloads(tmp_path: Path) -> None:
    bag = classifier.bag(3, {"word_ngrams": 9, "character_ngrams": 5}, "bag")
    model = ensemble([bag, network("cnn"), network("lstm_additive")])
    inputs = {
        "token_ids": IDS,
        "word_ngrams": np.array([[1, 8], [0, 0]], "int32"),
        "character_ngrams": np.array([[1], [4]], "int32"),
    }
    logits = model(inputs)
    assert logits.shape == (2, 4, 3)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(inputs), logits)
