"""What a recipe of translation may say."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from toolkit.recipe import (
    Auto,
    Column,
    DataOptions,
    DataPath,
    EvaluateOptions,
    Optimizer,
    Refusal,
    Section,
    Source,
    TaskOptions,
    TaskSection,
    TrainOptions,
)
from toolkit.recipe.optimization import Adam

if TYPE_CHECKING:
    from toolkit.data.roles import Role

Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(ge=0, lt=1)]
ParallelFiles = Annotated[dict[str, DataPath], Field(min_length=1)]
"""Plain text files by the column they give, line n of one beside line n of the others."""


class Sampling(Section):
    """Answers drawn at random; the same source draws the same."""

    short: ClassVar[str | None] = "temperature"

    temperature: float = Field(1.0, gt=0, description="Below 1 for likelier words.")
    top_k: Count | None = Field(None, description="Draw from so many of the likeliest pieces.")
    top_p: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None, description="Draw from the likeliest pieces that have this probability together."
    )


class TranslationSection(TaskSection):
    """What to learn: a text for a text, and how to search for it."""

    type: Literal["translation"] = Field("translation", description="Text to text.")
    beam_size: Count = Field(5, description="Hypotheses that the search follows; 1: greedy.")
    length_penalty: Annotated[float, Field(ge=0)] | Auto = Field(
        "auto",
        description="Answers are ranked by log P / length ** this: 0 favours short ones. auto: 1, "
        "or after training another that is clearly better on the validation part.",
    )
    coverage_penalty: float = Field(
        0.0, ge=0, description="Weight of the source that the attention has left unread."
    )
    num_answers: Count = Field(1, description="Answers for each source, best first.")
    sampling: Sampling | None = Field(
        None, description="Draw answers at random instead of searching for the best."
    )

    def refusals(self) -> Iterator[Refusal]:
        """Yield what does not go together."""
        yield from super().refusals()
        if self.sampling is None and self.num_answers > self.beam_size:
            yield Refusal("num_answers", "more answers than the beam is wide; raise beam_size")


class VocabularyOptions(Section):
    """Pieces of words, fitted by SentencePiece on the training pairs."""

    short: ClassVar[str | None] = "size"

    type: Literal["bpe", "unigram"] = Field("bpe", description="How the pieces are found.")
    size: Annotated[int, Field(ge=300)] | Auto = Field(
        "auto", description="Most pieces, 256 of them single bytes; auto: by the words there are."
    )
    shared: bool | Auto = Field(
        "auto",
        description="One vocabulary, and one table of embeddings, for both sides; auto: where they "
        "are written in the same letters.",
    )
    dropout: Rate | Auto = Field(
        "auto",
        description="BPE-dropout: share of the merges left out at random in training; auto: 0.1 "
        "for bpe with fewer than 500,000 pairs, else 0.",
    )
    lowercase: bool = Field(False, description="Drop the difference between A and a, both sides.")
    unicode: Literal["nfc", "nfkc", "none"] = Field(
        "nfc", description="Unicode normal form of both sides; none: the characters as they are."
    )

    def refusals(self) -> Iterator[Refusal]:
        """Yield what does not go together."""
        yield from super().refusals()
        if self.type == "unigram" and self.dropout not in ("auto", 0.0):
            yield Refusal("dropout", "BPE-dropout needs the type bpe")


class TranslationData(DataOptions):
    """Texts and what they become."""

    train: Source | ParallelFiles = Field(
        description="Training data: a file (.csv .tsv .jsonl .parquet, also .gz), a list or glob "
        "of them, tfds:NAME or demo:NAME; plain text files line by line, as in "
        "{source: train.de, target: train.en}; in Python also a DataFrame."
    )
    validation: Source | ParallelFiles | None = Field(None)
    test: Source | ParallelFiles | None = Field(None)
    source: Column = Field("source", description="Column of the texts to translate.")
    target: Column = Field("target", description="Column of their translations.")
    prefix: Annotated[str, Field(min_length=1)] | None = Field(
        None,
        description="Column of texts that answers must begin with, where an input has it; empty "
        "cells leave the answer free. Training does not read it.",
    )
    vocabulary: VocabularyOptions = Field(VocabularyOptions(), description="What the model reads.")
    sequence_length: Annotated[int, Field(ge=4)] | Auto = Field(
        "auto",
        description="Most pieces of a side. Longer training pairs are left out and counted, longer "
        "sources are cut; auto: twice what 99.9 % of the training pairs need, 64 to 512.",
    )
    max_ratio: Annotated[float, Field(gt=1)] | None = Field(
        None,
        description="Leave out (and count) training pairs of which one side has this many times "
        "the pieces of the other, 5 added to both.",
    )


class Network(Section):
    """What the models share."""

    num_layers: Count = Field(4, description="Layers of the encoder.")
    decoder_layers: Count | Auto = Field("auto", description="Of the decoder; auto: as many.")
    dropout: Rate = Field(0.3, description="Of every sublayer.")
    members: Annotated[int, Field(ge=1, le=20)] = Field(
        1,
        description="Networks of this kind, trained side by side, whose log-probabilities are "
        "averaged in each step of an answer.",
    )


class Attending(Network):
    """What models with a Transformer encoder share."""

    hidden_dim: Count = Field(128, description="Width of the vectors.")
    intermediate_dim: Count = Field(256, description="Width within the feed-forward part.")
    num_heads: Count = Field(4, description="Heads of the attention; they share hidden_dim.")
    norm: Literal["pre", "post"] = Field("pre", description="Normalise before or after a sublayer.")
    activation_dropout: Rate = Field(
        0.0, description="Within the feed-forward part too, which small models learn slower with."
    )


class Transformer(Attending):
    """Attention alone (Vaswani et al. 2017)."""

    type: Literal["transformer"] = Field("transformer", description="The model.")


Attention = Literal["additive", "dot", "general", "scaled", "none"]


class RNN(Network):
    """Recurrent layers, the encoder's in both directions."""

    type: Literal["rnn"] = Field("rnn", description="The model.")
    num_layers: Count = Field(2, description="Layers of the encoder.")
    cell: Literal["lstm", "gru"] = Field("lstm", description="Kind of the recurrent layers.")
    units: Annotated[int, Field(ge=2, multiple_of=2)] = Field(
        256, description="State of the decoder, of both directions together, and of the vectors."
    )
    attention: Attention = Field(
        "additive",
        description="How the decoder looks at the source: Bahdanau's score or one of Luong's; "
        "none: only at the mean of the encoder's states.",
    )
    input_feeding: bool = Field(
        False,
        description="The decoder also reads its last output (Luong et al. 2015). Slower: its steps "
        "then wait for each other. With two layers the upper one knows it anyway.",
    )


