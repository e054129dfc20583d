"""Pretrained image networks over frames, with weights made here."""

from pathlib import Path

import keras
import keras_nlp
import numpy as np
import pytest

from toolkit.errors import RecipeError
from toolkit.models import video
from toolkit.models.backbones import pretrained_encoder

FRAMES, SIZE = 2, 32


def build(name: str, weights: str | None = None, trainable: bool = True) -> keras.Model:
    encoder = video.mean_encoder(pretrained_encoder(name, weights, trainable), "mean_max")
    return video.classifier(encoder, 2, FRAMES, SIZE, "rgb", 0.0, 0, "backbone", False)


def test_weights_from_a_file(tmp_path: Path) -> None:
    shape = (SIZE, SIZE, 3)
    network = keras.applications.MobileNetV2(
        include_top=False, weights=None, input_shape=shape, pooling="avg"
    )
    path = tmp_path / "mobilenet.weights.h5"
    network.save_weights(path)
    model = build("MobileNetV2", str(path), trainable=False)
    frames = np.random.default_rng(0).integers(0, 256, (1, 1, FRAMES, *shape)).astype("float32")
    vectors = np.asarray(network(frames[0, 0] / 127.5 - 1, training=False))
    pooled = np.concatenate([vectors.mean(0), vectors.max(0)])
    kernel, bias = model.get_layer("logits").get_weights()
    got = np.asarray(model({"frames": frames}, training=True))
    np.testing.assert_allclose(got[0, 0], pooled @ kernel + bias, atol=1e-4)
    assert len(model.trainable_variables) == 2  # the logits' alone


def test_a_preset_by_directory(tmp_path: Path) -> None:
    backbone = keras_nlp.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[3],
        stackwise_num_filters=[64],
        stackwise_num_blocks=[1],
        stackwise_num_strides=[1],
        block_type="basic_block",
        image_shape=(None, None, 3),
    )
    converter = keras_nlp.layers.ResNetImageConverter(scale=1 / 255)
    backbone.save_to_preset(str(tmp_path))
    converter.save_to_preset(str(tmp_path))
    model = build(str(tmp_path))
    frames = np.zeros((2, 3, FRAMES, SIZE, SIZE, 3), "uint8")
    assert np.asarray(model({"frames": frames}, training=False)).shape == (2, 3, 2)


def test_what_is_no_network() -> None:
    with pytest.raises(RecipeError, match=r"model.backbone: no such network.*'MobileNetV9'"):
        build("MobileNetV9")
    with pytest.raises(RecipeError, match=r"MobileNetV2 cannot be made.*gone"):
        build("MobileNetV2", "gone.weights.h5")
