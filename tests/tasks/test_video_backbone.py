"""Pretrained image networks in video classification: frozen, cached, fine-tuned in stages."""

import logging
from pathlib import Path
from typing import Any

import keras_nlp
import numpy as np
import pytest

import toolkit
from tests.tasks.test_video import clips, task
from toolkit.data.clips import Clip, ClipStore
from toolkit.data.features import FeatureStore
from toolkit.data.video_files import Decoding
from toolkit.errors import RecipeError
from toolkit.models.backbones import backbone_weights, split

PLAIN = {"crop": 0, "flip": False, "colour": 0, "mixup": 0}


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("TOOLKIT_CACHE", str(folder))
    return folder


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = str(tmp_path_factory.mktemp("preset"))
    backbone = keras_nlp.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[3],
        stackwise_num_filters=[64],
        stackwise_num_blocks=[1],
        stackwise_num_strides=[1],
        block_type="basic_block",
        image_shape=(None, None, 3),
    )
    backbone.save_to_preset(folder)
    keras_nlp.layers.ResNetImageConverter(scale=1 / 255).save_to_preset(folder)
    return folder


def model(preset: str, **more: Any) -> dict[str, Any]:
    return {"type": "cnn_lstm", "units": 8, "backbone": preset, "dropout": 0, **more}


def test_the_parts_are_the_whole(preset: str) -> None:
    prepared, splits = task(clips(16), model(preset))
    network = prepared.build_model()
    frames = prepared.examples(splits.train).batch(np.arange(3), ()).inputs["frames"]
    first, rest = split(network)
    features = first({"frames": frames})
    assert features.shape[:3] == (3, 3, 4)
    np.testing.assert_allclose(rest({"features": features}), network({"frames": frames}), atol=1e-5)
    late = prepared.late_stage(network)
    assert late is not None
    assert len(late.weights) == len(backbone_weights(network)) > 0
    names = {weight.path for weight in late.weights}
    assert not names & {weight.path for weight in rest.trainable_variables}


def test_features_are_worked_out_once_and_again_where_damaged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    frames = np.arange(4 * 8 * 8 * 3, dtype=np.uint8).reshape(4, 8, 8, 3)
    store = ClipStore([Clip(frames, "row 1")], Decoding(8, 4, "stretch"), tmp_path)
    asked = []

    def compute(given: Any) -> Any:
        asked.append(len(given))
        return given.reshape(len(given), -1)[:, :5].astype(np.float32)

    def made(network: str) -> Any:
        return FeatureStore(store, compute, network, lambda done, total: None).vectors(0)

    np.testing.assert_array_equal(made("a"), made("a"))
    assert asked == [4]
    made("b")
    assert asked == [4, 4]
    path = next(tmp_path.glob("*/*.features"))
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with caplog.at_level(logging.WARNING):
        made("a"), made("b")
    assert asked == [4, 4, 4]
    assert "not as it was written. Working out row 1 again" in caplog.text


def fit(run: Path, preset: str, augment: Any = PLAIN, devices: str = "auto", **more: Any) -> Any:
    return toolkit.fit(
        task={"type": "video", "num_frames": 4},
        data={"train": clips(16), "video": "clip", "frame_size": 32, "max_frames": 12},
        model=model(preset, **more),
        train={
            "epochs": 2,
            "batch_size": 4,
            "augment": augment,
            "compile": "none",
            "devices": devices,
        },
        evaluate={"bootstrap": 10},
        export="none",
        run=run,
    )


@pytest.mark.slow
def test_cached_features_train_the_same_model(tmp_path: Path, preset: str, cache: Path) -> None:
    cached = fit(tmp_path / "cached", preset, trainable=False)
    assert len(list(cache.glob("*/*.features"))) == 14  # training and validation
    plain = fit(tmp_path / "plain", preset, trainable=False, cache_features=False)
    for a, b in zip(cached.model.get_weights(), plain.model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
    both = fit(tmp_path / "both", preset, trainable=False, devices="cpu:2")
    for a, b in zip(cached.model.get_weights(), both.model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
    one, two = (run.predict(clips(3)) for run in (cached, toolkit.load_run(plain.path)))
    np.testing.assert_allclose(one["score"], two["score"], atol=1e-4)


@pytest.mark.slow
def test_a_backbone_is_fine_tuned_after_the_first_epoch(tmp_path: Path, preset: str) -> None:
    before = keras_nlp.models.Backbone.from_preset(preset).trainable_variables
    run = fit(tmp_path / "run", preset, freeze_epochs=1)
    after = backbone_weights(run.model)
    moved = [np.abs(a.numpy() - b.numpy()).max() for a, b in zip(after, before, strict=True)]
    assert max(moved) > 0
    frozen = fit(tmp_path / "frozen", preset, freeze_epochs=2)
    for a, b in zip(backbone_weights(frozen.model), before, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize(
    ("section", "augment", "message"),
    [
        ({"trainable": False, "cache_features": True}, {}, "changes pixels by crop, flip, colour"),
        ({"cache_features": True}, PLAIN, "a backbone that is trained gives other vectors"),
        ({"trainable": False, "freeze_epochs": 3}, {}, "stays as it is for ever"),
        ({"motion_statistics": True}, {}, "a backbone's vectors stand for the frames"),
        ({"backbone": None, "freeze_epochs": 3}, {}, "it is about a backbone, and there is none"),
    ],
)
def test_what_does_not_go_together(section: Any, augment: Any, message: str) -> None:
    recipe = {"task": "video", "data": "clips.csv", "model": model("MobileNetV2", **section)}
    with pytest.raises(RecipeError, match=message):
        toolkit.check(**recipe, train={"augment": augment})
