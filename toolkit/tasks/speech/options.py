"""What a recipe of speech may say."""

from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

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
)

if TYPE_CHECKING:
    from toolkit.data.roles import Role

Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
AUDIO_NAMES = ("audio", "file", "filename", "audio_path", "audio_filepath", "wav")
TEXT_NAMES = ("text", "transcript", "transcription", "sentence")


class SpeechSection(TaskSection):
    """What to learn: a label for a clip, or the text that is spoken."""

    type: Literal["speech"] = Field("speech", description="Speech and other sounds.")
    output: Literal["label", "text"] | Auto = Field(
        "auto",
        description="label: classification; text: recognition by CTC; auto: text where data.text "
        "names a column, else label.",
    )
    class_weights: Literal["none", "balanced"] | dict[str, float] = Field(
        "none",
        description="Labels: what an example of each counts: all alike, each label as much as "
        "another (balanced), or a weight by label.",
    )
    decoder: Literal["ctc", "attention", "joint"] = Field(
        "ctc",
        description="Text: what writes it. ctc: a token or none at each step; attention: a "
        "Transformer decoder that attends to the steps; joint: learnt by both, written by the "
        "decoder, whose beam both rank.",
    )
    decoder_layers: Count = Field(2, description="Layers of the attention decoder.")
    ctc_weight: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.3, description="Share of CTC in what is learnt and ranked, where decoder is joint."
    )
    beam_width: Count = Field(
        1, description="Text: prefixes kept while decoding; 1: the likeliest path (greedy)."
    )
    language_model: Rate = Field(
        0.0,
        description="Text, with a beam: weight of a language model of characters that is fitted on "
        "the training transcripts; 0: none.",
    )
    language_order: Annotated[int, Field(ge=2, le=5)] = Field(
        4, description="Text: characters that the language model looks at, the next one included."
    )
    streaming: bool = Field(
        False,
        description="Text: recognise while sound comes in (predict --stream). A crnn that looks "
        "back only, normalised by what training has heard instead of over each clip.",
    )


class FeatureOptions(Section):
    """What the model hears."""

    short: ClassVar[str | None] = "type"

    type: Literal["log_mel", "mfcc"] = Field(
        "log_mel", description="Log-mel spectrogram, or its cosine transform."
    )
    num_mel_bins: Annotated[int, Field(ge=8)] = Field(40, description="Bands of the spectrogram.")
    num_coefficients: Count = Field(20, description="Of the cosine transform, for mfcc.")
    frame_length: Positive = Field(0.025, description="Seconds that a frame looks at.")
    frame_step: Positive = Field(0.010, description="Seconds from one frame to the next.")
    normalize: Literal["clip", "bins"] = Field(
        "clip",
        description="Over each clip, to mean 0 and deviation 1: all bands together (clip), or "
        "each on its own (bins), which undoes the microphone's colour too.",
    )

    def refusals(self) -> Iterator[Refusal]:
        """Yield what does not go together."""
        yield from super().refusals()
        if self.type == "mfcc" and self.num_coefficients > self.num_mel_bins:
            yield Refusal("num_coefficients", "more coefficients than mel bins")


class AugmentOptions(Section):
    """Changes of the training clips, drawn anew each epoch."""

    speed: Rate = Field(0.3, description="Most that a clip is sped up or slowed down, as a share.")
    pitch: Rate = Field(
        0.2, description="Most that the spectrum is stretched, as other voices would."
    )
    shift: Annotated[float, Field(ge=0)] = Field(
        0.1, description="Most seconds of quiet put before a clip."
    )
    colour: Annotated[float, Field(ge=0)] = Field(
        10.0,
        description="Most dB that other microphones would raise or lower parts of the spectrum; "
        "twice as many of the lowest bands.",
    )
    strength: tuple[Share, Share] | Auto = Field(
        "auto",
        description="Range that each clip's share of speed, pitch and colour is drawn from; auto: "
        "all of it for labels, 0 to 1 for texts, whose times are otherwise found late.",
    )
    gain: Annotated[float, Field(ge=0)] = Field(
        6.0,
        description="Most dB that a clip is made louder or quieter, where clips are not brought to "
        "one loudness: with task.streaming.",
    )
    noise: Rate = Field(0.5, description="Share of the clips that noise is added to.")
    snr: tuple[float, float] = Field(
        (5.0, 40.0), description="Range of the signal-to-noise ratio of that noise, in dB."
    )
    noise_files: DataPath | None = Field(
        None, description="Folder of sound files to take noise from; else coloured noise."
    )
    frequency_masks: Annotated[int, Field(ge=0)] = Field(
        2, description="Bands of frequency that are hidden (SpecAugment)."
    )
    frequency_width: Rate = Field(0.2, description="Most of the spectrum that a band hides.")
    time_masks: Annotated[int, Field(ge=0)] = Field(2, description="Stretches of time hidden.")
    time_width: Rate = Field(0.1, description="Most of a clip that a stretch hides.")
    mixup: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0, description="Share of the clips mixed with another (labels only)."
    )

    def refusals(self) -> Iterator[Refusal]:
        """Yield what does not go together."""
        yield from super().refusals()
        if self.snr[0] > self.snr[1]:
            yield Refusal("snr", "the range runs from low to high")
        if self.strength != "auto" and self.strength[0] > self.strength[1]:
            yield Refusal("strength", "the range runs from low to high")


