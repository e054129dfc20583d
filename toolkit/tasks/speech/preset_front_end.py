"""Frames as a pretrained Whisper encoder has heard them."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from toolkit.tasks.speech.front_end import FrontEnd

FLOOR = 1e-10  # of mel power


class PresetFrontEnd(FrontEnd):
    """Raw clips to ragged log-mel frames by a preset's own bands, centred on their times.

    Args:
        config: of the ``keras_nlp.layers.WhisperAudioConverter``, plain data.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        import keras_nlp

        rate, size, step = (config[name] for name in ("sampling_rate", "num_fft_bins", "stride"))
        super().__init__(rate, config["num_mels"], size / rate, step / rate)
        self.size, self.step = size, step
        self.seconds = config["max_audio_length"]
        self.most = self.seconds * rate // step
        converter = keras_nlp.layers.WhisperAudioConverter.from_config(config)
        self.bands = np.asarray(converter.mel_filters, np.float32)

    def num_frames(self, num_samples: Any) -> Any:
        """Frames of clips of so many samples at the model's rate; longer ones are cut."""
        return tf.clip_by_value(-(-num_samples // self.step), 1, self.most)

    def most_frames(self, num_samples: int, sampling_rate: int) -> int:
        """Frames of a clip."""
        samples = -(-num_samples * self.sampling_rate // sampling_rate)
        return int(np.clip(-(-samples // self.step), 1, self.most))

    def frames_of(self, waves: Any, mask: Any) -> Any:
        """``(batch, frames, bands)`` natural logarithms of power."""
        del mask  # what stands after a clip is zero already
        half = self.size // 2
        lacking = tf.maximum(0, self.size - tf.shape(waves)[1])
        waves = tf.pad(tf.pad(waves, [[0, 0], [0, lacking]]), [[0, 0], [half, half]], "REFLECT")
        spectrum = tf.signal.stft(waves, self.size, self.step, self.size)
        power = tf.square(tf.abs(spectrum))
        return tf.math.log(tf.maximum(tf.matmul(power, tf.constant(self.bands)), FLOOR))