class Hybrid(Attending):
    """A Transformer encoder and a recurrent decoder (Chen et al. 2018)."""

    type: Literal["hybrid"] = Field("hybrid", description="The model.")
    decoder_layers: Count | Auto = Field(2, description="Of the decoder; auto: as many.")
    cell: Literal["lstm", "gru"] = Field("lstm", description="Kind of the decoder's layers.")
    attention: Attention = Field("additive", description="How the decoder looks at the source.")
    input_feeding: bool = Field(False, description="The decoder also reads its last output.")


class Preset(Section):
    """A pretrained keras-nlp encoder and decoder, fine-tuned, with its own pieces."""

    type: Literal["preset"] = Field("preset", description="The model.")
    preset: str = Field(
        description="Name or directory of a keras-nlp preset of the BART or T5 kind.", min_length=1
    )
    trainable: bool = Field(
        True,
        description="Fine-tune all of it, or only the decoder: the encoder and the embeddings then "
        "stay as they are.",
    )


Single = Annotated[Transformer | RNN | Hybrid, Field(discriminator="type")]


class Ensemble(Section):
    """Networks of several kinds, trained side by side, that write each answer together."""

    type: Literal["ensemble"] = Field("ensemble", description="The model.")
    members: Annotated[tuple[Single, ...], Field(min_length=2)] = Field(
        (Transformer(), RNN()),
        description="The networks, whose log-probabilities are averaged in each step of an answer.",
    )