class SpeechData(DataOptions):
    """Clips and what is said in them."""

    rows_large: ClassVar[bool] = False  # the clips are kept otherwise

    audio: Column = Field(
        "path",
        description="Column of the sound files, or of arrays of samples (tfds, demo); where there "
        f"is no path, the first there is of {', '.join(AUDIO_NAMES)}.",
    )
    label: Column | None = Field(
        None, description="Column of the labels; label where no text is named."
    )
    text: Column | None = Field(
        None,
        description="Column of the transcripts; where there is no label, the first there is of "
        f"{', '.join(TEXT_NAMES)}.",
    )
    speaker: Column | None = Field(
        None,
        description="Column of the speakers, for scores of each; split.group keeps them apart.",
    )
    folder: DataPath | None = Field(
        None,
        description="Folder that paths of the column audio start in; else that of the file that "
        "names them.",
    )
    start: Column | None = Field(None, description="Column of where in its file a clip begins, s.")
    end: Column | None = Field(None, description="Column of where it ends, s.")
    sampling_rate: Annotated[int, Field(ge=4000, le=48000)] | Auto = Field(
        "auto",
        description="Hz at which the model hears; files of other rates are resampled. auto: that "
        "of half the files or more, at most 16,000. Arrays have this rate (auto: 16,000).",
    )
    features: FeatureOptions = Field(FeatureOptions(), description="What the model hears.")
    trim: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Cut off ends that are so many dB quieter than the loudest frame."
    )
    augment: AugmentOptions | None = Field(
        AugmentOptions(), description="Changes of the training clips; none: none."
    )
    tokens: Literal["characters", "subwords"] = Field(
        "characters", description="Text: what is recognised, one at a time."
    )
    num_tokens: Annotated[int, Field(ge=10)] = Field(500, description="Subwords, at most.")
    alphabet: str | None = Field(
        None, min_length=1, description="Characters that transcripts may hold; else those they do."
    )
    lowercase: bool = Field(True, description="Text: drop the difference between A and a.")
    memory_limit: Count = Field(
        2000, description="MB of features that are held in memory; beyond, clips are read anew."
    )
    join: Annotated[int, Field(ge=0)] = Field(
        0,
        description="Text: so many training clips are made of several of one speaker (see "
        "data.speaker), joined with gaps, beside the given ones.",
    )
    join_clips: tuple[Count, Count] = Field((3, 6), description="Fewest and most clips joined.")
    join_gap: tuple[float, float] = Field((0.02, 0.25), description="Shortest and longest gap, s.")

    def refusals(self) -> Iterator[Refusal]:
        """Yield what does not go together."""
        yield from super().refusals()
        if self.join_clips[0] > self.join_clips[1]:
            yield Refusal("join_clips", "the range runs from low to high")
        if not 0 <= self.join_gap[0] <= self.join_gap[1]:
            yield Refusal("join_gap", "the range runs from low to high, from 0 on")
        if (self.start is None) != (self.end is None):
            yield Refusal("start", "start and end come together")


class Network(Section):
    """What the networks share."""

    members: Annotated[int, Field(ge=1, le=20)] | Auto = Field(
        "auto",
        description="Networks of this kind, trained side by side, whose log-probabilities are "
        "averaged (labels only); auto: 2 of few clips, else 1.",
    )
    dropout: Rate = Field(0.2, description="Between the layers and before the answer.")
    subsampling: Literal[1, 2, 4] | Auto = Field(
        "auto",
        description="Frames per step of the network; auto: 2, or what the transcripts leave room "
        "for.",
    )


