"""Video classification: what is fitted, what is learnt, what is answered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from toolkit.data.clips import ClipStore
from toolkit.data.examples import Examples
from toolkit.data.features import FeatureStore
from toolkit.data.labels import class_weights, encode_labels, label_names
from toolkit.data.roles import Role
from toolkit.data.video_files import Decoding
from toolkit.errors import unreadable
from toolkit.models.backbones import backbone_weights, split
from toolkit.models.stages import FrozenStage, LateStage
from toolkit.models.video import with_attention
from toolkit.tasks.base import Decision, Monitor, Task, Tensors
from toolkit.tasks.labels import Labelling
from toolkit.tasks.video import models, options
from toolkit.tasks.video.augmentation import Augmentation
from toolkit.tasks.video.examples import VideoExamples, in_clips
from toolkit.tasks.video.framing import squares
from toolkit.tasks.video.motion import set_motion_logits
from toolkit.tasks.video.reporting import TopKScorer, report
from toolkit.tasks.video.rows import clips_of
from toolkit.tasks.video.sampling import Sampler
from toolkit.tasks.video.sheets import contact_sheets

if TYPE_CHECKING:
    from toolkit.data.splits import Splits
    from toolkit.data.table import Table

KEPT = {"uniform": 4, "stride": 32}  # frames of a video for each frame of a clip
FEW = 2000  # videos
STEPS = 500  # of training, where the recipe leaves it open, for little data
MAX_EPOCHS, MIN_EPOCHS = 60, 10


class Video(Task[options.Options]):
    """Video classification: one label of two or many."""

    options_type: ClassVar[type[options.Options]] = options.Options
    whole_batches = True

    def __init__(self, options: options.Options) -> None:
        super().__init__(options)
        task, data = options.task, options.data
        self.rows = 0
        self.labels: list[str] = []
        self.weights: NDArray[np.float64] = np.zeros(0)
        by_stride = data.sampling.type == "stride"
        self.sampler = Sampler(task.num_frames, data.sampling.stride if by_stride else None)
        kept = data.max_frames
        if kept == "auto":
            kept = KEPT[data.sampling.type] * task.num_frames
        self.decoding = Decoding(data.frame_size, max(kept, task.num_frames), data.fit)
        augment = options.train.augment
        self.augmentation = Augmentation(augment.crop, augment.flip, augment.colour, augment.mixup)

    @property
    def role(self) -> Role:
        """The label's role."""
        return self.options.roles()[1]

    # -- data ---------------------------------------------------------------------------------

    def prepare(self, splits: Splits) -> None:
        """Fit label names and class weights on the training split."""
        train = splits.train
        self.rows = len(train)
        self.labels = label_names(train, self.role)
        encoded = encode_labels(train, self.role, self.labels)
        self.weights = class_weights(self.options.task.class_weights, encoded, self.labels)
        for table in (splits.train, splits.validation, splits.test):
            clips_of(table, self.options.data)  # sees that what starts also ends
        if self.options.model.motion_statistics == "auto":
            reason = f"{self.rows} training videos" if self._pixels() else "a backbone is named"
            self.decisions["model.motion_statistics"] = Decision(self._motion(), reason)
        if self.options.data.max_frames == "auto":
            reason = f"enough for clips of {self.options.task.num_frames} frames drawn at random"
            self.decisions["data.max_frames"] = Decision(self.decoding.max_frames, reason)

    def save(self, directory: Path) -> None:
        """Write ``labels.json``."""
        content = {"labels": self.labels, "rows": self.rows, "weights": self.weights.tolist()}
        (directory / "labels.json").write_text(json.dumps(content, indent=1, ensure_ascii=False))

    def load(self, directory: Path) -> None:
        """Read what :meth:`save` wrote."""
        if getattr(self.options.model, "backbone", None) is not None:
            import keras_nlp  # noqa: F401 - registers what a saved backbone is made of
        path = directory / "labels.json"
        try:
            content = json.loads(path.read_text())
            self.labels, self.rows = content["labels"], content["rows"]
            self.weights = np.array(content["weights"])
        except (OSError, ValueError, KeyError) as error:
            raise unreadable(path, error) from error

    def raw(self, table: Table) -> dict[str, NDArray[Any]]:
        """The frames that are kept of each video, an array each."""
        store = ClipStore(clips_of(table, self.options.data), self.decoding)
        videos = np.empty(len(store), object)
        for row in range(len(store)):
            videos[row] = np.array(store.frames(row))
        return {"video": videos}

    def examples(self, table: Table, *, targets: bool = True) -> Examples:
        """Videos that are decoded into the cache from now on, with their label numbers."""
        store = ClipStore(clips_of(table, self.options.data), self.decoding)
        augment = self.options.train.augment
        encoded = encode_labels(table, self.role, self.labels) if targets else None
        return VideoExamples(
            store,
            self.sampler,
            self.options.evaluate.clips,
            {} if encoded is None else {"label": encoded},
            None if encoded is None else self.weights[encoded],
            jitter=augment.jitter,
            speed=augment.speed,
        )

    def preprocess(self, raw: Tensors) -> Tensors:
        """Choose, resize and cut ``(batch, frames, height, width, 3)`` frames of bytes."""
        video = raw["video"]
        missing = tf.maximum(0, 1 - tf.shape(video)[1])
        video = tf.pad(video, [[0, 0], [0, missing], [0, 0], [0, 0], [0, 0]])
        places = self.sampler.fixed_in_graph(tf.shape(video)[1], self.options.evaluate.clips)
        chosen = tf.gather(video, tf.reshape(places, [-1]), axis=1)
        frames = tf.reshape(chosen, tf.concat([[-1], tf.shape(video)[2:]], 0))
        return {"frames": tf.reshape(self._squares(frames), [-1, *self._shape()])}

    def _squares(self, frames: Any) -> Any:
        return squares(frames, self.decoding.frame_size, self.decoding.fit)

    def _shape(self) -> list[int]:
        size = self.decoding.frame_size
        return [self.options.evaluate.clips, self.sampler.num_frames, size, size, 3]

    def augment(self, inputs: Tensors, targets: Tensors, seeds: Any) -> tuple[Tensors, Tensors]:
        """Cut, mirror and colour each clip, and blend it with another of the batch."""
        if "features" in inputs:
            return inputs, targets
        frames = self.augmentation(inputs["frames"], seeds)
        if self.augmentation.mixup:
            frames, share = self.augmentation.blend(frames, seeds)
            targets = {**targets, "other": tf.roll(targets["label"], 1, axis=0), "share": share}
        return {"frames": frames}, targets

    # -- model --------------------------------------------------------------------------------

    def build_model(self) -> keras.Model:
        """Build the classifier: ``(batch, clips, labels)`` logits."""
        return models.build(
            self.options.model,
            len(self.labels),
            self.sampler.num_frames,
            self.decoding.frame_size,
            self.options.run.seed,
            self._motion(),
        )

    def initialise(self, model: keras.Model, examples: Examples) -> None:
        """Solve the regression on statistics of motion; the network begins at random."""
        set_motion_logits(model, examples, self.tick)

    def _motion(self) -> bool:
        """Whether the network adds to a regression on statistics of motion."""
        wanted = self.options.model.motion_statistics
        return self._pixels() and self.rows < FEW if wanted == "auto" else wanted

    def _pixels(self) -> bool:
        """Whether no backbone stands between the frames and what is learnt."""
        return not getattr(self.options.model, "backbone", None)

    def frozen_stage(self, model: keras.Model) -> FrozenStage | None:
        """A backbone that is not trained, where clips are not changed before it."""
        section = self.options.model
        if not isinstance(section, options.FrameNetwork) or not section.backbone:
            return None
        changed = self.options.train.augment.of_pixels()
        if section.trainable or not section.cache_features or changed:
            return None
        return FrozenStage(*split(model))

    def through(self, stage: FrozenStage, digest: str, examples: Examples) -> Examples:
        """The vectors of all frames in the cache."""
        assert isinstance(examples, VideoExamples)
        compute = in_clips(stage.first, self.sampler.num_frames)
        return examples.of_vectors(
            FeatureStore(examples.store, compute, digest, partial(self.tick, "features"))
        )

    def late_stage(self, model: keras.Model) -> LateStage | None:
        """A backbone, which has a learning rate of its own."""
        section = self.options.model
        if not isinstance(section, options.FrameNetwork) or not section.backbone:
            return None
        if not section.trainable:
            return None
        return LateStage(backbone_weights(model), section.freeze_epochs, section.backbone_rate)

    def loss(self, outputs: Any, targets: Tensors, weights: Any) -> Any:
        """Cross-entropy in nats, the mean over clips; of both labels where clips are blended."""
        log_probabilities = ops.log_softmax(ops.cast(outputs, "float32"), axis=-1)
        losses = self._cross_entropy(log_probabilities, targets["label"])
        if "share" in targets:
            other = self._cross_entropy(log_probabilities, targets["other"])
            losses = targets["share"] * losses + (1 - targets["share"]) * other
        return ops.sum(losses * weights)

    def _cross_entropy(self, log_probabilities: Any, label: Any) -> Any:
        smoothing = self.options.train.label_smoothing
        right = ops.one_hot(ops.cast(label, "int32"), len(self.labels))[:, None]
        target = (1 - smoothing) * right + smoothing / len(self.labels)
        return -ops.mean(ops.sum(target * log_probabilities, axis=-1), axis=1)

    def recommended(self) -> dict[str, Decision]:
        """What suits small and middling sets of short videos."""
        videos = f"{self.rows} training videos"
        batch_size = 16 if self.rows < FEW else 32
        epochs = round(STEPS * batch_size / max(self.rows, 1))
        return {
            "batch_size": Decision(batch_size, videos),
            "epochs": Decision(int(np.clip(epochs, MIN_EPOCHS, MAX_EPOCHS)), videos),
            "learning_rate": Decision(1e-3, "usual for Adam on small networks"),
        }

    # -- answers ------------------------------------------------------------------------------

    @property
    def monitor(self) -> Monitor:
        """Accuracy; macro F1 where classes are balanced on purpose."""
        plain = self.options.task.class_weights == "none"
        return Monitor("accuracy" if plain else "f1", "max")

    def answer(self, model: keras.Model, inputs: Tensors) -> Tensors:
        """``probabilities``, ``(batch, labels)``, the mean over clips.

        Where the model weighs frames, also ``frame_weights``, ``(batch, clips, frames)``.
        """
        weighing = with_attention(model)
        outputs = (weighing or model)(inputs, training=False)
        logits = outputs["logits"] if weighing else outputs
        answers = {"probabilities": clip_mean(logits)}
        return {**answers, "frame_weights": outputs["weights"]} if weighing else answers

    def validate(self, model: keras.Model, inputs: Tensors, outputs: Any) -> Tensors:
        """The probabilities alone."""
        return {"probabilities": clip_mean(outputs)}

    def score(self, answers: Mapping[str, NDArray[Any]], examples: Examples) -> dict[str, float]:
        """Accuracy, top-k accuracy, macro F1, ROC-AUC, log loss and calibration error."""
        labels = np.asarray(examples.target("label"))
        return TopKScorer(answers["probabilities"], labels, self.options.evaluate.top_k)()

    def report(
        self, answers: Mapping[str, NDArray[Any]], examples: Examples, table: Table
    ) -> dict[str, Any]:
        """Scores with intervals, scores of each label, confusion matrix, hardest errors."""
        assert isinstance(examples, VideoExamples)
        return report(answers["probabilities"], examples, table, self.labels, self.options)

    def pictures(
        self, answers: Mapping[str, NDArray[Any]], examples: Examples, table: Table
    ) -> dict[str, bytes]:
        """The best and the worst videos."""
        assert isinstance(examples, VideoExamples)
        return contact_sheets(answers, examples, table, self.labels)

    def predictions(self, answers: Mapping[str, NDArray[Any]]) -> pd.DataFrame:
        """``prediction``, ``score`` (its probability) and the probability of each label."""
        return Labelling(self.labels).predictions(answers["probabilities"])

    # -- serving ------------------------------------------------------------------------------

    def signature(self) -> dict[str, tf.TensorSpec]:
        """Frames of any number and size."""
        return {"video": tf.TensorSpec([None, None, None, None, 3], tf.uint8, name="video")}

    def more_signatures(self, model: keras.Model) -> dict[str, Any]:
        """``gif``: encoded animations."""

        @tf.function(
            input_signature=[tf.TensorSpec([None], tf.string, name="gif")], autograph=False
        )
        def gif(gif: Any) -> Any:
            shape = tf.TensorSpec(self._shape(), tf.float32)
            frames = tf.map_fn(self._of_gif, gif, fn_output_signature=shape)
            return self.named(self.answer(model, {"frames": frames}))

        return {"gif": gif}

    def _of_gif(self, content: Any) -> Any:
        return self.preprocess({"video": tf.io.decode_gif(content)[None]})["frames"][0]

    def named(self, answers: Tensors) -> Tensors:
        """``label`` (its name), ``score`` and ``probabilities``."""
        return Labelling(self.labels).named(answers["probabilities"])

    def card(self) -> dict[str, Any]:
        """What a user of the export must know."""
        size, frames = self.decoding.frame_size, self.sampler.num_frames
        clips = self.options.evaluate.clips
        how = "spread evenly over it"
        if self.sampler.stride is not None:
            how = f"every {self.sampler.stride}. frame"
        shown = np.zeros((1, 2, 4, 4, 3), int).tolist()
        return {
            "outputs": Labelling(self.labels).meanings(),
            "labels": self.labels,
            "rules": [
                f"A video is RGB frames in bytes, all of one size, of any number: {clips} clips of "
                f"{frames} frames are taken ({how}), the answer is the mean over the clips.",
                f"Frames of another size than {size} x {size} are resized by area "
                f"({self.decoding.fit}).",
                f"Of fewer than {frames} frames the last is repeated; no frame counts as a black "
                "one.",
                "The signature `gif` takes encoded animations, as `gif`: strings of bytes. The "
                "time that a frame is shown is not looked at. What is no gif is an error.",
                f"Files are read by `toolkit predict`: at most {self.decoding.max_frames} frames, "
                "evenly spaced in time.",
            ],
            "example": {"video": shown},
        }


def clip_mean(logits: Any) -> Any:
    """The probabilities ``(batch, labels)`` of logits ``(batch, clips, labels)``."""
    return ops.mean(ops.softmax(ops.cast(logits, "float32"), axis=-1), axis=1)
