"""Video classification from arrays and files to an exported model."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import toolkit
from tests.data.videos import ramp, write, write_images
from toolkit.data.demos import motion
from toolkit.data.splits import load_splits
from toolkit.errors import DataError
from toolkit.tasks.video.augmentation import Augmentation
from toolkit.tasks.video.framing import squares
from toolkit.tasks.video.options import Options
from toolkit.tasks.video.sampling import Sampler
from toolkit.tasks.video.task import Video

SMALL = {"filters": [8, 16], "dropout": 0.1}
MODELS: dict[str, Any] = {
    "cnn_lstm": {"type": "cnn_lstm", "units": 8, **SMALL},
    "cnn_transformer": {"type": "cnn_transformer", "num_layers": 1, "num_heads": 2, **SMALL},
    "temporal_shift": {"type": "temporal_shift", "share": 0.25, **SMALL},
    "conv3d": {"type": "conv3d", **SMALL},
    "conv2plus1d": {"type": "conv2plus1d", **SMALL},
    "conv_lstm": {"type": "conv_lstm", "units": 4, **SMALL},
    "video_transformer": {"type": "video_transformer", "hidden_dim": 16, "num_heads": 2},
}
DATA = {"video": "clip", "frame_size": 32, "max_frames": 12}


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path_factory.getbasetemp() / "video-cache"
    monkeypatch.setenv("TOOLKIT_CACHE", str(folder))


def clips(rows: int = 48, labels: tuple[str, ...] = ("left", "right")) -> pd.DataFrame:
    random = np.random.default_rng(0)
    chosen = [labels[i % len(labels)] for i in range(rows)]
    frames = [motion._clip(random, label, "disc") for label in chosen]
    frame = pd.DataFrame({"clip": pd.Series(frames, dtype=object), "label": chosen})
    return frame.assign(source=[f"camera {i // 4}" for i in range(rows)])


def task(frame: pd.DataFrame, model: Any = "cnn_lstm", **sections: Any) -> tuple[Video, Any]:
    options = Options.model_validate(
        {
            "task": {"type": "video", "num_frames": 4, **sections.pop("task", {})},
            "data": {"train": frame, **DATA, **sections.pop("data", {})},
            "model": model,
            **sections,
        }
    )
    splits = load_splits(options.data, options.roles())
    prepared = Video(options)
    prepared.prepare(splits)
    return prepared, splits


@pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
def test_loss_falls(model: Any) -> None:
    prepared, splits = task(clips(), model)
    examples = prepared.examples(splits.train)
    batch = examples.batch(np.arange(8), ())
    inputs = {"frames": tf.constant(batch.inputs["frames"][:, :1])}
    weights = batch.weights / batch.weights.sum()
    network = prepared.build_model()

    @tf.function
    def step() -> Any:
        with tf.GradientTape() as tape:
            loss = prepared.loss(network(inputs, training=True), batch.targets, weights)
        gradients = tape.gradient(loss, [v.value for v in network.trainable_variables])
        for variable, gradient in zip(network.trainable_variables, gradients, strict=True):
            variable.assign_sub(0.02 * tf.convert_to_tensor(gradient))
        return loss

    course = [float(step()) for _ in range(8)]
    assert min(course[-3:]) < course[0]


def shaking(rows: int, labels: tuple[str, ...]) -> pd.DataFrame:
    """Noise that stands still, or changes by more from label to label."""
    random = np.random.default_rng(1)
    chosen = [labels[i % len(labels)] for i in range(rows)]
    videos = []
    for label in chosen:
        still = random.integers(60, 190, (1, 32, 32, 3))
        change = 20 * labels.index(label) * random.standard_normal((9, 32, 32, 1))
        videos.append((still + change).clip(0, 255).astype(np.uint8))
    return pd.DataFrame({"clip": pd.Series(videos, dtype=object), "label": chosen})


@pytest.mark.parametrize("labels", [("some", "none"), ("a", "b", "c")])
def test_statistics_of_motion_are_solved(labels: tuple[str, ...]) -> None:
    prepared, splits = task(shaking(60, labels))
    examples, told = prepared.examples(splits.train), []
    prepared.tick = lambda *what: told.append(what)
    network = prepared.build_model()
    prepared.initialise(network, examples)
    assert told[-1] == ("videos whose motion is measured", len(examples), len(examples))
    other = prepared.examples(splits.test)
    batch = other.batch(np.arange(len(other)), ())
    motion = keras.Model(network.input, network.get_layer("motion_logits").output)
    logits = np.asarray(motion({"frames": tf.constant(batch.inputs["frames"])}))
    found = logits.reshape(len(other), -1, len(labels)).mean(1).argmax(1)
    np.testing.assert_array_equal(found, other.target("label"))
    assert not any(v.path.startswith("motion") for v in network.trainable_variables)


def test_a_label_without_training_videos_is_hardly_answered() -> None:
    prepared, splits = task(shaking(60, ("a", "b", "c")))
    examples = prepared.examples(splits.train)
    rows = np.flatnonzero(np.asarray(examples.target("label")) != 1)
    network = prepared.build_model()
    prepared.initialise(network, prepared.examples(splits.train.take(rows)))
    np.testing.assert_array_equal(network.get_layer("motion_logits").bias[1], -10.0)
    only = rows[np.asarray(examples.target("label"))[rows] == 0]
    untouched = prepared.build_model()
    prepared.initialise(untouched, prepared.examples(splits.train.take(only)))
    assert not np.any(untouched.get_layer("motion_logits").kernel)


# -- frames -----------------------------------------------------------------------------------


@pytest.mark.parametrize("stride", [None, 1, 3])
@pytest.mark.parametrize("length", [1, 3, 4, 11, 64])
def test_fixed_frames_agree_in_and_out_of_the_graph(stride: int | None, length: int) -> None:
    sampler = Sampler(4, stride)
    places = sampler.fixed(length, 3)
    assert places.shape == (3, 4)
    assert places.min() >= 0
    assert places.max() < length
    assert (np.diff(places, axis=1) >= 0).all()
    np.testing.assert_array_equal(sampler.fixed_in_graph(tf.constant(length), 3), places)


def test_fixed_frames() -> None:
    assert Sampler(4).fixed(16, 1).tolist() == [[2, 6, 10, 14]]
    assert Sampler(4).fixed(8, 2).tolist() == [[0, 2, 4, 6], [1, 3, 5, 7]]
    assert Sampler(4, 2).fixed(15, 1).tolist() == [[4, 6, 8, 10]]
    assert Sampler(4).fixed(2, 1).tolist() == [[0, 1, 1, 1]]  # the last is repeated
    assert Sampler(4, 2).fixed(3, 1).tolist() == [[0, 2, 2, 2]]


@pytest.mark.parametrize("stride", [None, 2])
def test_drawn_frames_are_a_function_of_the_seed(stride: int | None) -> None:
    sampler = Sampler(6, stride)
    seeds = np.random.default_rng(0).integers(-(2**31), 2**31, (50, 2)).astype(np.int32)
    drawn = [sampler.drawn(40, seed, 0.3, True) for seed in seeds]
    for places, seed in zip(drawn, seeds, strict=True):
        np.testing.assert_array_equal(places, sampler.drawn(40, seed, 0.3, True))
        assert places[0] >= 0
        assert places[-1] < 40
        assert (np.diff(places) > 0).all()
    assert len({tuple(places) for places in drawn}) > 25
    assert sampler.drawn(2, seeds[0], 0.3, True).max() == 1
    np.testing.assert_array_equal(sampler.drawn(40, seeds[0], 0.3, False), sampler.fixed(40, 1)[0])


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
def test_frames_are_resized_in_the_graph_as_in_files(fit: Any, tmp_path: Path) -> None:
    from toolkit.data.video_files import Decoding, decode

    smooth = np.linspace(0, 255, 48)[None, :, None, None] * np.ones((2, 1, 64, 3))
    frames = smooth.astype(np.uint8)
    same = frames[:, :32, :32]
    np.testing.assert_array_equal(squares(tf.constant(same), 32, fit), same)
    resized = np.asarray(squares(tf.constant(frames), 16, fit))
    assert np.abs(resized - decode(frames, Decoding(16, 2, fit))).max() <= 3


def test_augmentation_is_stateless_and_the_same_for_all_frames() -> None:
    random = np.random.default_rng(0)
    still = np.repeat(random.integers(0, 256, (4, 1, 1, 16, 16, 3), np.uint8), 3, axis=2)
    change = Augmentation(0.3, True, 0.2, 0.4)
    seeds = tf.constant([[0, 5], [1, 5], [2, 5], [3, 5]])
    changed = np.asarray(change(still, seeds))
    assert changed.shape == still.shape
    np.testing.assert_allclose(changed[:, :, 0], changed[:, :, 2], atol=1e-3)
    alone = np.asarray(change(still[2:3], seeds[2:3]))
    np.testing.assert_allclose(alone, changed[2:3], atol=1e-3)
    assert np.abs(changed - still).mean() > 5
    blended, share = change.blend(tf.constant(changed), seeds)
    assert np.all((np.asarray(share) >= 0.5) & (np.asarray(share) <= 1))
    w = np.asarray(share).reshape(-1, 1, 1, 1, 1, 1)
    np.testing.assert_allclose(blended, w * changed + (1 - w) * np.roll(changed, 1, 0), atol=1e-3)


def test_no_augmentation_changes_nothing() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 1, 2, 8, 8, 3), np.uint8)
    got = Augmentation(0, False, 0, 0)(frames, tf.zeros((2, 2), tf.int32))
    np.testing.assert_array_equal(got, frames)


def test_mirrored_frames() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (40, 1, 1, 8, 8, 3), np.uint8)
    seeds = tf.stack([tf.range(40), tf.zeros(40, tf.int32)], axis=1)
    got = np.asarray(Augmentation(0, True, 0, 0)(frames, seeds))
    mirrored = [np.allclose(a, b[..., ::-1, :], atol=0.1) for a, b in zip(got, frames, strict=True)]
    same = [np.allclose(a, b, atol=0.1) for a, b in zip(got, frames, strict=True)]
    assert all(a != b for a, b in zip(mirrored, same, strict=True))
    assert 8 < sum(mirrored) < 32


def test_blended_labels_against_the_formula() -> None:
    prepared, _ = task(clips(), train={"label_smoothing": 0.1})
    logits = np.array([[[2.0, -1.0]], [[0.5, 1.0]]], "float32")
    targets = {"label": np.array([0, 1]), "other": np.array([1, 1]), "share": np.array([0.7, 0.6])}
    log_p = np.log(np.exp(logits[:, 0]) / np.exp(logits[:, 0]).sum(1, keepdims=True))
    hard = np.array([[0.7, 0.3], [0, 1]])
    want = -((0.9 * hard + 0.05) * log_p).sum(1) @ [0.5, 0.5]
    got = prepared.loss(logits, targets, np.array([0.5, 0.5], "float32"))
    assert float(got) == pytest.approx(want, rel=1e-5)


# -- the whole road ---------------------------------------------------------------------------


def write_files(folder: Path, rows: int = 16, column: str = "path") -> Path:
    """Videos and their manifest."""
    frame = clips(rows)
    frame[column] = [
        str(write(folder / f"{i}.avi", clip)) for i, clip in enumerate(frame.pop("clip"))
    ]
    frame.to_csv(folder / "clips.csv", index=False)
    return folder / "clips.csv"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("video")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOOLKIT_CACHE", str(folder / "cache"))
        return toolkit.fit(
            task={"type": "video", "num_frames": 8},
            data={"train": clips(96), **DATA, "split": {"group": "source"}},
            model={"type": "cnn_lstm", "filters": [8, 16], "units": 8, "dropout": 0.1},
            train={
                "epochs": 6,
                "batch_size": 16,
                "learning_rate": 1e-2,
                "compile": "none",
                "augment": {"flip": False, "mixup": 0.0},
            },
            evaluate={"bootstrap": 20, "clips": 2},
            run=folder / "run",
        )


def test_report(run: Any) -> None:
    report = run.report
    assert report["scores"]["accuracy"] >= 0.7
    assert set(report["per_class"]) == {"left", "right"}
    assert report["intervals"]["accuracy"][0] <= report["scores"]["accuracy"]


def test_few_videos_begin_with_statistics_of_motion(run: Any) -> None:
    decision = run.directory.manifest()["decisions"]["model.motion_statistics"]
    assert decision["value"] is True
    assert np.any(run.model.get_layer("motion_logits").kernel)


def test_the_last_weights_are_kept(run: Any) -> None:
    manifest = run.directory.manifest()
    assert manifest["best"]["step"] == manifest["training"]["steps"]
    assert manifest["best"]["score"] == run.history[-1]["validation_accuracy"]


def test_contact_sheets(run: Any) -> None:
    for name in ("best", "worst"):
        assert (run.path / "pictures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_files_are_answered_as_the_export_answers_their_frames(run: Any, tmp_path: Path) -> None:
    manifest = write_files(tmp_path, 4, "clip")
    answers = run.predict(manifest)
    assert answers["prediction"].isin(["left", "right"]).all()
    one = run.predict(tmp_path / "2.avi")
    np.testing.assert_allclose(one["score"], answers["score"][2:3], atol=1e-5)
    served = tf.saved_model.load(str(run.path / "export"))
    table = next(run.reader.tables(manifest))
    for row, frames in enumerate(run.task.raw(table)["video"]):
        answer = served.signatures["serve"](video=tf.constant(frames[None]))
        assert answer["label"].numpy()[0].decode() == answers["prediction"][row]
        np.testing.assert_allclose(answer["score"], answers["score"][row], atol=1e-4)


def test_export_takes_any_size_and_count_and_gifs(run: Any, tmp_path: Path) -> None:
    served = tf.saved_model.load(str(run.path / "export"))
    for shape in ((2, 1, 9, 7, 3), (1, 50, 64, 48, 3), (1, 0, 8, 8, 3)):
        answer = served.signatures["serve"](video=tf.zeros(shape, tf.uint8))
        assert answer["probabilities"].shape == (shape[0], 2)
    gif = write(tmp_path / "a.gif", clips(1)["clip"][0])
    content = tf.constant([gif.read_bytes()] * 2)
    answer = served.signatures["gif"](gif=content)
    frames = tf.io.decode_gif(content[0])[None]
    same = served.signatures["serve"](video=frames)
    np.testing.assert_allclose(answer["score"][:1], same["score"], atol=1e-5)


def test_a_loaded_run_answers_alike(run: Any) -> None:
    again = toolkit.load_run(run.path)
    frame = clips(4)
    np.testing.assert_allclose(
        again.predict(frame)["score"], run.predict(frame)["score"], atol=1e-6
    )


def test_shown_frames_are_weighed(run: Any) -> None:
    table = next(run.reader.tables(clips(4)))
    answers = run._answers(run.task.examples(table, targets=False))
    assert answers["frame_weights"].shape[1:] == (2, 8)
    np.testing.assert_allclose(answers["frame_weights"].sum(-1), 1, atol=1e-4)


# -- bad input --------------------------------------------------------------------------------


def test_a_bad_file_is_named_with_file_row_and_column(tmp_path: Path) -> None:
    manifest = write_files(tmp_path)
    (tmp_path / "3.avi").write_bytes(b"no video")
    recipe = {"task": "video", "data": {"train": str(manifest)}}
    errors = toolkit.check(recipe).errors
    assert len(errors) == 1
    assert "clips.csv, line 5: column 'path' names a video that is no video" in str(errors[0])
    skipping = {**recipe, "data": {"train": str(manifest), "skip_bad_rows": True}}
    report = toolkit.check(skipping)
    assert not report.errors
    assert "skipped" in str(report.warnings[0])


def test_a_damaged_video_stops_training_with_its_name(tmp_path: Path) -> None:
    manifest = write_files(tmp_path, 40)
    frame = pd.read_csv(manifest)
    write_images(tmp_path / "frames", clips(1)["clip"][0])
    (tmp_path / "frames" / "3.png").write_bytes(b"no image")
    frame.loc[7, "path"] = "frames"
    frame.to_csv(manifest, index=False)
    with pytest.raises(DataError, match=r"clips.csv, line 9: .*3.png: is damaged or cut short"):
        toolkit.fit(
            task={"type": "video", "num_frames": 4},
            data={"train": str(manifest), "frame_size": 16},
            model=MODELS["conv3d"],
            run=tmp_path / "run",
        )
    assert not (tmp_path / "run").exists()


def test_an_end_before_the_start_is_named(tmp_path: Path) -> None:
    frame = clips().assign(a=0.5, b=[0.2, *[1.0] * 47])
    with pytest.raises(DataError, match=r"DataFrame, row .*from 0.5 to 0.2 seconds"):
        task(frame, data={"start": "a", "end": "b"})


def test_short_videos_are_counted(tmp_path: Path) -> None:
    frame = clips(8)
    frame["clip"] = [c[: 3 if i % 2 else 12] for i, c in enumerate(frame["clip"])]
    prepared, splits = task(frame, evaluate={"bootstrap": 0})
    table = splits.train
    examples = prepared.examples(table)
    probabilities = np.full((len(table), 2), 0.5)
    short = sum(len(c) == 3 for c in table.frame["clip"])
    with pytest.warns(UserWarning, match=rf"{short} of {len(table)} videos have fewer than 4"):
        report = prepared.report({"probabilities": probabilities}, examples, table)
    assert report["videos_with_repeated_frames"] == short


def test_a_class_with_one_clip_is_learnt_from(tmp_path: Path) -> None:
    frame = clips(24)
    frame.loc[0, "label"] = "other"
    with_other = {"train": frame, **DATA}
    report = toolkit.check({"task": "video", "data": with_other})
    assert not report.errors
    assert "no row of label 'other'" in str(report.warnings[0])


def test_groups_that_leave_a_split_without_a_class() -> None:
    frame = clips(24)
    frame["source"] = [
        "one" if label == "right" else str(i // 4) for i, label in enumerate(frame["label"])
    ]
    data = {"train": frame, **DATA, "split": {"group": "source"}}
    report = toolkit.check({"task": "video", "data": data})
    assert not report.errors
    assert [str(found).count("no row of label 'right'") for found in report.warnings] == [1, 1]


def test_folders_of_images_by_class(tmp_path: Path) -> None:
    for i, (clip, label) in enumerate(zip(clips(6)["clip"], clips(6)["label"], strict=True)):
        write_images(tmp_path / "videos" / label / f"clip_{i}", clip[:4])
    report = toolkit.check({"task": "video", "data": str(tmp_path / "videos")})
    assert not report.errors
    assert report.facts["splits"]["train"]["rows"] == 4


def test_folds(tmp_path: Path) -> None:
    frame = clips(24).assign(fold=[i % 4 for i in range(24)])
    data = {"train": frame, **DATA, "split": {"column": "fold", "test_value": 2}}
    options = Options.model_validate({"task": "video", "data": data})
    splits = load_splits(options.data, options.roles())
    assert set(splits.test.frame["fold"]) == {2}
    assert 2 not in set(splits.train.frame["fold"]) | set(splits.validation.frame["fold"])
    data["split"] = {"column": "fold", "test_value": 9}
    options = Options.model_validate({"task": "video", "data": data})
    with pytest.raises(DataError, match=r"nowhere holds data.split.test_value.*Received: '9'"):
        load_splits(options.data, options.roles())


def test_ramp_is_what_it_says() -> None:
    assert ramp(3, 2, 2).mean((1, 2, 3)).tolist() == [20, 120, 220]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    def fit(name: str, **more: Any) -> Any:
        return toolkit.fit(
            task={"type": "video", "num_frames": 4},
            data={"train": clips(), **DATA},
            model=MODELS["cnn_lstm"],
            train={"steps": 4, "batch_size": 8, "compile": "none", **more},
            export="none",
            run=tmp_path / name,
        )

    first, second = fit("a"), fit("b")
    for a, b in zip(first.model.get_weights(), second.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
