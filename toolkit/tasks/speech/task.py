"""Speech: from sound files to labels or texts."""

from __future__ import annotations

import functools
import json
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import NDArray
from pydantic import TypeAdapter

from toolkit.data.audio import SUFFIXES, read_wave
from toolkit.data.examples import Examples
from toolkit.data.report import row_finding
from toolkit.data.sources import resolve
from toolkit.errors import ArgumentError, DataError, unreadable
from toolkit.models.acoustic_preset import load
from toolkit.tasks.base import Decision, Monitor, Task, Tensors, dense
from toolkit.tasks.speech import gathering, models, options, pictures, streaming
from toolkit.tasks.speech.attending import search
from toolkit.tasks.speech.augmentation import Augmenter, Changes, Draws, mixed
from toolkit.tasks.speech.front_end import FrontEnd
from toolkit.tasks.speech.labelling import LabelOutput
from toolkit.tasks.speech.preset_front_end import PresetFrontEnd
from toolkit.tasks.speech.recognition import TextOutput
from toolkit.tasks.speech.waves import Clips, stack, usual_rate

if TYPE_CHECKING:
    from toolkit.data.splits import Splits
    from toolkit.data.table import Table

STATE, NOISE, LANGUAGE = "speech.json", "noise.npy", "language.npy"
MOST_NOISE = 30_000  # frames of the user's noise that are kept
STEPS = 3000  # that a small corpus is trained for
FEW, MEMBERS = 10_000, 2  # clips below which a label is of several networks, and how many


