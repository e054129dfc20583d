"""Fine-tuning keras-nlp presets from texts to texts, on small ones made here."""

import io
from pathlib import Path
from typing import Any

import keras_nlp
import numpy as np
import pytest
import sentencepiece
import tensorflow as tf

import toolkit
from tests.tasks.test_translation import pairs
from toolkit.errors import DataError, RecipeError, RunError
from toolkit.models.beam import beam_search
from toolkit.models.decoding import Rules
from toolkit.models.seq2seq import Uncached
from toolkit.tasks.translation.preset import PresetSides

pytestmark = [
    pytest.mark.slow,
    # T5's embedding marks padding, and its attention goes by another mask.
    pytest.mark.filterwarnings("ignore:(?s)Layer .*T5MultiHeadAttention:UserWarning"),
    # Its tokeniser's file is left open by keras-hub.
    pytest.mark.filterwarnings(
        "ignore:(?s).*vocabulary.spm:pytest.PytestUnraisableExceptionWarning"
    ),
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
]

SIZES = {"num_layers": 2, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 32}


def bart(folder: Path) -> None:
    """Letters as pieces: enough to spell any word of the demo."""
    letters = [chr(code) for code in range(ord("!"), ord("~") + 1)]
    known = ["<s>", "<pad>", "</s>", "<unk>", "\u0120", "\u0120t", *letters]
    vocabulary = {piece: number for number, piece in enumerate(known)}
    tokenizer = keras_nlp.models.BartTokenizer(vocabulary, ["\u0120 t"])
    preprocessor = keras_nlp.models.BartSeq2SeqLMPreprocessor(tokenizer)
    backbone = keras_nlp.models.BartBackbone(len(vocabulary), **SIZES, max_sequence_length=128)
    backbone.save_to_preset(str(folder))
    preprocessor.save_to_preset(str(folder))


def t5(folder: Path) -> None:
    """A few pieces of the demo's words."""
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([*pairs(100)["source"], *pairs(100)["target"]]),
        model_writer=written,
        vocab_size=120,
        model_type="bpe",
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        eos_piece="</s>",
        pad_piece="<pad>",
        minloglevel=2,
    )
    tokenizer = keras_nlp.models.T5Tokenizer(written.getvalue())
    preprocessor = keras_nlp.models.T5Seq2SeqLMPreprocessor(tokenizer)
    backbone = keras_nlp.models.T5Backbone(tokenizer.vocabulary_size(), **SIZES)
    backbone.save_to_preset(str(folder))
    preprocessor.save_to_preset(str(folder))


@pytest.fixture(scope="module", params=[bart, t5], ids=["bart", "t5"])
def preset(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("preset")
    request.param(folder)
    return folder


def test_ids_and_texts(preset: Path, tmp_path: Path) -> None:
    sides = PresetSides.from_preset(str(preset))
    asked = ["the old dog .", ""]
    ids = sides(tf.constant(asked)).to_tensor()
    assert [text.decode() for text in sides.join(ids).numpy()] == asked
    assert sides.limits(ids).numpy()[1] == 1
    assert sides.limits(ids).numpy()[0] > 10
    sides.save(tmp_path)
    again = PresetSides.load(tmp_path)
    np.testing.assert_array_equal(again(tf.constant(asked)).to_tensor(), ids)
    (tmp_path / "preset" / "other").write_text("x")
    with pytest.raises(RunError, match="other pieces than the model was trained with"):
        PresetSides.load(tmp_path)


def test_the_cache_is_the_whole_model(preset: Path) -> None:
    sides = PresetSides.from_preset(str(preset))
    model = sides.build_model(trainable=True)
    for weight in model.weights:  # fresh weights are too small to tell answers apart
        if "float" in str(weight.dtype):
            drawn = np.random.default_rng(len(weight.shape)).normal(size=weight.shape, scale=0.3)
            weight.assign(drawn)
    source = sides(tf.constant(["the old dog sees the boat .", "two cats", "a bird"])).to_tensor()
    rules = Rules(sides.start, sides.end, tf.constant([9, 5, 7]))
    found = {}
    for name, decoder in (("cached", model), ("uncached", Uncached(model))):
        run = tf.function(
            lambda ids, decoder=decoder: beam_search(
                decoder, decoder.encode(ids), rules, beam_size=3, num_answers=3
            )
        )
        found[name] = run(source)
    np.testing.assert_array_equal(found["cached"].tokens, found["uncached"].tokens)
    np.testing.assert_allclose(found["cached"].scores, found["uncached"].scores, atol=1e-4)
    assert not (found["cached"].tokens.numpy() == 0).all()
    frozen = sides.build_model(trainable=False)
    learning = {id(weight) for weight in frozen.trainable_variables}
    for layer in frozen.language_model.backbone.layers:
        held = {id(weight) for weight in layer.weights}
        assert held & learning == (held if "decoder" in layer.name else set())


def fit(preset: str, folder: Path, **sections: Any) -> Any:
    data = {
        "train": pairs(300).assign(begins=""),
        "sequence_length": 48,
        **sections.pop("data", {}),
    }
    train = {"steps": 6, "batch_size": 16, "learning_rate": 0.003, "compile": "none"}
    return toolkit.fit(
        task={"type": "translation", "beam_size": 2, "num_answers": 2},
        data=data,
        model={"type": "preset", "preset": preset, **sections.pop("model", {})},
        train=train,
        evaluate={"bootstrap": 0},
        run=folder,
        **sections,
    )


def test_fine_tuned_exported_and_loaded_without_the_preset(tmp_path: Path) -> None:
    t5(tmp_path / "preset")
    run = fit(str(tmp_path / "preset"), tmp_path / "run", data={"prefix": "begins"})
    asked = ["the old dog sees the boat .", "", "two birds"]
    answers = run.predict(asked)
    assert answers["prediction"][1] == ""
    served = tf.saved_model.load(str(run.path / "export"))
    given = served.signatures["serve_source"](source=tf.constant(asked))
    assert [text.decode() for text in given["target"].numpy()] == answers["prediction"].tolist()
    np.testing.assert_allclose(given["score"], answers["score"], atol=1e-4)
    again = toolkit.load_run(run.path).predict(asked)
    assert again["prediction"].tolist() == answers["prediction"].tolist()
    (begun,) = run.predict([{"source": asked[0], "begins": "rala"}])["prediction"]
    assert begun.startswith("rala")
    given = served.signatures["serve"](source=tf.constant(asked[:1]), prefix=tf.constant(["rala"]))
    assert given["target"].numpy()[0].decode() == begun


def test_presets_and_options_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"model\.preset: the preset cannot be loaded"):
        fit(str(tmp_path / "missing"), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(RecipeError, match="a preset has pieces of its own"):
        fit("x", tmp_path / "run", data={"vocabulary": {"size": 500}})
    with pytest.raises(RecipeError, match="presets do not tell their attention"):
        toolkit.show(
            task={"type": "translation", "coverage_penalty": 0.2},
            data="demo:sentences",
            model={"type": "preset", "preset": "x"},
        )
    bart(tmp_path / "preset")
    with pytest.raises(DataError, match=r"data\.sequence_length: .* Expected at most 127"):
        fit(str(tmp_path / "preset"), tmp_path / "run", data={"sequence_length": 200})
