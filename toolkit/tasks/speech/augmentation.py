"""Other voices, rooms and microphones: changes of log-mel frames, drawn from each row's seed.

Everything works on the spectrogram, so that frames are computed once and not once an epoch: a
change of speed stretches time, another voice frequency, noise adds its power. A strength is drawn
for each clip: where all change much, networks that also have to find the times of letters learn
late.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from toolkit.layers.mel import hertz_to_mel, mel_to_hertz
from toolkit.tasks.speech.front_end import LOG_FLOOR

Tensors = dict[str, Any]
NUMBERS = 64  # drawn for each row
SHELF = 16.0  # the change of the lowest bands fades within a sixteenth of all, by a factor of e
DECIBEL = float(np.log(10) / 10)  # a decibel of power, in nats


@dataclass(frozen=True)
class Changes:
    """How strong the changes are; see ``AugmentOptions`` for the meaning of each."""

    strength: tuple[float, float]
    speed: float
    pitch: float
    shift_frames: int
    colour: float
    gain: float
    noise: float
    snr: tuple[float, float]
    frequency_masks: int
    frequency_width: float
    time_masks: int
    time_width: float


class Draws:
    """Numbers of 0 to 1 for each row, from ``(batch, 2)`` stateless seeds.

    Args:
        seeds: of the rows.
        stream: two uses of the same seeds, two apart, draw other numbers.
    """

    def __init__(self, seeds: Any, stream: int = 0) -> None:
        self.seeds = tf.cast(seeds, tf.int32) + tf.constant([0, stream])
        self.numbers = self._drawn([NUMBERS], 0)  # at once: each row costs a call
        self.used = 0

    def uniform(self, count: int) -> Any:
        """``(batch, count)`` numbers that were not handed out yet."""
        self.used += count
        assert self.used <= NUMBERS, "more numbers needed than are drawn"
        return self.numbers[:, self.used - count : self.used]

    def between(self, low: float, high: float) -> Any:
        """``(batch,)`` numbers of a range."""
        return low + (high - low) * self.uniform(1)[:, 0]

    def grain(self, frames: Any, bins: int) -> Any:
        """``(batch, frames, bins)`` numbers."""
        drawn = self._drawn(tf.stack([frames, bins]), 1)
        return tf.ensure_shape(drawn, [None, None, bins])

    def _drawn(self, shape: Any, number: int) -> Any:
        seeds = self.seeds + tf.constant([0, number], tf.int32)
        return tf.map_fn(
            lambda seed: tf.random.stateless_uniform(shape, seed),
            seeds,
            fn_output_signature=tf.float32,
        )


class Augmenter:
    """Changes batches of log-mel frames.

    Args:
        changes: how strong.
        sampling_rate: Hz of the waves that the frames are of.
        num_mel_bins: bands.
        noise: ``(frames, bins)`` log-mel frames of noise to add, or None for coloured noise.
    """

    def __init__(
        self,
        changes: Changes,
        sampling_rate: int,
        num_mel_bins: int,
        noise: NDArray[np.float32] | None = None,
    ) -> None:
        self.changes = changes
        self.bins = num_mel_bins
        self.noise = noise
        low, high = hertz_to_mel([20.0, sampling_rate / 2], "htk")
        self.low, self.step = float(low), float((high - low) / (num_mel_bins + 1))
        centres = np.linspace(low, high, num_mel_bins + 2)[1:-1]
        self.hertz = mel_to_hertz(centres, "htk").astype(np.float32)

    def __call__(self, features: Any, num_frames: Any, seeds: Any) -> tuple[Any, Any]:
        """Return changed ``(batch, frames, bins)`` frames, more or fewer, and their counts."""
        draws, changes = Draws(seeds), self.changes
        strength = draws.between(*changes.strength)
        speed = 1 + strength * draws.between(-changes.speed, changes.speed)
        pitch = 1 + strength * draws.between(-changes.pitch, changes.pitch)
        shift = tf.cast(draws.between(0.0, changes.shift_frames + 0.999), tf.int32)
        quiet = _quietest(features, num_frames)
        room = tf.shape(features)[1]
        longest = tf.cast(tf.cast(room, tf.float32) / (1 - changes.speed), tf.int32)
        longest += changes.shift_frames + 1
        features, counts = self._stretched(features, num_frames, speed, shift, quiet, longest)
        features = self._warped(features, pitch)
        if changes.colour:
            features += strength[:, None, None] * self._colour(draws)
        if changes.gain:
            features += draws.between(-changes.gain, changes.gain)[:, None, None] * DECIBEL
        mask = tf.sequence_mask(counts, longest)[..., None]
        if changes.noise:
            features = self._with_noise(features, mask, draws)
        features = self._hidden(features, counts, mask, draws)
        longest_now = tf.reduce_max(counts)
        features = tf.where(mask, features, 0.0)[:, :longest_now]
        return features, counts

    def _stretched(
        self, features: Any, num_frames: Any, speed: Any, shift: Any, quiet: Any, longest: Any
    ) -> tuple[Any, Any]:
        """Frames at other times, linearly between neighbours, after a quiet start."""
        real = tf.cast(num_frames, tf.float32)
        counts = shift + tf.maximum(1, tf.cast(tf.round(real / speed), tf.int32))
        steps = tf.range(longest)[None] - shift[:, None]
        places = tf.cast(steps, tf.float32) * speed[:, None]
        places = tf.clip_by_value(places, 0.0, tf.maximum(real - 1, 0)[:, None])
        below = tf.cast(tf.floor(places), tf.int32)
        above = tf.minimum(below + 1, tf.maximum(num_frames - 1, 0)[:, None])
        part = (places - tf.floor(places))[..., None]
        first = tf.gather(features, below, batch_dims=1)
        second = tf.gather(features, above, batch_dims=1)
        moved = first + part * (second - first)
        return tf.where((steps < 0)[..., None], quiet[:, None, :], moved), counts

    def _warped(self, features: Any, factor: Any) -> Any:
        """The spectrum stretched: what sounded at f now sounds at f times the factor."""
        source = self.hertz[None] / factor[:, None]
        mels = 2595.0 / np.log(10) * tf.math.log1p(source / 700.0)
        places = tf.clip_by_value((mels - self.low) / self.step - 1, 0.0, self.bins - 1.0)
        # (batch, from, to): each new band is a mean of two old ones
        old = tf.range(self.bins, dtype=tf.float32)[None, :, None]
        weights = tf.maximum(0.0, 1.0 - tf.abs(old - places[:, None, :]))
        return tf.matmul(features, weights)

    def _colour(self, draws: Draws) -> Any:
        """A smooth curve over frequency, as another microphone would give: ``(batch, 1, bins)``.

        Microphones and their amplifiers differ most in the lowest bands, which some cut off.
        """
        band = np.linspace(0, np.pi, self.bins, dtype=np.float32)
        lowest = 2 * np.exp(-np.arange(self.bins, dtype=np.float32) * SHELF / self.bins)
        curves = np.stack([np.cos(band), np.cos(2 * band), np.cos(3 * band), lowest])
        height = self.changes.colour * DECIBEL
        weights = (2 * draws.uniform(len(curves)) - 1) * height
        return tf.matmul(weights, tf.constant(curves))[:, None, :]

    def _with_noise(self, features: Any, mask: Any, draws: Draws) -> Any:
        """Power of noise added to some rows, at a drawn ratio to the clip's mean power."""
        chosen = draws.uniform(1)[:, 0] < self.changes.noise
        ratio = draws.between(*map(float, self.changes.snr)) * DECIBEL
        count = tf.reduce_sum(tf.cast(mask, tf.float32), 1) * self.bins
        power = tf.reduce_sum(tf.where(mask, tf.exp(features), 0.0), [1, 2]) / count[:, 0]
        level = tf.math.log(tf.maximum(power, 1e-10)) - ratio
        noise = self._noise(tf.shape(features)[1], draws) + level[:, None, None]
        both = tf.maximum(features, noise) + tf.math.softplus(-tf.abs(features - noise))
        return tf.where(chosen[:, None, None], both, features)

    def _noise(self, frames: Any, draws: Draws) -> Any:
        """Log-mel frames of noise whose mean power is about 1."""
        if self.noise is not None:
            begin = draws.uniform(1)[:, 0] * len(self.noise)
            places = tf.cast(begin, tf.int32)[:, None] + tf.range(frames)[None]
            taken = tf.gather(tf.constant(self.noise), places % len(self.noise))
            mean = tf.reduce_mean(tf.exp(taken), [1, 2], keepdims=True)
            return taken - tf.math.log(tf.maximum(mean, 1e-10))
        tilt = (2 * draws.uniform(2) - 1) * 2.0
        band = np.linspace(0, np.pi, self.bins, dtype=np.float32)
        curves = tf.constant(np.stack([np.cos(band), np.cos(2 * band)]))
        colour = tf.matmul(tilt, curves)[:, None, :]
        grain = draws.grain(frames, self.bins)
        # power of a band is about exponentially distributed from frame to frame; milder here,
        # as a band is a mean of several frequencies
        return colour + 0.5 * tf.math.log(-tf.math.log(tf.maximum(grain, 1e-6)) + 1e-3)

    def _hidden(self, features: Any, counts: Any, mask: Any, draws: Draws) -> Any:
        """SpecAugment (Park et al., arXiv 1904.08779): bands replaced by the clip's mean."""
        changes = self.changes
        real = tf.cast(counts, tf.float32)
        size = tf.fill(tf.shape(real), float(self.bins))
        hidden = tf.zeros_like(mask)
        bands = tf.range(self.bins, dtype=tf.float32)[None, None]
        times = tf.cast(tf.range(tf.shape(features)[1]), tf.float32)[None, :, None]
        for _ in range(changes.frequency_masks):
            hidden |= _band(size, changes.frequency_width, bands, draws)
        for _ in range(changes.time_masks):
            hidden |= _band(real, changes.time_width, times, draws)
        total = tf.reduce_sum(tf.where(mask, features, 0.0), [1, 2], keepdims=True)
        mean = total / (real[:, None, None] * self.bins)
        return tf.where(hidden, mean, features)