class CNN(Network):
    """Depthwise-separable convolutions over time."""

    type: Literal["cnn"] = Field("cnn", description="The model.")
    filters: Count = Field(128, description="Width.")
    num_layers: Count = Field(5, description="Blocks.")
    kernel_size: Count = Field(9, description="Steps that a block sees at once.")


class CRNN(Network):
    """Convolutions over time and frequency, then recurrent layers."""

    type: Literal["crnn"] = Field("crnn", description="The model.")
    filters: Count = Field(32, description="Filters of the convolutions.")
    cell: Literal["lstm", "gru"] = Field("lstm", description="Kind of the recurrent layers.")
    units: Count = Field(128, description="State of each direction.")
    num_layers: Count = Field(2, description="Recurrent layers.")
    bidirectional: bool | Auto = Field(
        "auto", description="Read both ways; auto: unless task.streaming."
    )


class LSTM(Network):
    """Recurrent layers on the frames as they are."""

    type: Literal["lstm"] = Field("lstm", description="The model.")
    cell: Literal["lstm", "gru"] = Field("lstm", description="Kind of the recurrent layers.")
    units: Count = Field(128, description="State of each direction.")
    num_layers: Count = Field(2, description="Recurrent layers.")
    bidirectional: bool = Field(True, description="Read both ways.")


class Conformer(Network):
    """Attention and convolution in turn (Gulati et al. 2020)."""

    type: Literal["conformer"] = Field("conformer", description="The model.")
    filters: Count = Field(32, description="Filters of the convolutions before.")
    hidden_dim: Count = Field(144, description="Width.")
    num_layers: Count = Field(4, description="Blocks.")
    num_heads: Count = Field(4, description="Heads of the attention; they share hidden_dim.")
    kernel_size: Count = Field(15, description="Steps that a convolution sees.")


class Transformer(Network):
    """A Transformer encoder on convolved frames."""

    type: Literal["transformer"] = Field("transformer", description="The model.")
    filters: Count = Field(32, description="Filters of the convolutions before.")
    hidden_dim: Count = Field(144, description="Width.")
    num_layers: Count = Field(4, description="Layers.")
    num_heads: Count = Field(4, description="Heads of the attention; they share hidden_dim.")


class Preset(Section):
    """A pretrained Whisper encoder of keras-nlp, which has bands and frames of its own."""

    type: Literal["preset"] = Field("preset", description="The model.")
    preset: str = Field(
        description="Name or directory of a keras-nlp preset, such as whisper_base_en.",
        min_length=1,
    )
    trainable: bool = Field(True, description="Fine-tune the encoder, or only what answers.")
    dropout: Rate = Field(0.1, description="Of what the answer is read from.")
    subsampling: Literal[2] = Field(2, description="Frames per step of the network.")


Model = Annotated[CNN | CRNN | LSTM | Conformer | Transformer | Preset, Field(discriminator="type")]