class Speech(Task[options.Options]):
    """A label for a clip, or the text that is spoken in it."""

    options_type: ClassVar[type[options.Options]] = options.Options

    def __init__(self, options: options.Options) -> None:
        super().__init__(options)
        self.model_options: Any = options.model
        self.sampling_rate = 0
        self.rows = 0
        self.converter: dict[str, Any] | None = None  # of a preset, to frames
        self.noise: NDArray[np.float32] | None = None
        self.statistics: NDArray[np.float32] | None = None
        self.head = LabelOutput(options) if options.output == "label" else TextOutput(options)

    # -- data ---------------------------------------------------------------------------------

    def prepare(self, splits: Splits) -> None:
        """Settle the sampling rate and the model; fit labels or characters."""
        train = splits.train
        self.rows = len(train)
        clips = gathering.clips_of(self, train)
        rate, reason = self.options.data.sampling_rate, "the recipe says so"
        if isinstance(self.model_options, options.Preset):
            self.converter = load(self.model_options.preset, "WhisperAudioConverter").get_config()
            rate, reason = self.converter["sampling_rate"], "that of the preset"
        elif rate == "auto":
            rate, reason = usual_rate(clips)
        self.sampling_rate = rate
        self.decisions["data.sampling_rate"] = Decision(rate, reason)
        self.head.fit(train, [splits.validation, splits.test])
        self._settle_model(train, clips)
        self._check_lengths(train, clips)
        if self.options.task.streaming:
            self.statistics = streaming.fit_statistics(self, clips)
        self.noise = self._read_noise()

    def _settle_model(self, train: Table, clips: Clips) -> None:
        if self.model_options == "auto":
            self.model_options = options.CRNN()
            self.decisions["model"] = Decision("crnn", "steady on small and middling corpora")
        if self.model_options.subsampling == "auto":
            factor, reason = 2, "steps of two frames"
            if isinstance(self.head, TextOutput):
                tokens = self.head.targets(train)[0]["tokens"]
                steps = -(-gathering.most_frames(self, clips) // 2)
                if not self.head.check_room(train, tokens, steps, skip=True).all():
                    factor, reason = 1, "transcripts are long for their clips"
            self._settle("subsampling", factor, reason)
        if getattr(self.model_options, "members", None) == "auto":
            few = isinstance(self.head, LabelOutput) and self.rows < FEW
            reason = f"{self.rows:,} training clips"
            if few:
                reason += ", of which networks that begin otherwise learn otherwise"
            self._settle("members", MEMBERS if few else 1, reason)
        if getattr(self.model_options, "bidirectional", None) == "auto":
            both = not self.options.task.streaming
            self.model_options = self.model_options.model_copy(update={"bidirectional": both})

    def _settle(self, name: str, value: int, reason: str) -> None:
        """Decide an option of the model that the recipe leaves open."""
        self.model_options = self.model_options.model_copy(update={name: value})
        self.decisions[f"model.{name}"] = Decision(value, reason)

    def _check_lengths(self, train: Table, clips: Clips) -> None:
        """A preset reads a clip up to some second; of a text the rest would be lost."""
        if not isinstance(self.front_end, PresetFrontEnd):
            return
        seconds = self.front_end.seconds
        headers = [clips.header(row) for row in range(len(clips))]
        long = [row for row, h in enumerate(headers) if h.num_samples > seconds * h.sampling_rate]
        if not long:
            return
        what, expected = "a clip that the preset cannot hear to its end", f"at most {seconds} s"
        finding = row_finding("error", train, long, what, expected)
        if self.options.output == "text":
            raise DataError(str(finding))
        warnings.warn(f"{finding} Cut there.", stacklevel=2)

    def _read_noise(self) -> NDArray[np.float32] | None:
        augment = self.options.data.augment
        if augment is None or augment.noise_files is None:
            return None
        folder = resolve(augment.noise_files, Path())
        files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        if not files:
            raise DataError(f"data.augment.noise_files: no sound files. Received: {folder}.")
        frames: list[NDArray[np.float32]] = []
        for path in files:
            try:
                wave = read_wave(path)
            except ValueError as error:
                raise DataError(f"data.augment.noise_files: {path} {error}.") from error
            frames.append(self.computed(stack([wave]))["features"].flat_values.numpy())
            if sum(map(len, frames)) >= MOST_NOISE:
                break
        return np.concatenate(frames)[:MOST_NOISE]

    def save(self, directory: Path) -> None:
        """Write ``speech.json``, and the noise and the language model where there are some."""
        content = {
            "rows": self.rows,
            "sampling_rate": self.sampling_rate,
            "model": self.model_options.model_dump(mode="json"),
            "output": self.head.state(),
            "converter": self.converter,
            "statistics": None if self.statistics is None else self.statistics.tolist(),
        }
        (directory / STATE).write_text(json.dumps(content, indent=1, ensure_ascii=False))
        for name, array in self._arrays().items():
            if array is not None:
                np.save(directory / name, array)

    def _arrays(self) -> dict[str, NDArray[np.float32] | None]:
        language = self.head.language if isinstance(self.head, TextOutput) else None
        return {NOISE: self.noise, LANGUAGE: language}

    def load(self, directory: Path) -> None:
        """Read what :meth:`save` wrote."""
        path = directory / STATE
        try:
            content = json.loads(path.read_text())
            self.rows, self.sampling_rate = content["rows"], content["sampling_rate"]
            self.model_options = TypeAdapter(options.Model).validate_python(content["model"])
            self.head.restore(content["output"])
            self.converter = content.get("converter")
            if self.converter is not None:
                import keras_nlp  # noqa: F401 - registers what a saved encoder is made of
            if content.get("statistics") is not None:
                self.statistics = np.array(content["statistics"], np.float32)
            if (directory / NOISE).is_file():
                self.noise = np.load(directory / NOISE)
            if isinstance(self.head, TextOutput) and (directory / LANGUAGE).is_file():
                self.head.language = np.load(directory / LANGUAGE)
        except (OSError, ValueError, KeyError) as error:
            raise unreadable(path, error) from error

    def raw(self, table: Table) -> dict[str, NDArray[Any]]:
        """The waves, padded, with their lengths and rates."""
        clips = gathering.clips_of(self, table)
        return stack([clips.read(row) for row in range(len(table))])

    def examples(self, table: Table, *, targets: bool = True) -> Examples:
        """Log-mel frames in memory, or clips read when needed, with what is to be learnt."""
        return gathering.every(self, table, targets=targets)

    def fitting_examples(self, table: Table) -> Examples:
        """The clips, where asked with others that are made of several."""
        return gathering.fitting(self, table)

    @property
    def num_bands(self) -> int:
        """Bands of a frame."""
        own = self.options.data.features.num_mel_bins
        return own if self.converter is None else int(self.converter["num_mels"])

    @functools.cached_property
    def front_end(self) -> FrontEnd:
        """What computes the frames."""
        if self.converter is not None:
            return PresetFrontEnd(self.converter)
        data = self.options.data
        return FrontEnd(
            self.sampling_rate,
            data.features.num_mel_bins,
            data.features.frame_length,
            data.features.frame_step,
            data.trim,
            streaming=self.options.task.streaming,
        )

    @functools.cached_property
    def _compiled(self) -> Any:
        return tf.function(self.preprocess, input_signature=[self.signature()], autograph=False)

    def computed(self, raw: Mapping[str, NDArray[Any]]) -> Mapping[str, Any]:
        """Frames of raw waves, compiled once."""
        features: Mapping[str, Any] = self._compiled(
            {name: tf.constant(value) for name, value in raw.items()}
        )
        return features

    def preprocess(self, raw: Tensors) -> Tensors:
        """Waves to log-mel frames."""
        return self.front_end(raw["audio"], raw["num_samples"], raw["sampling_rate"])

    @property
    def _frame_step(self) -> float:
        """Seconds from one frame to the next."""
        return self.front_end.frame_step / self.sampling_rate

    @functools.cached_property
    def _augmenter(self) -> Augmenter | None:
        wanted = self.options.data.augment
        if wanted is None:
            return None
        step = self._frame_step
        strength = wanted.strength
        if strength == "auto":
            strength = (1.0, 1.0) if self.options.output == "label" else (0.0, 1.0)
        changes = Changes(
            strength=strength,
            shift_frames=round(wanted.shift / step),
            gain=wanted.gain if self.options.task.streaming else 0.0,
            **wanted.model_dump(
                include=set(Changes.__annotations__) - {"shift_frames", "gain", "strength"}
            ),
        )
        return Augmenter(changes, self.sampling_rate, self.num_bands, self.noise)

    def augment(self, inputs: Tensors, targets: Tensors, seeds: Any) -> tuple[Tensors, Tensors]:
        """Other voices, speeds, microphones and noises; bands hidden, and beginnings unheard."""
        if self.options.task.streaming:
            most = streaming.UNHEARD / self.options.data.features.frame_step
            drawn = Draws(seeds, stream=4).between(0.0, most)
            targets = {**targets, "unheard": drawn / self.model_options.subsampling}
        augmenter = self._augmenter
        if augmenter is None:
            return inputs, targets
        features, counts = augmenter(inputs["features"], inputs["num_frames"], seeds)
        share = 0.0 if self.options.data.augment is None else self.options.data.augment.mixup
        if share and "label" in targets:
            features, counts, second, part = mixed(features, counts, targets["label"], seeds, share)
            targets = {**targets, "second": second, "share": part}
        return {"features": features, "num_frames": counts}, targets

    # -- model --------------------------------------------------------------------------------

    def build_model(self) -> keras.Model:
        """Build the model of the recipe's section."""
        if self._attends:
            return models.build_attentive(
                self.model_options,
                self.options.data.features,
                self.options.task,
                self.head.size,
                self.options.run.seed,
            )
        return models.build(
            self.model_options,
            self.options.data.features,
            self.options.output,
            self.head.size,
            self.options.run.seed,
            self.statistics,
        )

    @property
    def _attends(self) -> bool:
        return self.options.task.decoder != "ctc"

    def check_own_model(self, model: keras.Model) -> None:
        """Streaming runs the layers of the task's own model one by one; a decoder step by step."""
        wanted = "task.streaming" if self.options.task.streaming else "task.decoder"
        if self.options.task.streaming or self._attends:
            raise ArgumentError(
                f"{wanted}: expected a model of this toolkit, which can be run step by step. "
                f"Received: a model of the class {type(model).__name__!r}."
            )

    def outputs(
        self, model: keras.Model, inputs: Tensors, targets: Tensors, *, training: bool
    ) -> Any:
        """Run the model; an attention decoder is led by the right tokens."""
        led = {"tokens": targets["tokens"]} if self._attends else {}
        return model({**inputs, **led}, training=training)

    def loss(self, outputs: Any, targets: Tensors, weights: Any) -> Any:
        """Cross-entropy of labels, or CTC."""
        return self.head.loss(outputs, targets, weights)

    def recommended(self) -> dict[str, Decision]:
        """What suits small and middling corpora."""
        rows = self.rows + self.options.data.join
        size = 32 if rows < 10_000 else 64
        epochs = int(np.clip(round(STEPS * size / rows), 10, 60))
        reason = f"{rows:,} training clips"
        return {
            "batch_size": Decision(size, reason),
            "epochs": Decision(epochs, f"{reason}: about {STEPS:,} steps, 10 to 60 epochs"),
            "learning_rate": Decision(1e-3, "usual for Adam on small networks"),
        }

    # -- answers ------------------------------------------------------------------------------

    @property
    def monitor(self) -> Monitor:
        """Accuracy, or word error rate."""
        return self.head.monitor

    def answer(self, model: keras.Model, inputs: Tensors) -> Tensors:
        """Probabilities of labels, or tokens."""
        if self._attends:
            task = self.options.task
            weight = task.ctc_weight if task.decoder == "joint" else 0.0
            return search(model, inputs, task.beam_width, weight)
        return self.head.answer(model(inputs, training=False))

    def validate(self, model: keras.Model, inputs: Tensors, outputs: Any) -> Tensors:
        """The same, without a beam."""
        if self._attends:
            return search(model, inputs, 1, 0.0)
        return self.head.validate(outputs)

    def score(self, answers: Mapping[str, NDArray[Any]], examples: Examples) -> dict[str, float]:
        """The scores of the output."""
        return self.head.score(answers, examples)

    def report(
        self, answers: Mapping[str, NDArray[Any]], examples: Examples, table: Table
    ) -> dict[str, Any]:
        """The report of the output."""
        return self.head.report(answers, examples, table)

    def pictures(
        self, answers: Mapping[str, NDArray[Any]], examples: Examples, table: Table
    ) -> dict[str, bytes]:
        """The confusion of labels; or clips with what CTC hears in each step."""
        if isinstance(self.head, LabelOutput):
            return pictures.confusions(answers, examples, self.head.labels)
        if self.options.task.decoder == "attention":
            return {}  # no step has a token of its own
        seconds = self._frame_step
        step = seconds * self.model_options.subsampling
        return pictures.alignments(self.head, answers, examples, table, seconds, step)

    def predictions(self, answers: Mapping[str, NDArray[Any]]) -> pd.DataFrame:
        """``prediction``, ``score`` and what else the output answers."""
        return self.head.predictions(answers)

    # -- serving ------------------------------------------------------------------------------

    def signature(self) -> dict[str, tf.TensorSpec]:
        """Waves, padded, with their lengths and rates."""
        return {
            "audio": tf.TensorSpec([None, None], tf.float32, name="audio"),
            "num_samples": tf.TensorSpec([None], tf.int32, name="num_samples"),
            "sampling_rate": tf.TensorSpec([None], tf.int32, name="sampling_rate"),
        }

    def named(self, answers: Tensors) -> Tensors:
        """The outputs for people."""
        return self.head.named(answers)

    def more_signatures(self, model: keras.Model) -> dict[str, Any]:
        """``wav``: contents of wav files of 16 bits, channels mixed; those of streaming."""

        @tf.function(
            input_signature=[{"wav": tf.TensorSpec([None], tf.string, name="wav")}], autograph=False
        )
        def serve_wav(raw: Tensors) -> Tensors:
            return self.serve(model, _decoded(raw["wav"]))

        more = streaming.signatures(self, model) if self.options.task.streaming else {}
        return {"wav": serve_wav, **more}

    def listen(self, model: keras.Model, chunks: Iterable[NDArray[Any]]) -> Iterator[str]:
        """The text of a sound that comes in pieces; see :func:`streaming.listen`."""
        if not self.options.task.streaming:
            return super().listen(model, chunks)
        return streaming.listen(self, model, chunks)

    def _about_loudness(self) -> str:
        if self.options.task.streaming:
            return "The loudness of a clip is left as it is; NaN and infinite samples count as 0."
        return (
            "Every clip is brought to one loudness. A silent clip, or one without samples, is "
            "answered as silence; samples that are NaN or infinite count as 0."
        )

    def card(self) -> dict[str, Any]:
        """What a user of the export must know."""
        rate = self.sampling_rate
        rules = [
            "`audio` is mono, full scale -1 to 1, padded with anything to the longest clip; "
            "`num_samples` says how much of each row counts, `sampling_rate` its rate in Hz.",
            f"The model hears at {rate:,} Hz; other rates are resampled inside.",
            self._about_loudness(),
            "A clip shorter than a frame is filled up with silence.",
            "The signature `wav` takes `wav`: wav files of 16 bits as bytes; channels are mixed.",
        ]
        if self.options.task.streaming:
            rules.append(
                "The signature `stream_start` takes `batch_size` and gives a state; `stream` takes "
                f"it, `audio` at {rate:,} Hz in pieces of any length and `final`, whether nothing "
                "follows, and gives the new `text` of each row and the next state."
            )
        example = {"audio": [[0.0, 0.1, 0.0, -0.1] * 4], "num_samples": [16]}
        return {
            "outputs": self.head.meanings(),
            "labels": self.head.labels if isinstance(self.head, LabelOutput) else None,
            "rules": rules,
            "example": {**example, "sampling_rate": [rate]},
        }


def _decoded(wav: Any) -> Tensors:
    """Contents of wav files as waves, padded, with their lengths and rates."""

    def one(content: Any) -> tuple[Any, Any]:
        samples, rate = tf.audio.decode_wav(content)
        return tf.reduce_mean(samples, axis=1), rate

    signature = (tf.RaggedTensorSpec([None], tf.float32, 0), tf.TensorSpec([], tf.int32))
    waves, rates = tf.map_fn(one, wav, fn_output_signature=signature)
    lengths = tf.cast(waves.row_lengths(), tf.int32)
    return {"audio": dense(waves), "num_samples": lengths, "sampling_rate": rates}
