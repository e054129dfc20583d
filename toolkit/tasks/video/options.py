"""What a recipe of video classification may say."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from toolkit.recipe import (
    Auto,
    Column,
    DataOptions,
    DataPath,
    EvaluateOptions,
    Refusal,
    Section,
    TaskOptions,
    TaskSection,
    TrainOptions,
)

if TYPE_CHECKING:
    from toolkit.data.roles import Role

Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(ge=0, lt=1)]
Filters = Annotated[tuple[Count, ...], Field(min_length=1)]
Pooling = Literal["attention", "mean_max"]


class VideoSection(TaskSection):
    """What to learn: a label for a video."""

    type: Literal["video"] = Field("video", description="Video classification.")
    num_frames: Annotated[int, Field(ge=1)] = Field(16, description="Frames that the model reads.")
    class_weights: Literal["none", "balanced"] | dict[str, float] = Field(
        "none",
        description="What an example of each label counts: all alike, each label as much as "
        "another (balanced), or a weight by label.",
    )


class Sampling(Section):
    """Which frames of a video make a clip."""

    short: ClassVar[str | None] = "type"

    type: Literal["uniform", "stride"] = Field(
        "uniform",
        description="uniform: num_frames spread over the whole video; stride: neighbours, every "
        "`stride`-th of the frames that are kept.",
    )
    stride: Count = Field(1, description="Frames from one to the next, with type stride.")


class VideoData(DataOptions):
    """Videos and their labels."""

    video: Column = Field(
        "path",
        description="Column of the videos: files (.mp4 .avi .mov .webm .mkv .gif), folders of "
        "images, or in Python arrays of frames (frames, height, width, 3). A folder with a "
        "folder of videos for each label has the columns path and label.",
    )
    label: Column = Field("label", description="Column of the labels.")
    folder: DataPath | None = Field(
        None,
        description="Folder that paths of the column video start in; else that of the file that "
        "names them.",
    )
    start: Column | None = Field(
        None, description="Column of seconds into the file where the video begins."
    )
    end: Column | None = Field(None, description="Column of seconds where it ends.")
    frame_size: Annotated[int, Field(ge=8)] = Field(
        80, description="Height and width, in pixels, that frames are kept and read at."
    )
    fit: Literal["stretch", "crop", "pad"] = Field(
        "stretch",
        description="How a frame becomes a square: stretched, its middle cut out, or with black "
        "borders.",
    )
    max_frames: Count | Auto = Field(
        "auto",
        description="Most frames kept of a video, evenly spaced in time; auto: four times as many "
        "as a clip has, and thirty-two times with sampling by stride.",
    )
    sampling: Sampling = Field(Sampling(), description="Which frames make a clip.")


class Augment(Section):
    """How a clip is changed at random each time it is learnt from."""

    jitter: bool = Field(True, description="Take other frames each time.")
    speed: Rate = Field(
        0.25, description="Play up to this share slower or faster; 0.25: 0.75 to 1.25 times."
    )
    crop: Rate = Field(
        0.3, description="Cut away up to this share of height and of width; 0: never."
    )
    flip: bool = Field(
        True, description="Mirror left and right; false where that changes the label."
    )
    colour: Rate = Field(0.2, description="Change brightness, contrast and saturation this much.")
    mixup: float = Field(
        0.2,
        ge=0,
        description="Blend pairs of clips and of labels, by shares of Beta(mixup, mixup) "
        "(Zhang et al. 2018); 0: none.",
    )

    def of_pixels(self) -> list[str]:
        """Names of the changes, of those that are on, that pixels go through."""
        return [name for name in ("crop", "flip", "colour", "mixup") if getattr(self, name)]


class Network(Section):
    """What all models share."""

    reads: Literal["rgb", "differences", "both"] | Auto = Field(
        "auto",
        description="The colours, what changes from frame to frame, or both; auto: both, and the "
        "colours where there is a backbone.",
    )
    dropout: Rate = Field(0.5, description="Of the vector that the label is read from.")
    motion_statistics: Auto | bool = Field(
        "auto",
        description="Begin with a logistic regression on how much, and how unevenly, a clip moves, "
        "to which the network adds; auto: with fewer than 2,000 training videos and no backbone.",
    )


class FrameNetwork(Network):
    """What the models with a CNN over each frame share."""

    filters: Filters = Field(
        (16, 32, 64, 128), description="Of the residual blocks, each of which halves the frame."
    )
    backbone: str | None = Field(
        None,
        min_length=1,
        description="Instead of them a network of keras.applications, such as MobileNetV2, or a "
        "keras-nlp image preset, by name or directory. It reads colours.",
    )
    weights: str | None = Field(
        None, min_length=1, description="File of the keras.applications network's weights."
    )
    trainable: bool = Field(True, description="Fine-tune the backbone; false: leave it as it is.")
    freeze_epochs: Annotated[int, Field(ge=0)] = Field(
        0, description="Epochs for which the backbone stays as it is, before it is fine-tuned too."
    )
    backbone_rate: Annotated[float, Field(gt=0, le=1)] = Field(
        0.1, description="Share of the learning rate that a backbone is fine-tuned with."
    )
    cache_features: Auto | bool = Field(
        "auto",
        description="Work out the vectors that a backbone gives once and keep them in the cache; "
        "auto: where it is not trained and train.augment leaves pixels alone.",
    )
    pooling: Pooling = Field(
        "attention", description="Over time: weights for the frames, or the mean and the maximum."
    )

    def refusals(self) -> Iterator[Refusal]:
        """Yield what does not go together."""
        yield from super().refusals()
        if self.weights is not None and self.backbone is None:
            yield Refusal("weights", "there is no backbone that they could be of; name it")
        if self.backbone is not None and self.reads not in ("auto", "rgb"):
            yield Refusal("reads", "a backbone reads colours; leave this out or say rgb")
        if self.backbone is not None and self.motion_statistics is True:
            yield Refusal(
                "motion_statistics",
                "a backbone's vectors stand for the frames; leave this out or say false",
            )
        of_backbone = ("trainable", "freeze_epochs", "backbone_rate", "cache_features")
        for name in of_backbone if self.backbone is None else ():
            if getattr(self, name) != type(self).model_fields[name].default:
                yield Refusal(
                    name, "it is about a backbone, and there is none; name one or leave it out"
                )
        if self.freeze_epochs and not self.trainable:
            yield Refusal(
                "freeze_epochs", "trainable is false, so the backbone stays as it is for ever"
            )
        if self.cache_features is True and self.trainable:
            yield Refusal(
                "cache_features", "a backbone that is trained gives other vectors each time"
            )


class CNNLSTM(FrameNetwork):
    """A CNN over each frame, recurrence over time, attention over its states."""

    type: Literal["cnn_lstm"] = Field("cnn_lstm", description="The model.")
    cell: Literal["lstm", "gru", "rnn"] = Field("lstm", description="Of the recurrence.")
    units: Count = Field(64, description="State of each direction.")
    num_layers: Count = Field(1, description="Recurrent layers on top of each other.")
    bidirectional: bool = Field(True, description="Read both ways.")


class CNNTransformer(FrameNetwork):
    """A CNN over each frame, a Transformer encoder over time."""

    type: Literal["cnn_transformer"] = Field("cnn_transformer", description="The model.")
    num_layers: Count = Field(2, description="Encoder layers.")
    num_heads: Count = Field(4, description="Heads of the attention.")


class TemporalShiftNetwork(Network):
    """A CNN over each frame that trades channels with its neighbours (Lin et al. 2019)."""

    type: Literal["temporal_shift"] = Field("temporal_shift", description="The model.")
    filters: Filters = Field(
        (16, 32, 64, 128), description="Of the residual blocks, each of which halves the frame."
    )
    share: float = Field(0.125, ge=0, le=0.5, description="Of the channels moved each way.")
    pooling: Pooling = Field(
        "attention", description="Over time: weights for the frames, or the mean and the maximum."
    )


class Conv3D(Network):
    """Convolutions over space and time (Tran et al. 2015)."""

    type: Literal["conv3d"] = Field("conv3d", description="The model.")
    filters: Filters = Field((16, 32, 64, 128), description="Of the stages.")


class Conv2Plus1D(Network):
    """Convolutions over space, then over time (Tran et al. 2018)."""

    type: Literal["conv2plus1d"] = Field("conv2plus1d", description="The model.")
    filters: Filters = Field((16, 32, 64, 128), description="Of the stages.")


class ConvLSTM(Network):
    """An LSTM over small maps of the frames, whose products are convolutions (Shi et al. 2015)."""

    type: Literal["conv_lstm"] = Field("conv_lstm", description="The model.")
    filters: Filters = Field((16, 32, 64), description="Of the residual blocks before it.")
    units: Count = Field(32, description="Channels of the state.")


class VideoTransformer(Network):
    """Attention over tubelets, within a moment and then over time (Arnab et al. 2021)."""

    type: Literal["video_transformer"] = Field("video_transformer", description="The model.")
    patch_size: Count = Field(8, description="Height and width of a tubelet.")
    patch_frames: Count = Field(2, description="Frames of a tubelet.")
    hidden_dim: Count = Field(96, description="Width of a token.")
    num_layers: Count = Field(2, description="Encoder layers over space, and over time.")
    num_heads: Count = Field(4, description="Heads of the attention.")
    dropout: Rate = Field(0.2, description="Of every sublayer, and of what the label is read from.")


Model = Annotated[
    CNNLSTM
    | CNNTransformer
    | TemporalShiftNetwork
    | Conv3D
    | Conv2Plus1D
    | ConvLSTM
    | VideoTransformer,
    Field(discriminator="type"),
]


class VideoTrain(TrainOptions):
    """How to train."""

    ema: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        0.99, description="Momentum of the moving average of the weights; null: none."
    )
    choose: Literal["best", "last"] = Field(
        "last",
        description="Which weights the model gets: the last, or the best by the validation score, "
        "which among few videos is the luckiest.",
    )
    augment: Augment = Field(Augment(), description="Random changes of the clips.")


class VideoEvaluate(EvaluateOptions):
    """How the trained model is judged."""

    clips: Count = Field(
        3, description="Clips of a video whose answers are averaged, in predict and export too."
    )
    top_k: Annotated[int, Field(ge=2)] = Field(
        5, description="Also report how often the label is among the k likeliest."
    )
    group: Column | None = Field(
        None,
        description="Column whose equal values are drawn together for the intervals, such as a "
        "source or a person; else data.split.group.",
    )


class Options(TaskOptions):
    """A recipe of video classification."""

    task: VideoSection = Field(VideoSection(), description="What to learn.")
    data: VideoData = Field(description="Where the videos are and what the columns mean.")
    model: Model = Field(CNNLSTM(), description="What learns.")
    train: VideoTrain = Field(VideoTrain(), description="How to train.")
    evaluate: VideoEvaluate = Field(VideoEvaluate(), description="How it is judged.")

    def refusals(self) -> Iterator[Refusal]:
        """Yield what does not go together."""
        yield from super().refusals()
        changed = self.train.augment.of_pixels()
        if getattr(self.model, "cache_features", False) is True and changed:
            yield Refusal(
                "model.cache_features",
                f"train.augment changes pixels by {', '.join(changed)}, so that vectors differ "
                "each time; switch these off (0 or false) or leave cache_features out",
            )

    def roles(self) -> list["Role"]:
        """Return what the columns are to the task."""
        from toolkit.data.roles import Role  # pandas is only loaded where data is opened

        data = self.data
        roles = [Role("video", data.video, "video"), Role("label", data.label, "label")]
        times = {"start": data.start, "end": data.end}
        return roles + [
            Role(name, column, "number", required=False)
            for name, column in times.items()
            if column is not None
        ]