class Options(TaskOptions):
    """A recipe of speech."""

    task: SpeechSection = Field(SpeechSection(), description="What to learn.")
    data: SpeechData = Field(description="Where the clips are and what the columns mean.")
    model: Model | Auto = Field("auto", description="What learns; auto: crnn.")
    evaluate: EvaluateOptions = Field(EvaluateOptions(), description="How it is judged.")

    @property
    def output(self) -> Literal["label", "text"]:
        """What is learnt, settled."""
        if self.task.output != "auto":
            return self.task.output
        return "label" if self.data.text is None else "text"

    @property
    def transcripts(self) -> Column:
        """The column of the transcripts."""
        return "text" if self.data.text is None else self.data.text

    @property
    def alphabet(self) -> str | None:
        """What transcripts may hold, in the case that they are learnt in; None: what they do."""
        given = self.data.alphabet
        return given.lower() if given is not None and self.data.lowercase else given

    def refusals(self) -> Iterator[Refusal]:
        """Yield what does not go together."""
        yield from super().refusals()
        if (
            self.task.output == "auto"
            and self.data.text is not None
            and self.data.label is not None
        ):
            yield Refusal(
                "data.label", "both label and text are named; task.output says which to learn"
            )
        if self.data.join and (self.output == "label" or self.data.speaker is None):
            yield Refusal("data.join", "joining clips needs transcripts and data.speaker")
        if self.task.language_model and self.task.beam_width == 1:
            yield Refusal("task.language_model", "a language model needs beam_width above 1")
        if self.task.decoder != "ctc" and self.output == "label":
            yield Refusal("task.decoder", "a label is not written; a decoder needs transcripts")
        if self.task.decoder != "ctc" and self.task.language_model:
            yield Refusal(
                "task.language_model", "it ranks what CTC writes; the decoder is one itself"
            )
        several = isinstance(self.model, Network) and self.model.members not in ("auto", 1)
        if several and self.output == "text":
            yield Refusal("model.members", "a text is written by one network; leave this out")
        if isinstance(self.model, Preset) and self.data.features != FeatureOptions():
            yield Refusal("data.features", "a preset has features of its own; leave these out")
        if isinstance(self.model, Preset) and self.data.sampling_rate != "auto":
            yield Refusal(
                "data.sampling_rate", "a preset hears at a rate of its own; leave this out"
            )
        if self.task.streaming:
            yield from self._streaming_refusals()

    def _streaming_refusals(self) -> Iterator[Refusal]:
        """Refuse what looks at a whole clip."""
        if self.output == "label":
            yield Refusal(
                "task.streaming", "a label is of a whole clip; streaming needs transcripts"
            )
        if self.task.decoder != "ctc":
            yield Refusal(
                "task.decoder", "an attention decoder needs the whole clip; streaming needs ctc"
            )
        if self.task.beam_width > 1:
            yield Refusal(
                "task.beam_width", "streaming takes the likeliest path; leave this out or say 1"
            )
        if self.data.trim is not None:
            yield Refusal("data.trim", "where a clip ends is not known while it comes in")
        if self.data.features.normalize == "bins":
            yield Refusal(
                "data.features.normalize", "streaming normalises by what training has heard"
            )
        if self.data.features.type == "mfcc":
            yield Refusal("data.features.type", "streaming reads log_mel")
        if self.model != "auto" and not isinstance(self.model, CRNN):
            yield Refusal("model.type", "streaming needs a crnn, whose layers can look back only")
        if isinstance(self.model, CRNN) and self.model.bidirectional is True:
            yield Refusal(
                "model.bidirectional", "streaming reads one way; leave this out or say false"
            )

    def for_columns(self, names: Callable[[], Collection[str]]) -> Self:
        """Return them with the columns of sounds and transcripts, if these have usual names."""
        data, output = self.data, self.task.output
        audio = "audio" not in data.model_fields_set
        text = data.label is None and data.text is None and output != "label"
        if not (audio or text):
            return self
        there, usual = set(names()), dict[str, Any]()
        if audio and data.audio not in there:
            usual["audio"] = next((name for name in AUDIO_NAMES if name in there), data.audio)
        if text and (output == "text" or "label" not in there):
            usual["text"] = next((name for name in TEXT_NAMES if name in there), None)
        named = self.model_copy(update={"data": data.model_copy(update=usual)})
        # The rest of a recipe of labels may not suit texts: then the column is still to be named.
        return self if any(named.refusals()) else named

    def roles(self) -> list["Role"]:
        """Return what the columns are to the task."""
        from toolkit.data.roles import Role  # pandas is only loaded where data is opened

        data = self.data
        roles = [Role("audio", data.audio, "audio")]
        if self.output == "label":
            roles.append(Role("label", "label" if data.label is None else data.label, "label"))
        else:
            roles.append(Role("text", self.transcripts, "text"))
        if data.start is not None and data.end is not None:
            roles += [Role("start", data.start, "number"), Role("end", data.end, "number")]
        if data.speaker is not None:
            roles.append(Role("speaker", data.speaker, "group"))
        return roles

    def findings(self, splits: Any) -> list[Any]:
        """Return an error for each split with transcripts outside a given alphabet."""
        from toolkit.data.columns import texts
        from toolkit.tasks.speech.spelling import normalise, strange

        if self.output == "label" or self.alphabet is None or self.data.tokens == "subwords":
            return []
        found = []
        for table in (splits.train, splits.validation, splits.test):
            column = texts(table.read(), self.transcripts)
            written = [normalise(text, self.data.lowercase) for text in column]
            found += strange(table, written, self.alphabet)
        return found
