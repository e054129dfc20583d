"""Speech from sound to an exported model: labels and texts."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
import tensorflow as tf

import toolkit
from toolkit.data.demos import commands, utterances
from toolkit.data.splits import load_splits
from toolkit.errors import DataError, RecipeError
from toolkit.tasks.speech.options import Options
from toolkit.tasks.speech.task import Speech

SIZES: dict[str, dict[str, int]] = {
    "cnn": {"filters": 8, "num_layers": 2},
    "crnn": {"units": 16, "filters": 4, "num_layers": 1},
    "lstm": {"units": 16, "num_layers": 1},
    "conformer": {"filters": 4, "hidden_dim": 16, "num_layers": 1},
    "transformer": {"filters": 4, "hidden_dim": 16, "num_layers": 1},
}
MODELS: dict[str, Any] = {
    name: {"type": name, "members": 1, **sizes} for name, sizes in SIZES.items()
}
SMALL = MODELS["crnn"]


def some(module: Any, rows: int = 48) -> pd.DataFrame:
    return module.generate()["train"].head(rows)


def prepared(frame: pd.DataFrame, model: Any = SMALL, **sections: Any) -> tuple[Speech, Any]:
    columns = {"audio": "audio", "sampling_rate": 8000}
    columns |= {"text": "text"} if "text" in frame else {"label": "label"}
    data = {"train": frame, **columns, **sections.pop("data", {})}
    recipe = {"task": "speech", "data": data, "model": model, **sections}
    options = Options.model_validate(recipe)
    splits = load_splits(options.data, options.roles())
    task = Speech(options)
    task.prepare(splits)
    return task, splits


def losses(task: Speech, table: Any, steps: int = 8) -> list[float]:
    """Train on one batch with plain gradient steps."""
    examples = task.fitting_examples(table)
    model = task.build_model()
    shape = tuple(int(n) for n in examples.lengths.max(0))
    batch = examples.batch(np.arange(12), shape)
    weights = batch.weights / batch.weights.sum()

    @tf.function
    def step() -> Any:
        with tf.GradientTape() as tape:
            loss = task.loss(model(batch.inputs), batch.targets, weights)
        gradients = tape.gradient(loss, model.trainable_variables)
        for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
            variable.assign_sub(0.02 * tf.convert_to_tensor(gradient))
        return loss

    return [float(step()) for _ in range(steps)]


BOTH = [(commands, "label", name) for name in MODELS] + [(utterances, "text", "crnn")]
REST = [(utterances, "text", name) for name in MODELS if name != "crnn"]


@pytest.mark.parametrize(
    ("module", "model"),
    [pytest.param(module, MODELS[name], id=f"{output}-{name}") for module, output, name in BOTH]
    + [
        pytest.param(module, MODELS[name], id=f"{output}-{name}", marks=pytest.mark.slow)
        for module, output, name in REST
    ],
)
def test_loss_falls(module: Any, model: Any) -> None:
    task, splits = prepared(some(module, 24), model)
    course = losses(task, splits.train)
    assert course[-1] < course[0]


@pytest.mark.parametrize("features", ["mfcc", {"normalize": "bins"}])
def test_other_features(features: Any) -> None:
    task, splits = prepared(some(commands, 24), data={"features": features})
    course = losses(task, splits.train)
    assert course[-1] < course[0]


def answers(task: Speech, model: Any, raw: dict[str, Any]) -> dict[str, Any]:
    tensors = {name: tf.constant(value) for name, value in raw.items()}
    return {name: value.numpy() for name, value in task.serve(model, tensors).items()}


@pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
def test_padding_changes_no_answer(model: Any) -> None:
    task, splits = prepared(some(utterances, 20), model)
    network = task.build_model()
    raw = task.raw(splits.train.take([0, 1, 2]))
    batch = answers(task, network, raw)
    for row in range(3):
        count = raw["num_samples"][row]
        alone = {name: value[row : row + 1] for name, value in raw.items()}
        short = {**alone, "audio": alone["audio"][:, :count]}
        noise = np.ones((1, 777), np.float32)
        long = {**alone, "audio": np.concatenate([short["audio"], noise], 1)}
        for one in (short, long):
            got = answers(task, network, one)
            assert got["text"][0] == batch["text"][row]
            np.testing.assert_allclose(got["score"][0], batch["score"][row], rtol=1e-4)


def test_saved_state_answers_alike(tmp_path: Path) -> None:
    task, splits = prepared(some(utterances, 20))
    task.save(tmp_path)
    again = Speech(task.options)
    again.load(tmp_path)
    assert again.model_options == task.model_options
    raw = {name: tf.constant(v) for name, v in task.raw(splits.test).items()}
    one, two = task.preprocess(raw), again.preprocess(raw)
    np.testing.assert_array_equal(one["features"].flat_values, two["features"].flat_values)
    np.testing.assert_array_equal(
        task.examples(splits.test).target("tokens").values,
        again.examples(splits.test).target("tokens").values,
    )


def test_clips_beyond_the_memory_limit_are_read_when_needed() -> None:
    frame = some(commands, 24)
    task, splits = prepared(frame)
    tight, _ = prepared(frame, data={"memory_limit": 1})
    tight.options = tight.options.model_copy(
        update={"data": tight.options.data.model_copy(update={"memory_limit": 0})}
    )
    held, read = task.examples(splits.train), tight.examples(splits.train)
    assert type(read).__name__ == "ClipExamples"
    np.testing.assert_array_equal(held.lengths, read.lengths)
    rows, shape = np.array([3, 0, 5]), tuple(int(n) for n in held.lengths.max(0))
    one, two = held.batch(rows, shape), read.batch(rows, shape)
    np.testing.assert_allclose(one.inputs["features"], two.inputs["features"], atol=1e-5)
    np.testing.assert_array_equal(one.targets["label"], two.targets["label"])


def test_rows_that_name_files_stay_in_memory() -> None:
    options = {"task": "speech", "data": {"train": "a.csv", "label": "l", "prepare": "always"}}
    with pytest.raises(ValueError, match="this task's rows name files and stay in memory"):
        Options.model_validate(options)


def test_joined_clips_are_added_to_what_is_fitted_on() -> None:
    frame = some(utterances, 30)
    data = {"speaker": "speaker", "join": 10, "join_clips": (2, 3)}
    task, splits = prepared(frame, data=data)
    plain, joined = task.examples(splits.train), task.fitting_examples(splits.train)
    assert len(joined) == len(plain) + 10
    assert joined.lengths[len(plain) :, 1].min() > plain.lengths[:, 1].min()
    assert len(task.examples(splits.test)) == len(splits.test)


def test_joined_words_have_spaces_between_them() -> None:
    frame = some(utterances, 30)
    frame["text"] = frame["text"].str.split().str[0]
    data = {"speaker": "speaker", "join": 10, "join_clips": (3, 3)}
    task, splits = prepared(frame, data=data)
    space = task.head.tokens.names.index(" ")
    tokens = task.fitting_examples(splits.train).target("tokens")
    found = [(row == space).sum() for row in np.split(tokens.values, tokens.splits[1:-1])]
    assert found[-10:] == [2] * 10
    assert max(found[:-10]) == 0


@pytest.mark.parametrize(
    ("names", "recipe", "found"),
    [
        (["path", "text"], {}, ("path", None, "text")),
        (["audio_filepath", "duration", "text"], {}, ("audio_filepath", None, "text")),
        (["file", "sentence"], {}, ("file", None, "sentence")),
        (["path", "label", "text"], {}, ("path", None, None)),
        (["path", "label", "sentence"], {"task": {"output": "text"}}, ("path", None, "sentence")),
        (["path", "text"], {"task": {"output": "label"}}, ("path", None, None)),
        (["audio", "word", "text"], {"data": {"label": "word"}}, ("audio", "word", None)),
        (["audio", "clip", "text"], {"data": {"audio": "clip"}}, ("clip", None, "text")),
        (["path", "text"], {"model": {"type": "crnn", "members": 2}}, ("path", None, None)),
    ],
)
def test_columns_by_usual_names(names: list[str], recipe: Any, found: Any) -> None:
    task = {"type": "speech", **recipe.get("task", {})}
    data = {"train": "clips.csv", **recipe.get("data", {})}
    options = Options.model_validate({**recipe, "task": task, "data": data})
    settled = options.for_columns(lambda: names).data
    assert (settled.audio, settled.label, settled.text) == found


def test_augmentation_is_a_function_of_the_seed_and_the_row() -> None:
    task, splits = prepared(some(commands, 24))
    examples = task.examples(splits.train)
    shape = tuple(int(n) for n in examples.lengths.max(0))
    batch = examples.batch(np.arange(6), shape)
    seeds = np.stack([np.arange(6), np.full(6, 77)], 1).astype(np.int32)
    inputs = {name: tf.constant(value) for name, value in batch.inputs.items()}
    one, _ = task.augment(inputs, {}, tf.constant(seeds))
    two, _ = task.augment(inputs, {}, tf.constant(seeds))
    np.testing.assert_array_equal(one["features"], two["features"])
    alone, _ = task.augment(
        {name: value[3:4] for name, value in inputs.items()}, {}, tf.constant(seeds[3:4])
    )
    count = int(alone["num_frames"][0])
    assert count == int(one["num_frames"][3])
    np.testing.assert_allclose(
        alone["features"][0, :count], one["features"][3, :count], rtol=1e-4, atol=1e-4
    )
    other, _ = task.augment(inputs, {}, tf.constant(seeds + 1))
    assert not np.array_equal(np.asarray(other["num_frames"]), np.asarray(one["num_frames"]))


def test_mixed_clips_have_two_labels() -> None:
    task, splits = prepared(some(commands, 24), data={"augment": {"mixup": 1.0}})
    examples = task.examples(splits.train)
    batch = examples.batch(np.arange(6), tuple(int(n) for n in examples.lengths.max(0)))
    seeds = tf.constant(np.stack([np.arange(6), np.full(6, 7)], 1), tf.int32)
    label = tf.constant(batch.targets["label"])
    inputs, targets = task.augment(batch.inputs, {"label": label}, seeds)
    assert targets["second"].numpy().tolist() == np.roll(label, 1).tolist()
    assert 0.5 <= float(tf.reduce_min(targets["share"])) < 1
    loss = task.loss(task.build_model()(inputs), targets, tf.fill([6], 1 / 6))
    assert np.isfinite(float(loss))


def test_networks_side_by_side_answer_together() -> None:
    task, splits = prepared(some(commands, 24), {**SMALL, "members": "auto"})
    assert task.decisions["model.members"].value == 2
    examples = task.examples(splits.train)
    batch = examples.batch(np.arange(6), tuple(int(n) for n in examples.lengths.max(0)))
    model = task.build_model()
    logits = np.asarray(model(batch.inputs), np.float64)
    assert logits.shape == (6, 2, task.head.size)
    assert not np.allclose(logits[:, 0], logits[:, 1])
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    together = np.exp(logs.mean(1))
    together /= together.sum(-1, keepdims=True)
    got = task.answer(model, batch.inputs)["probabilities"]
    np.testing.assert_allclose(got, together, atol=1e-5)
    right = logs[np.arange(6), :, batch.targets["label"]]
    smoothing = task.options.train.label_smoothing
    each = (1 - smoothing) * right + smoothing * logs.mean(-1)
    loss = task.loss(tf.constant(logits, tf.float32), batch.targets, tf.fill([6], 1 / 6))
    assert float(loss) == pytest.approx(-each.mean(), rel=1e-5)


# -- the whole road ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A short run on wav files; do not write into it."""
    folder = tmp_path_factory.mktemp("labelled")
    frame = some(commands, 160)
    frame = frame[frame["label"].isin(["keso", "mote", "tuki"])].reset_index(drop=True)
    rows = ["path,word,speaker"]
    for number, (audio, label, speaker) in enumerate(frame.itertuples(index=False)):
        name = f"{label}/{number}.wav"
        (folder / label).mkdir(exist_ok=True)
        soundfile.write(folder / name, audio, 8000, subtype="PCM_16")
        rows.append(f"{name},{label},{speaker}")
    (folder / "clips.csv").write_text("\n".join(rows) + "\n")
    data = {"train": str(folder / "clips.csv"), "label": "word", "speaker": "speaker"}
    data["augment"] = None
    return toolkit.fit(
        task="speech",
        data=data,
        model=SMALL,
        train={"epochs": 10, "batch_size": 8, "learning_rate": 5e-3, "compile": "none"},
        evaluate={"bootstrap": 20},
        run=folder / "run",
    )


