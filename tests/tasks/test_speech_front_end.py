"""What is computed of a wave before any model sees it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from toolkit.data.audio import Wave
from toolkit.tasks.speech.augmentation import Augmenter, Changes
from toolkit.tasks.speech.front_end import FrontEnd, resample, trimmed
from toolkit.tasks.speech.joining import join, plan_joints


def tone(hertz: float, rate: int, seconds: float = 0.5) -> Any:
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate).astype("float32")


@pytest.mark.parametrize(
    ("rate", "target"),
    [(8000, 16000), (16000, 8000), (44100, 16000), (48000, 8000), (11025, 16000), (22051, 16000)],
)
def test_a_tone_stays_the_tone(rate: int, target: int) -> None:
    got = np.asarray(resample(tf.constant(tone(440, rate)), tf.constant(rate), target))
    want = tone(440, target)
    assert abs(len(got) - len(want)) <= 1
    middle = slice(target // 50, len(want) - target // 50)
    np.testing.assert_allclose(got[middle], want[middle], atol=2e-3)


def test_what_the_lower_rate_cannot_hold_is_filtered_out() -> None:
    got = np.asarray(resample(tf.constant(tone(5000, 16000)), tf.constant(16000), 8000))
    assert np.abs(got[200:-200]).max() < 0.01


def test_the_same_rate_changes_nothing() -> None:
    wave = tone(440, 8000)
    np.testing.assert_array_equal(resample(tf.constant(wave), tf.constant(8000), 8000), wave)


def test_trimming_cuts_quiet_ends() -> None:
    wave = np.concatenate([np.zeros(800), tone(440, 8000), np.full(400, 1e-4)]).astype("float32")
    got = np.asarray(trimmed(tf.constant(wave), 80, 30.0))
    assert abs(len(got) - 4000) <= 160
    assert len(trimmed(tf.zeros(800), 80, 30.0)) == 800
    assert len(trimmed(tf.zeros(0), 80, 30.0)) == 0


def test_loudness_and_padding_change_no_frame() -> None:
    front = FrontEnd(8000, 20, 0.025, 0.01)
    wave = tone(700, 8000, 0.3)
    audio = np.zeros((3, 4000), np.float32)
    audio[0, : len(wave)], audio[1, : len(wave)] = wave, 0.1 * wave
    audio[2, : len(wave)], audio[2, len(wave) :] = wave, 0.7
    counts = tf.constant([len(wave)] * 3)
    features = front(tf.constant(audio), counts, tf.constant([8000] * 3))["features"]
    assert features.row_lengths().numpy().tolist() == [28, 28, 28]
    np.testing.assert_allclose(features[0], features[1], atol=1e-3)
    np.testing.assert_allclose(features[0], features[2], atol=1e-5)


def test_rates_may_differ_within_a_batch() -> None:
    front = FrontEnd(8000, 20, 0.025, 0.01)
    high, low = tone(700, 16000, 0.3), tone(700, 8000, 0.3)
    audio = np.zeros((2, len(high)), np.float32)
    audio[0], audio[1, : len(low)] = high, low
    counts, rates = tf.constant([len(high), len(low)]), tf.constant([16000, 8000])
    features = front(tf.constant(audio), counts, rates)["features"]
    inner = slice(3, -3)
    loud = np.asarray(features[1])[inner].max(0) > 0
    np.testing.assert_allclose(features[0][inner].numpy()[:, loud],
                               features[1][inner].numpy()[:, loud], atol=0.05)  # fmt: skip


NONE = Changes((1.0, 1.0), 0.0, 0.0, 0, 0.0, 0.0, 0.0, (5.0, 40.0), 0, 0.0, 0, 0.0)


def test_no_change_changes_nothing() -> None:
    features = tf.random.stateless_normal([2, 9, 20], [1, 2])
    counts = tf.constant([9, 5])
    seeds = tf.constant([[1, 2], [3, 4]])
    got, lengths = Augmenter(NONE, 8000, 20)(features, counts, seeds)
    assert lengths.numpy().tolist() == [9, 5]
    np.testing.assert_allclose(got[0], features[0], atol=1e-3)
    np.testing.assert_allclose(got[1, :5], features[1, :5], atol=1e-3)
    assert not np.any(got[1, 5:])


def changed(features: tf.Tensor, **changes: float) -> list[tuple[np.ndarray, int]]:
    """A clip under 40 draws of the changes, and how many frames each has."""
    augmenter = Augmenter(replace(NONE, **changes), 8000, features.shape[-1])
    rows = tf.repeat(features[None], 40, 0)
    seeds = tf.stack([tf.range(40), tf.range(40)], 1)
    got, counts = augmenter(rows, tf.fill([40], features.shape[0]), seeds)
    return [(row[:count], int(count)) for row, count in zip(got.numpy(), counts, strict=True)]


def test_another_microphone_is_one_curve_over_all_frames() -> None:
    clip = tf.random.stateless_normal([9, 32], [1, 2])
    curves = []
    for got, count in changed(clip, colour=10.0):
        curve = got - clip
        assert count == 9
        np.testing.assert_allclose(curve, np.tile(curve[:1], (9, 1)), atol=1e-4)
        curves.append(curve[0] / np.log(10) * 10)  # dB
    highest = np.abs(curves).max(0)
    assert highest[0] > highest[8:].max()  # the lowest bands differ most
    assert 10 < highest[8:].max() <= 30.5
    assert highest[0] <= 50.5


def test_a_change_of_speed_leaves_the_spectrum_and_one_of_voice_the_time() -> None:
    band = tf.tile(tf.one_hot(10, 32)[None], [20, 1])  # a tone that lasts
    lengths = set()
    for got, count in changed(band, speed=0.3):
        lengths.add(count)
        np.testing.assert_allclose(got, band[:1].numpy().repeat(count, 0), atol=1e-4)
    assert min(lengths) < 18
    assert max(lengths) > 22
    places = [got[0].argmax() for got, count in changed(band, pitch=0.2) if count == 20]
    assert len(places) == 40
    assert min(places) < 10 < max(places)


def test_noise_comes_at_the_ratio_asked_for() -> None:
    changes = replace(NONE, noise=0.999999, snr=(0.0, 0.0))
    noise = np.full((50, 20), -3.0, np.float32)
    quiet = tf.fill([1, 40, 20], -2.0)
    augmenter = Augmenter(changes, 8000, 20, noise)
    got, _ = augmenter(quiet, tf.constant([40]), tf.constant([[1, 2]]))
    np.testing.assert_allclose(got, -2.0 + np.log(2), atol=1e-4)


def test_joined_clips_are_of_one_speaker() -> None:
    speakers = ["a", "b"] * 10
    plans = plan_joints(speakers, 30, (3, 6), (0.02, 0.25), seed=1)
    assert plans == plan_joints(speakers, 30, (3, 6), (0.02, 0.25), seed=1)
    assert all(len({speakers[row] for row in plan.rows}) == 1 for plan in plans)
    assert {len(plan.rows) for plan in plans} == {3, 4, 5, 6}
    waves = [Wave(np.ones(10, np.float32), 100), Wave(np.ones(5, np.float32), 100)]
    assert join(waves, [0.2]).samples.tolist() == [1.0] * 10 + [0.0] * 20 + [1.0] * 5
