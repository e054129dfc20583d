"""Video classifiers: shapes, attention, and clips that are read alone."""

from typing import Any

import keras
import numpy as np
import pytest

from toolkit import layers
from toolkit.models import video, video_encoders

FRAMES, SIZE = 4, 16
ENCODERS: dict[str, Any] = {
    "recurrent": lambda image: video.recurrent_encoder(
        image, "gru", 4, 1, True, "attention", 0.0, 0
    ),
    "transformer": lambda image: video.transformer_encoder(image, 1, 2, "attention", 0.0, 0),
    "shift": lambda _: video.mean_encoder(video_encoders.image_encoder((4, 8), 0.25), "mean_max"),
    "conv3d": lambda _: video_encoders.volume_encoder((4, 8), False),
    "conv2plus1d": lambda _: video_encoders.volume_encoder((4, 8), True),
    "conv_lstm": lambda _: video_encoders.convolutional_lstm_encoder((4,), 4),
    "tubelets": lambda _: video_encoders.tubelet_encoder(8, 2, 8, 1, 1, 2, 0.0, 0),
}


def build(name: str, reads: Any = "both", motion: bool = False) -> keras.Model:
    encoder = ENCODERS[name](video_encoders.image_encoder((4, 8)))
    return video.classifier(encoder, 3, FRAMES, SIZE, reads, 0.5, 0, name, motion=motion)


def frames(batch: int = 2, clips: int = 2) -> np.ndarray:
    random = np.random.default_rng(0)
    return random.integers(0, 256, (batch, clips, FRAMES, SIZE, SIZE, 3)).astype("uint8")


@pytest.mark.parametrize("name", ENCODERS)
def test_clips_are_read_alone(name: str) -> None:
    model, inputs = build(name), frames()
    logits = np.asarray(model({"frames": inputs}, training=False))
    assert logits.shape == (2, 2, 3)
    alone = np.asarray(model({"frames": inputs[1:, 1:]}, training=False))
    np.testing.assert_allclose(alone[0, 0], logits[1, 1], atol=1e-4)
    assert all(v.shape for v in model.trainable_variables)


@pytest.mark.parametrize("name", ["recurrent", "transformer"])
def test_weights_of_frames(name: str) -> None:
    weighing = video.with_attention(build(name))
    assert weighing is not None
    weights = np.asarray(weighing({"frames": frames()}, training=False)["weights"])
    assert weights.shape == (2, 2, FRAMES)
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
    assert video.with_attention(build("conv3d")) is None


def test_differences_do_not_see_what_stands_still() -> None:
    model = build("conv3d", "differences")
    still = np.repeat(frames(1, 1)[:, :, :1], FRAMES, axis=2)
    black = np.zeros_like(still)
    one, other = (np.asarray(model({"frames": each}, training=False)) for each in (still, black))
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_the_encoder_adds_to_the_statistics_of_motion() -> None:
    model, inputs = build("conv3d", motion=True), frames()
    layer = model.get_layer("motion_logits")
    layer.kernel.assign(np.random.default_rng(0).standard_normal(layer.kernel.shape))
    logits = np.asarray(model({"frames": inputs}, training=False))
    assert logits.shape == (2, 2, 3)
    encoder = keras.Model(model.input, model.get_layer("logits").output)
    statistics = layers.MotionStatistics()(inputs[1, 1:])
    expected = encoder({"frames": inputs})[3] + (statistics @ layer.kernel)[0]
    np.testing.assert_allclose(logits[1, 1], expected, atol=1e-4)
    assert not any(v.path.startswith("motion") for v in model.trainable_variables)


def test_still_clips_move_alike() -> None:
    still = np.repeat(frames(2, 1)[:, :, :1], FRAMES, axis=2)
    statistics = np.asarray(layers.MotionStatistics()(still[:, 0]))
    np.testing.assert_allclose(statistics[:, :-2], 0, atol=1e-5)