def test_from_files_to_a_verified_export(labelled: Any) -> None:
    assert labelled.report["scores"]["accuracy"] >= 0.8
    assert set(labelled.report["per_class"]) == {"keso", "mote", "tuki"}
    assert "per_speaker" in labelled.report
    decisions = labelled.directory.manifest()["decisions"]
    assert decisions["data.sampling_rate"]["value"] == 8000
    stored = json.loads((labelled.path / "export" / "examples.json").read_text())
    assert len(stored["instances"]) > 1


def test_the_export_hears_waves_and_wav_files(labelled: Any) -> None:
    path = next((labelled.path.parent / "mote").iterdir())
    predicted = labelled.predict([str(path)])
    served = tf.saved_model.load(str(labelled.path / "export"))
    samples, rate = soundfile.read(path, dtype="float32")
    wave = served.signatures["serve"](
        audio=tf.constant(samples[None]),
        num_samples=tf.constant([len(samples)], tf.int32),
        sampling_rate=tf.constant([rate], tf.int32),
    )
    wav = served.signatures["wav"](wav=tf.constant([path.read_bytes()]))
    for answer in (wave, wav):
        assert answer["label"].numpy()[0].decode() == predicted["prediction"][0]
        np.testing.assert_allclose(answer["score"], predicted["score"], atol=1e-4)


