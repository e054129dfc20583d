"""A pretrained Whisper encoder under labels and texts, on a small preset made here."""

from pathlib import Path
from typing import Any

import keras_nlp
import numpy as np
import pytest
import tensorflow as tf

import toolkit
from tests.tasks.test_speech import some
from toolkit.data.demos import commands, utterances
from toolkit.data.splits import load_splits
from toolkit.errors import DataError, RecipeError
from toolkit.models.acoustic_preset import WhisperFrames
from toolkit.tasks.speech.options import Options
from toolkit.tasks.speech.preset_front_end import PresetFrontEnd
from toolkit.tasks.speech.task import Speech

SECONDS = 4


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = str(tmp_path_factory.mktemp("preset"))
    backbone = keras_nlp.models.WhisperBackbone(
        vocabulary_size=12,
        num_layers=1,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=16,
        num_mels=20,
        max_encoder_sequence_length=100 * SECONDS,
        max_decoder_sequence_length=8,
    )
    backbone.save_to_preset(folder)
    keras_nlp.layers.WhisperAudioConverter(num_mels=20, max_audio_length=SECONDS).save_to_preset(
        folder
    )
    return folder


def task_of(preset: str, frame: Any, **model: Any) -> tuple[Speech, Any]:
    name = "text" if "text" in frame else "label"
    data = {"train": frame, "audio": "audio", name: name}
    section = {"type": "preset", "preset": preset, **model}
    options = Options.model_validate({"task": "speech", "data": data, "model": section})
    splits = load_splits(options.data, options.roles())
    task = Speech(options)
    task.prepare(splits)
    return task, splits


def test_frames_are_those_of_the_preset(preset: str) -> None:
    converter = keras_nlp.layers.WhisperAudioConverter.from_preset(preset)
    wave = np.random.default_rng(0).normal(size=16000).astype("float32")
    wave *= 0.1 / np.sqrt(np.mean(wave**2))  # as loud as every clip is made
    front = PresetFrontEnd(converter.get_config())
    frames = front(tf.constant(wave[None]), tf.constant([16000]), tf.constant([16000]))
    assert frames["num_frames"].numpy().tolist() == [100]
    given = frames["features"].to_tensor()
    found = WhisperFrames(100 * SECONDS)(given, frames["num_frames"])
    want = converter(tf.constant(wave[None]))
    np.testing.assert_allclose(found[:, :98], want[:, :98], atol=1e-3)
    np.testing.assert_allclose(found[:, 102:], want[:, 102:], atol=1e-3)


@pytest.mark.parametrize("module", [commands, utterances], ids=["label", "text"])
def test_only_the_answer_learns_where_asked(preset: str, module: Any) -> None:
    task, splits = task_of(preset, some(module, 24), trainable=False)
    assert task.sampling_rate == 16000
    model = task.build_model()
    assert not any("whisper" in each.path for each in model.trainable_variables)
    examples = task.examples(splits.train)
    batch = examples.batch(np.arange(4), tuple(int(n) for n in examples.lengths.max(0)))
    loss = task.training_loss(model, batch.inputs, batch.targets, batch.weights / 4)
    assert np.isfinite(float(loss))
    longer = examples.batch(np.arange(4), tuple(int(n) + 30 for n in examples.lengths.max(0)))
    one, two = (task.answer(model, each.inputs) for each in (batch, longer))
    name = "probabilities" if module is commands else "score"
    np.testing.assert_allclose(one[name], two[name], atol=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:DataFrame, (validation|test) split. no row")
def test_fine_tuned_exported_and_loaded_without_the_preset(preset: str, tmp_path: Path) -> None:
    run = toolkit.fit(
        task="speech",
        data={"train": some(commands, 32), "audio": "audio", "label": "label"},
        model={"type": "preset", "preset": preset},
        train={"epochs": 1, "batch_size": 8, "compile": "none"},
        evaluate={"bootstrap": 10},
        run=tmp_path / "run",
    )
    toolkit.verify(run.path / "export")
    frame = some(commands, 3)
    again = toolkit.load_run(run.path)
    assert again.task.converter == run.task.converter
    np.testing.assert_allclose(
        again.predict(frame)["score"], run.predict(frame)["score"], atol=1e-5
    )


def test_what_does_not_fit(preset: str) -> None:
    frame = some(utterances, 12)
    frame["audio"] = [np.tile(audio, 10) for audio in frame["audio"]]
    with pytest.raises(DataError, match=f"cannot hear to its end. Expected at most {SECONDS} s"):
        task_of(preset, frame)
    with pytest.raises(RecipeError, match=r"model.preset: the preset cannot be loaded.*'gone'"):
        task_of("gone", some(commands, 12))
    section = {"type": "preset", "preset": preset}
    with pytest.raises(RecipeError, match="a preset has features of its own"):
        toolkit.check(task="speech", data={"train": "a.csv", "features": "mfcc"}, model=section)
