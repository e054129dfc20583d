"""From raw samples at any rate to log-mel frames, in the graph: what training and serving share."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from toolkit.layers import LogMelSpectrogram

ZERO_CROSSINGS = 16  # of the resampling filter, on each side
ROLLOFF = 0.95  # share of the lower rate's band that resampling keeps
LOUDNESS = 0.1  # root mean square that every clip is brought to
QUIETEST = 1e-3  # root mean square below which a clip is silence and not made louder
LEAD, TAIL = 0.1, 0.3  # s of silence around a clip that is recognised while it comes in
LOG_FLOOR = 1e-5  # of mel power: digital silence sounds like a quiet room


class FrontEnd:
    """Raw clips to ragged log-mel frames.

    Each clip is resampled, trimmed if asked, brought to one loudness (unless ``streaming``) and cut
    into frames. What stands after a clip's own samples changes nothing.

    Args:
        sampling_rate: Hz at which the model hears.
        num_mel_bins: bands of the spectrogram.
        frame_length: seconds that a frame looks at.
        frame_step: seconds from one frame to the next.
        trim: dB below the loudest frame that ends are cut off at; None: never.
        streaming: leave the loudness of clips alone, as it is not known before their end, and
            give them a quiet start, so that nothing is taken for the beginning of a word, and a
            quiet end, in which the last word can still be said.
    """

    def __init__(
        self,
        sampling_rate: int,
        num_mel_bins: int,
        frame_length: float,
        frame_step: float,
        trim: float | None = None,
        streaming: bool = False,
    ) -> None:
        self.sampling_rate = sampling_rate
        self.streaming = streaming
        self.frame_length = max(2, round(frame_length * sampling_rate))
        self.frame_step = max(1, round(frame_step * sampling_rate))
        # whole frames, so that the silence can be told from the clip
        self.lead, self.tail = (
            self.frame_step * round(seconds / frame_step) if streaming else 0
            for seconds in (LEAD, max(TAIL, 2 * frame_length))
        )
        self.trim = trim
        self.log_mel = LogMelSpectrogram(
            sampling_rate,
            self.frame_length,
            self.frame_step,
            num_mel_bins,
            lower_edge_hertz=20.0,
            log_floor=LOG_FLOOR,
        )

    def __call__(self, audio: Any, num_samples: Any, sampling_rate: Any) -> dict[str, Any]:
        """Return ragged ``features`` ``(batch, frames, bins)`` and ``num_frames`` ``(batch,)``.

        Args:
            audio: ``(batch, samples)`` float32, anything after a clip's own samples.
            num_samples: ``(batch,)`` samples of each clip.
            sampling_rate: ``(batch,)`` Hz of each clip.
        """
        num_samples = tf.clip_by_value(num_samples, 0, tf.shape(audio)[1])
        plain = tf.reduce_all(tf.equal(sampling_rate, self.sampling_rate))
        waves, lengths = tf.cond(
            plain if self.trim is None else tf.constant(False),
            lambda: (audio, num_samples),
            lambda: self._each(audio, num_samples, sampling_rate),
        )
        waves = tf.pad(waves, [[0, 0], [0, tf.maximum(0, 1 - tf.shape(waves)[1])]])
        mask = tf.sequence_mask(lengths, tf.shape(waves)[1])
        waves = tf.where(mask & tf.math.is_finite(waves), waves, 0.0)
        waves = waves if self.streaming else _equally_loud(waves, mask)
        waves = tf.pad(waves, [[0, 0], [self.lead, self.tail]])
        lengths += self.lead + self.tail
        frames = self.frames_of(waves, tf.sequence_mask(lengths, tf.shape(waves)[1]))
        counts = self.num_frames(lengths)
        features = tf.RaggedTensor.from_tensor(frames, counts)
        return {"features": features, "num_frames": counts}

    def frames_of(self, waves: Any, mask: Any) -> Any:
        """``(batch, frames, bands)`` natural logarithms of the power of masked waves."""
        return self.log_mel(waves, mask=mask)

    def num_frames(self, num_samples: Any) -> Any:
        """Frames of clips of so many samples at the model's rate."""
        return tf.maximum(1, 1 + (num_samples - self.frame_length) // self.frame_step)

    def most_frames(self, num_samples: int, sampling_rate: int) -> int:
        """Frames of a clip, at most: trimming may leave fewer."""
        samples = -(-num_samples * self.sampling_rate // sampling_rate)
        samples += self.lead + self.tail
        return max(1, 1 + (samples - self.frame_length) // self.frame_step)

    def _each(self, audio: Any, num_samples: Any, sampling_rate: Any) -> tuple[Any, Any]:
        def one(clip: tuple[Any, Any, Any]) -> Any:
            samples, count, rate = clip
            wave = resample(samples[:count], rate, self.sampling_rate)
            return wave if self.trim is None else trimmed(wave, self.frame_step, self.trim)

        ragged = tf.map_fn(
            one,
            (audio, num_samples, sampling_rate),
            fn_output_signature=tf.RaggedTensorSpec([None], tf.float32, 0),
        )
        return ragged.to_tensor(), tf.cast(ragged.row_lengths(), tf.int32)


def _equally_loud(waves: Any, mask: Any) -> Any:
    """Clips of one loudness."""
    count = tf.maximum(tf.reduce_sum(tf.cast(mask, tf.float32), 1, keepdims=True), 1.0)
    power = tf.reduce_sum(tf.square(waves), 1, keepdims=True) / count
    return waves * (LOUDNESS / tf.maximum(tf.sqrt(power), QUIETEST))


def resample(samples: Any, rate: Any, target: int) -> Any:
    """Change the sampling rate of ``(samples,)`` by a windowed sinc.

    Bandlimited interpolation (Smith, "Digital Audio Resampling", section 2): output ``n`` lies at
    the input time ``n * rate / target``; each of the ``target / gcd`` phases that such times have
    between two inputs is a filter of its own.

    Args:
        samples: float32.
        rate: its rate, Hz; a scalar tensor.
        target: the rate wanted, Hz.

    Returns:
        ``ceil(samples * target / rate)`` samples; the same ones where the rates are equal.
    """
    rate = tf.cast(rate, tf.int64)
    return tf.cond(
        tf.equal(rate, target) | (rate <= 0),
        lambda: samples,
        lambda: _resampled(samples, rate, target),
    )


def _resampled(samples: Any, rate: Any, target: int) -> Any:
    divisor = _common_divisor(rate, target)
    up, down = target // divisor, rate // divisor
    taps, half = _filters(up, down)
    count = -(-tf.cast(tf.size(samples), tf.int64) * up // down)
    places = tf.range(count) * down
    first, phase = places // up, places % up
    padded = tf.pad(samples, [[half, half + 1]])

    def add(tap: Any, total: Any) -> tuple[Any, Any]:
        weights = tf.gather(taps[tf.cast(tap, tf.int64)], phase)
        return tap + 1, total + weights * tf.gather(padded, first + tap)

    wide = tf.shape(taps, tf.int64)[0]
    _, total = tf.while_loop(
        lambda tap, _: tap < wide,
        add,
        (tf.constant(0, tf.int64), tf.zeros([count])),
        shape_invariants=(tf.TensorShape([]), tf.TensorShape([None])),
    )
    return total


def _filters(up: Any, down: Any) -> tuple[Any, Any]:
    """Weights ``(taps, up)`` of each phase, and the taps before an output's place."""
    ratio = tf.cast(up, tf.float64) / tf.cast(down, tf.float64)
    band = tf.minimum(ratio, tf.constant(1.0, tf.float64)) * ROLLOFF
    half = tf.cast(tf.math.ceil(ZERO_CROSSINGS / band), tf.int64)
    phase = tf.cast(tf.range(up), tf.float64) / tf.cast(up, tf.float64)
    away = tf.cast(tf.range(-half, half + 2), tf.float64)[:, None] - phase  # in input samples
    window = tf.cos(np.pi / 2 * tf.clip_by_value(away * band / ZERO_CROSSINGS, -1.0, 1.0)) ** 2
    angle = np.pi * band * away
    safe = tf.where(tf.equal(angle, 0.0), tf.ones_like(angle), angle)
    sinc = tf.where(tf.equal(angle, 0.0), tf.ones_like(angle), tf.sin(safe) / safe)
    weights = sinc * window
    weights /= tf.reduce_sum(weights, axis=0)  # a constant stays what it is
    return tf.cast(weights, tf.float32), half


def _common_divisor(first: Any, second: int) -> Any:
    """Euclid's algorithm."""
    divisor, _ = tf.while_loop(
        lambda _, rest: rest > 0,
        lambda divisor, rest: (rest, divisor % rest),
        (first, tf.constant(second, tf.int64)),
    )
    return divisor


def trimmed(samples: Any, frame_step: int, decibels: float) -> Any:
    """Cut off the ends of ``(samples,)`` that are so much quieter than the loudest frame."""
    power = tf.square(tf.where(tf.math.is_finite(samples), samples, 0.0))
    missing = -tf.size(samples) % frame_step
    frames = tf.reduce_mean(tf.reshape(tf.pad(power, [[0, missing]]), [-1, frame_step]), axis=1)
    loudest = tf.reduce_max(tf.concat([frames, [0.0]], 0))
    loud = tf.cast(tf.where(frames >= loudest * 10 ** (-decibels / 10)), tf.int32)[:, 0]
    kept = tf.concat([loud, [0]], 0)[:1], tf.concat([[-1], loud], 0)[-1:]
    start, end = kept[0][0] * frame_step, (kept[1][0] + 1) * frame_step
    return samples[start:end]
