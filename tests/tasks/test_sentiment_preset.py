"""Fine-tuning a keras-nlp backbone, on a small preset made here."""

from pathlib import Path
from typing import Any

import keras_nlp
import numpy as np
import pytest
import tensorflow as tf

import toolkit
from tests.tasks.test_sentiment import reviews
from toolkit.errors import RecipeError

WORDS = [
    "the",
    "film",
    "book",
    "song",
    "number",
    "was",
    "good",
    "fine",
    "lovely",
    "bad",
    "poor",
    "awful",
]


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("preset")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    tokenizer = keras_nlp.models.BertTokenizer(vocabulary=vocabulary, lowercase=True)
    backbone = keras_nlp.models.BertBackbone(
        vocabulary_size=len(vocabulary),
        num_layers=1,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=16,
        max_sequence_length=16,
    )
    preprocessor = keras_nlp.models.BertTextClassifierPreprocessor(tokenizer, sequence_length=16)
    backbone.save_to_preset(str(directory))
    preprocessor.save_to_preset(str(directory))
    return directory


def fit(preset: str, directory: Path, **train: Any) -> Any:
    return toolkit.fit(
        task="sentiment",
        data={
            "train": reviews(),
            "text": "review",
            "label": "stars",
            "sequence_length": 16,
        },
        model={"type": "preset", "preset": preset},
        train={"epochs": 3, "batch_size": 16, "learning_rate": 0.01, "compile": "none", **train},
        evaluate={"bootstrap": 0},
        run=directory,
    )


@pytest.mark.slow
def test_fine_tuned_exported_and_loaded_without_the_preset(preset: Path, tmp_path: Path) -> None:
    run = fit(str(preset), tmp_path / "run")
    texts = ["the film was lovely", "the song was awful", ""]
    predicted = run.predict(texts)
    served = tf.saved_model.load(str(tmp_path / "run" / "export"))
    answer = served.signatures["serve"](text=tf.constant(texts))
    np.testing.assert_allclose(answer["score"], predicted["score"], atol=1e-5)
    again = toolkit.load_run(tmp_path / "run").predict(texts)
    np.testing.assert_allclose(again["score"], predicted["score"], atol=1e-6)


@pytest.mark.slow
def test_the_precision_and_the_replicas_reach_the_backbone(preset: Path, tmp_path: Path) -> None:
    run = fit(str(preset), tmp_path / "run", devices="cpu:2", precision="mixed_bfloat16", epochs=1)
    layers = [layer for layer in run.model.layers if "transformer" in layer.name]
    assert [layer.dtype_policy.name for layer in layers] == ["mixed_bfloat16"]


def test_an_unknown_preset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"model\.preset: the preset cannot be loaded"):
        fit(str(tmp_path / "missing"), tmp_path / "run")
    assert not (tmp_path / "run").exists()