def test_another_rate_is_resampled_and_said(labelled: Any, tmp_path: Path) -> None:
    source = next((labelled.path.parent / "keso").iterdir())
    samples, _ = soundfile.read(source, dtype="float32")
    times = np.arange(2 * len(samples)) / 2
    soundfile.write(
        tmp_path / "twice.wav", np.interp(times, np.arange(len(samples)), samples), 16000
    )
    with pytest.warns(UserWarning, match="resampled from 16,000 Hz. Expected 8,000 Hz"):
        twice = labelled.predict([str(tmp_path / "twice.wav")])
    once = labelled.predict(str(source))
    assert twice["prediction"][0] == once["prediction"][0]


def test_other_data_is_scored(labelled: Any) -> None:
    folder = labelled.path.parent
    evaluation = labelled.evaluate(str(folder / "clips.csv"))
    assert evaluation.rows == len(list(folder.glob("*/*.wav")))


def test_the_confusion_is_drawn(labelled: Any) -> None:
    assert [path.name for path in (labelled.path / "pictures").iterdir()] == ["confusion.png"]


def test_a_clip_that_is_gone_is_named(labelled: Any, tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text("path,word,speaker\ngone.wav,keso,a\n")
    with pytest.raises(DataError, match=r"line 2.*names a file that is not there: .*gone.wav"):
        labelled.evaluate(str(tmp_path / "clips.csv"))
    with pytest.raises(DataError, match=r"gone.wav is not there"):
        labelled.predict(str(tmp_path / "clips.csv"))


def test_paths_may_start_in_another_folder(tmp_path: Path) -> None:
    (tmp_path / "sound").mkdir()
    (tmp_path / "lists").mkdir()
    names = [f"{number}.wav" for number in range(20)]
    for name in names:
        wav(tmp_path / "sound" / name, rate=16000)
    manifest(tmp_path / "lists", names)
    data = {"train": str(tmp_path / "lists" / "clips.csv"), "folder": str(tmp_path / "sound")}
    assert not toolkit.check(task="speech", data=data).errors
    assert toolkit.check(task="speech", data={**data, "folder": str(tmp_path)}).errors


def test_a_folder_of_classes_is_a_whole_recipe(tmp_path: Path) -> None:
    for label in ("yes", "no"):
        (tmp_path / label).mkdir()
        for number in range(8):
            wav(tmp_path / label / f"{number}.wav", rate=16000)
    task, splits = read(str(tmp_path))
    assert task.sampling_rate == 16000
    assert task.head.labels == ["no", "yes"]
    assert len(task.examples(splits.train)) == len(splits.train)


@pytest.mark.slow
def test_sentences_are_recognised(tmp_path: Path) -> None:
    run = toolkit.fit(
        Path(__file__).parents[2] / "recipes/speech/demo_text.yaml", run=tmp_path / "r"
    )
    assert run.report["scores"]["wer"] < 0.2
    assert {"wer", "cer", "word_insertions"} <= set(run.report["scores"])
    served = tf.saved_model.load(str(tmp_path / "r" / "export"))
    row = utterances.generate()["test"].iloc[0]
    answer = served.signatures["serve"](
        audio=tf.constant(row["audio"][None] / 32768, tf.float32),
        num_samples=tf.constant([len(row["audio"])], tf.int32),
        sampling_rate=tf.constant([8000], tf.int32),
    )
    assert answer["text"].numpy()[0].decode().split()


# -- bad input -----------------------------------------------------------------------------------


def wav(path: Path, samples: Any = None, rate: int = 8000, **kwargs: Any) -> Path:
    tone = np.sin(np.arange(4000) / 5) * 0.3
    soundfile.write(path, tone if samples is None else samples, rate, **kwargs)
    return path


def manifest(folder: Path, names: list[str], header: str = "path,label", extra: str = "") -> str:
    lines = [header, *(f"{name},{'ab'[i % 2]}{extra}" for i, name in enumerate(names))]
    (folder / "clips.csv").write_text("\n".join(lines) + "\n")
    return str(folder / "clips.csv")


def good(folder: Path, count: int = 12) -> list[str]:
    return [wav(folder / f"good_{i}.wav").name for i in range(count)]


def broken(folder: Path, kind: str) -> str:
    path = folder / f"{kind}.wav"
    if kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("this is not sound")
    elif kind == "no_samples":
        wav(path, np.zeros(0))
    elif kind == "cut":
        content = wav(path).read_bytes()
        path.write_bytes(content[: len(content) // 2])
    return path.name


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("empty", "is empty"),
        ("text", "is not sound that can be read"),
        ("no_samples", "holds no samples"),
        ("cut", "is cut off"),
        ("missing", "names a file that is not there"),
    ],
)
def test_a_bad_file_is_named_by_check(tmp_path: Path, kind: str, what: str) -> None:
    path = manifest(tmp_path, [*good(tmp_path), broken(tmp_path, kind)])
    report = toolkit.check(task="speech", data=path)
    (error,) = report.errors
    assert what in error.what
    assert f"{kind}.wav" in error.what
    assert error.where.endswith("clips.csv, line 14")
    skipping = toolkit.check(task="speech", data={"train": path, "skip_bad_rows": True})
    assert not skipping.errors


def test_a_cut_off_flac_and_nan_are_found_when_decoded(tmp_path: Path) -> None:
    content = wav(
        tmp_path / "whole.flac", np.random.default_rng(0).normal(0, 0.1, 40_000)
    ).read_bytes()
    (tmp_path / "cut.flac").write_bytes(content[: len(content) // 2])
    wav(tmp_path / "nan.wav", np.array([0.0, np.nan, 0.1] * 999), subtype="FLOAT")
    for name, what in (("cut.flac", "cut.flac (is cut off|cannot be decoded)"), ("nan.wav", "NaN")):
        path = manifest(tmp_path, [*good(tmp_path), name])
        with pytest.raises(DataError, match=rf"clips.csv, line 14: .*{what}"):
            everything(*read(path))


def everything(task: Speech, splits: Any) -> list[Any]:
    """The examples of all splits, as training makes them."""
    return [task.fitting_examples(t) for t in (splits.train, splits.validation, splits.test)]


def read(path: str, **data: Any) -> tuple[Speech, Any]:
    options = Options.model_validate(
        {"task": "speech", "data": {"train": path, **data}, "model": SMALL}
    )
    splits = load_splits(options.data, options.roles())
    task = Speech(options)
    task.prepare(splits)
    return task, splits


def test_noise_is_taken_from_files(tmp_path: Path) -> None:
    folder = tmp_path / "noise"
    (folder / "inner").mkdir(parents=True)
    hum = 0.2 * np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
    wav(folder / "inner" / "hum.wav", hum, rate=16000)  # resampled as clips are
    augment = {"noise": 0.99, "snr": [-40, -40], "noise_files": str(folder)}
    task, splits = prepared(some(commands, 20), data={"augment": augment})
    assert task.noise is not None
    examples = task.fitting_examples(splits.train)
    batch = examples.batch(np.arange(8), tuple(examples.lengths.max(0)))
    seeds = tf.stack([tf.range(8), tf.range(8)], 1)
    changed, _ = task.augment(batch.inputs, batch.targets, seeds)
    loudest = np.asarray(changed["features"]).mean(1).argmax(1)
    band = task.noise.mean(0).argmax()
    assert (np.abs(loudest - band) <= 1).sum() >= 6
    saved = tmp_path / "state"
    saved.mkdir()
    task.save(saved)
    again = Speech(task.options)
    again.load(saved)
    np.testing.assert_array_equal(again.noise, task.noise)


def test_noise_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    (tmp_path / "noise").mkdir()
    augment = {"noise_files": str(tmp_path / "noise")}
    with pytest.raises(DataError, match=r"noise_files: no sound files\. Received: .*noise"):
        prepared(some(commands, 20), data={"augment": augment})
    (tmp_path / "noise" / "broken.wav").write_bytes(b"no sound")
    with pytest.raises(DataError, match=r"noise_files: .*broken\.wav cannot be decoded"):
        prepared(some(commands, 20), data={"augment": augment})


def test_silent_and_clipped_clips_are_warned_of(tmp_path: Path) -> None:
    wav(tmp_path / "silent.wav", np.zeros(4000))
    wav(tmp_path / "loud.wav", np.sign(np.sin(np.arange(4000) / 5)))
    names = [*good(tmp_path), "silent.wav", "loud.wav"]
    task, splits = read(manifest(tmp_path, names), split={"validation": 1, "test": 1})
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        everything(task, splits)
    said = " ".join(str(one.message) for one in told)
    assert "line 14: a silent clip" in said
    assert "line 15: a clip with more than 1 % of its samples at full scale" in said


def test_silence_and_nothing_are_answered() -> None:
    task, _ = prepared(some(commands, 24))
    raw = {
        "audio": np.array([[0.0] * 8, [np.nan] * 8, [0.1] * 8], np.float32),
        "num_samples": np.array([8, 8, 0], np.int32),
        "sampling_rate": np.array([8000, 8000, 44100], np.int32),
    }
    probabilities = answers(task, task.build_model(), raw)["probabilities"]
    assert np.isfinite(probabilities).all()
    np.testing.assert_allclose(probabilities[0], probabilities[1], atol=1e-5)
    np.testing.assert_allclose(probabilities[0], probabilities[2], atol=1e-5)


def test_characters_outside_the_alphabet_are_named() -> None:
    with pytest.raises(DataError, match="characters outside the alphabet: 'k' 'u'"):
        prepared(some(utterances, 24), data={"alphabet": "aeiomst "})
    task, _ = prepared(some(utterances, 24))
    strange = pd.DataFrame({"audio": [np.zeros(4000, np.int16)], "text": ["mäki"]})
    with pytest.raises(DataError, match=r"row 0: a transcript with .*alphabet: 'ä'"):
        task.examples(load_table(strange))


def test_check_looks_at_the_alphabet_too() -> None:
    report = toolkit.check(
        task="speech",
        data={"train": some(utterances, 24), "audio": "audio", "text": "text", "alphabet": "aeio "},
    )
    assert any("characters outside the alphabet: 'k'" in str(error) for error in report.errors)


def load_table(frame: pd.DataFrame) -> Any:
    from toolkit.data.sources import open_table

    return open_table(frame)


def test_a_transcript_without_room_is_named_and_counted() -> None:
    frame = some(utterances, 24).copy()
    frame.at[frame.index[5], "text"] = "maki " * 60
    task, splits = prepared(frame)
    told = r"longer than its clip has steps for: \d+ needed.*1 such"
    with pytest.raises(DataError, match=told):
        everything(task, splits)
    made = everything(*prepared(frame, data={"skip_bad_rows": True}))
    assert (np.concatenate([one.weights for one in made]) == 0).sum() == 1


def test_a_speaker_in_two_splits_is_refused(tmp_path: Path) -> None:
    lines = [f"{name},{'ab'[i % 2]},speaker {i % 4}" for i, name in enumerate(good(tmp_path))]
    for name, chosen in (("train", lines[:8]), ("test", lines[8:])):
        (tmp_path / f"{name}.csv").write_text("\n".join(["path,label,speaker", *chosen]) + "\n")
    data = {name: str(tmp_path / f"{name}.csv") for name in ("train", "test")}
    data["split"] = {"group": "speaker", "validation": 2}
    report = toolkit.check(task="speech", data=data)
    assert any("is in train too" in error.what for error in report.errors)


def test_parts_of_files(tmp_path: Path) -> None:
    names = good(tmp_path)
    path = manifest(tmp_path, names, "path,label,from,to", ",0.1,0.3")
    task, splits = read(path, start="from", end="to")
    assert set(task.raw(splits.train)["num_samples"]) == {1600}
    bad = manifest(tmp_path, names, "path,label,from,to", ",0.3,0.1")
    with pytest.raises(DataError, match="line 2: a clip that ends before it begins"):
        read(bad, start="from", end="to")
    data = {"train": str(bad), "start": "from", "end": "to"}
    found = [str(error) for error in toolkit.check(task="speech", data=data).errors]
    assert len(found) == 1
    assert "Expected 0 <= start < end, in seconds. Received: " in found[0]


def test_a_part_that_its_file_does_not_hold_is_told(tmp_path: Path) -> None:
    path = manifest(tmp_path, good(tmp_path), "path,label,from,to", ",0.1,9")
    task, splits = read(path, start="from", end="to")
    with pytest.warns(UserWarning, match="a clip that ends after its file"):
        task.examples(splits.train)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"data": {"train": "x.csv", "label": "a", "text": "b"}}, "task.output says which"),
        ({"data": {"train": "x.csv", "join": 5}}, "joining clips needs transcripts"),
        ({"data": {"train": "x.csv", "start": "a"}}, "start and end come together"),
        (
            {"data": {"train": "x.csv", "text": "t"}, "model": {"type": "cnn", "members": 2}},
            "model.members: a text is written by one network",
        ),
    ],
)
def test_options_that_do_not_fit_together(sections: Any, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        toolkit.show(task="speech", **sections)