Model = Annotated[Transformer | RNN | Hybrid | Preset | Ensemble, Field(discriminator="type")]


def networks(model: Any) -> tuple[Any, ...]:
    """The sections of an ensemble's members, or the one section."""
    return model.members if isinstance(model, Ensemble) else (model,)


def is_blind(model: Any) -> bool:
    """Whether a network does not attend to the source, so that nothing tells where it looks."""
    return any(getattr(one, "attention", "") == "none" for one in networks(model))


class TranslationTrain(TrainOptions):
    """How to train; defaults that suit translation."""

    optimizer: Optimizer = Field(default_factory=lambda: Adam(beta_2=0.98, epsilon=1e-9))
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    clip_norm: Annotated[float, Field(gt=0)] | None = Field(1.0)
    average_checkpoints: int = Field(5, ge=1)
    r_drop: float = Field(
        0.0,
        ge=0,
        description="R-Drop: weight of the difference between two answers of the network under "
        "dropout; 5 is usual. A step takes twice as long.",
    )


class TranslationEvaluate(EvaluateOptions):
    """How translations are judged."""

    metrics: Annotated[tuple[Literal["bleu", "chrf", "rouge"], ...], Field(min_length=1)] | Auto = (
        Field("auto", description="Scores to report; auto: bleu and chrf.")
    )
    tokenize: Literal["auto", "none", "13a", "intl", "char", "zh"] = Field(
        "auto",
        description="BLEU's tokeniser; none: for text that is tokenised already; auto: 13a, or "
        "char where words are not separated by spaces.",
    )
    lowercase: bool | Auto = Field(
        "auto", description="BLEU without case; auto: as the vocabulary."
    )


class Options(TaskOptions):
    """A recipe of translation."""

    task: TranslationSection = Field(TranslationSection(), description="What to learn.")
    data: TranslationData = Field(description="Where the pairs are and what the columns mean.")
    model: Model | Auto = Field(
        "auto", description="What learns; auto: a Transformer that fits the number of pairs."
    )
    train: TranslationTrain = Field(default_factory=TranslationTrain, description="How to train.")
    evaluate: TranslationEvaluate = Field(TranslationEvaluate(), description="How it is judged.")

    def roles(self) -> list["Role"]:
        """Return what the columns are to the task."""
        from toolkit.data.roles import Role  # pandas is only loaded where data is opened

        return [Role("source", self.data.source, "text"), Role("target", self.data.target, "text")]

    def optional_roles(self) -> list["Role"]:
        """Return what answers must begin with."""
        from toolkit.data.roles import Role

        prefix = self.data.prefix
        return [] if prefix is None else [Role("prefix", prefix, "text", required=False)]

    def findings(self, splits: Any) -> list[Any]:
        """Return that a column of beginnings is nowhere to be found, as a warning."""
        from toolkit.data.report import Finding

        prefix, test = self.data.prefix, splits.test
        if prefix is None or prefix in test.columns:
            return []
        what = f"no column {prefix!r} for data.prefix. Expected it, or a test of free answers."
        return [Finding("warning", f"{test.name}, test split", what)]

    def refusals(self) -> Iterator[Refusal]:
        """Yield what does not go together."""
        yield from super().refusals()
        if self.task.coverage_penalty and is_blind(self.model):
            yield Refusal("task.coverage_penalty", "a model without attention covers nothing")
        if self.task.coverage_penalty and isinstance(self.model, Preset):
            yield Refusal(
                "task.coverage_penalty", "the decoders of presets do not tell their attention"
            )
        if self.data.prefix in (self.data.source, self.data.target):
            yield Refusal(
                "data.prefix", f"{self.data.prefix!r} is the source or the target already"
            )
        if isinstance(self.model, Preset) and self.data.vocabulary != VocabularyOptions():
            yield Refusal("data.vocabulary", "a preset has pieces of its own; leave this out")