def mixed(features: Any, counts: Any, label: Any, seeds: Any, share: float) -> tuple[Any, ...]:
    """Mix some clips with the one before them in the batch (Zhang et al., arXiv 1710.09412).

    Powers are added, as where two sounds are heard at once. Which clips meet depends on the
    batch's rows, so several replicas mix other pairs than one.

    Args:
        features: ``(batch, frames, bins)`` log-mel frames.
        counts: ``(batch,)`` frames that count.
        label: ``(batch,)``.
        seeds: ``(batch, 2)``.
        share: of the clips.

    Returns:
        The frames, their counts, the other clip's label and the first one's share, 0.5 to 1.
    """
    draws = Draws(seeds, stream=2)
    chosen = draws.uniform(1)[:, 0] < share
    part = tf.where(chosen, draws.between(0.5, 1.0), 1.0)
    heard = tf.sequence_mask(counts, tf.shape(features)[1])[..., None]
    power = tf.where(heard, tf.exp(features), 0.0)
    both = part[:, None, None] * power + (1 - part)[:, None, None] * tf.roll(power, 1, 0)
    longer = tf.where(chosen, tf.maximum(counts, tf.roll(counts, 1, 0)), counts)
    inside = tf.sequence_mask(longer, tf.shape(features)[1])[..., None]
    frames = tf.where(inside, tf.math.log(tf.maximum(both, LOG_FLOOR)), 0.0)
    return frames, longer, tf.roll(label, 1, 0), part


def _band(size: Any, most: float, places: Any, draws: Draws) -> Any:
    width = draws.uniform(1)[:, 0] * most * size
    start = draws.uniform(1)[:, 0] * (size - width)
    start, width = start[:, None, None], width[:, None, None]
    return (places >= start) & (places < start + width)


def _quietest(features: Any, num_frames: Any) -> Any:
    """The quietest frame, or the mean of several that are as quiet: ``(batch, bins)``."""
    mask = tf.sequence_mask(num_frames, tf.shape(features)[1])
    loudness = tf.reduce_mean(features, -1)
    lowest = tf.reduce_min(tf.where(mask, loudness, np.inf), 1, keepdims=True)
    quiet = (mask & (loudness <= lowest + 1e-6))[..., None]
    count = tf.maximum(tf.reduce_sum(tf.cast(quiet, tf.float32), 1), 1.0)
    return tf.reduce_sum(tf.where(quiet, features, 0.0), 1) / count
