"""What a recipe of text classification may say."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from toolkit.recipe import (
    Auto,
    Column,
    DataOptions,
    EvaluateOptions,
    Section,
    TaskOptions,
    TaskSection,
)

if TYPE_CHECKING:
    from toolkit.data.roles import Role

Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(ge=0, lt=1)]
Orders = Annotated[tuple[Annotated[int, Field(ge=1, le=6)], ...], Field(min_length=1)]


class SentimentSection(TaskSection):
    """What to learn: a label for a text."""

    type: Literal["sentiment"] = Field("sentiment", description="Text classification.")
    class_weights: Literal["none", "balanced"] | dict[str, float] = Field(
        "none",
        description="What an example of each label counts: all alike, each label as much as "
        "another (balanced), or a weight by label.",
    )
    threshold: float = Field(
        0.5, gt=0, lt=1, description="With several labels: from what probability one is given."
    )


class VocabularyOptions(Section):
    """What the model reads."""

    short: ClassVar[str | None] = "type"

    type: Literal["word", "subword"] = Field(
        "word", description="Words and punctuation marks, or pieces fitted by SentencePiece."
    )
    size: Annotated[int, Field(ge=10)] | Auto = Field(
        "auto", description="Known tokens; auto: 20,000 words, or 8,000 pieces."
    )
    min_count: Count = Field(1, description="A word that occurs less often is unknown.")
    lowercase: bool = Field(True, description="Drop the difference between A and a.")


class SentimentData(DataOptions):
    """Texts and their labels."""

    text: Column = Field("text", description="Column of the texts, by name or number.")
    label: Column | Annotated[tuple[Column, ...], Field(min_length=2)] = Field(
        "label",
        description="Column of the labels; several columns of 0 and 1 for several labels at once.",
    )
    separator: str | None = Field(
        None,
        min_length=1,
        description="Between the labels of one cell, for several labels at once, such as '|'.",
    )
    vocabulary: VocabularyOptions = Field(VocabularyOptions(), description="What the model reads.")
    sequence_length: Annotated[int, Field(ge=2)] | Auto = Field(
        "auto",
        description="Most tokens of a text that a network reads; auto: what 99 % of the training "
        "texts need, at most 400. Bags of n-grams read the whole text.",
    )
    truncate: Literal["start", "end", "both"] = Field(
        "both",
        description="What an over-long text keeps: its start, its end, or a quarter from the "
        "start and the rest from the end.",
    )


class Bag(Section):
    """A support vector machine on n-grams scaled by naive Bayes: solved at once, hard to beat."""

    type: Literal["bag"] = Field("bag", description="The model.")
    words: Orders | None = Field((1, 2, 3), description="Lengths of the n-grams of words.")
    characters: Orders | Auto | None = Field(
        "auto",
        description="Lengths of the n-grams of characters within words; auto: 2 to 5 where texts "
        "are short, else none.",
    )


class Network(Section):
    """What the networks share."""

    embedding_dim: Count = Field(128, description="Width of the word vectors.")
    dropout: Rate = Field(0.5, description="Of word vectors and of what the label is read from.")
    token_dropout: Rate = Field(0.1, description="Share of the words withheld in training.")
    bag: bool = Field(
        True,
        description="Answer together with a bag of n-grams, which on its own knows little of order "
        "but much of words; false: the network alone. Members of an ensemble have no bag of "
        "their own.",
    )


class CNN(Network):
    """Convolutions of several widths and their maximum over time (Kim 2014)."""

    type: Literal["cnn"] = Field("cnn", description="The model.")
    filters: Count = Field(128, description="Filters of each width.")
    kernel_sizes: Annotated[tuple[Count, ...], Field(min_length=1)] = Field(
        (2, 3, 4), description="Widths in words."
    )


class Recurrent(Network):
    """What the recurrent networks share."""

    units: Count = Field(128, description="State of each direction.")
    num_layers: Count = Field(1, description="Layers on top of each other.")
    bidirectional: bool = Field(True, description="Read both ways.")
    attention: Literal["additive", "dot", "multi_head", "none"] = Field(
        "none",
        description="How the states become one vector; none: their mean beside their maximum.",
    )


class RNN(Recurrent):
    """A simple recurrent network."""

    type: Literal["rnn"] = Field("rnn", description="The model.")


class LSTM(Recurrent):
    """A long short-term memory network."""

    type: Literal["lstm"] = Field("lstm", description="The model.")


class GRU(Recurrent):
    """A network of gated recurrent units."""

    type: Literal["gru"] = Field("gru", description="The model.")


class Transformer(Network):
    """A Transformer encoder and the mean beside the maximum of its states."""

    type: Literal["transformer"] = Field("transformer", description="The model.")
    num_layers: Count = Field(2, description="Encoder layers.")
    num_heads: Count = Field(4, description="Heads of the attention; they share embedding_dim.")
    intermediate_dim: Count = Field(256, description="Width within the feed-forward part.")
    dropout: Rate = Field(0.3, description="Of every sublayer.")


class Hybrid(Network):
    """Recurrence, then attention over its states, each with a residual."""

    type: Literal["hybrid"] = Field("hybrid", description="The model.")
    num_layers: Count = Field(1, description="Blocks of recurrence and attention.")
    num_heads: Count = Field(4, description="Heads of the attention; they share embedding_dim.")


class Preset(Section):
    """A pretrained keras-nlp backbone, fine-tuned."""

    type: Literal["preset"] = Field("preset", description="The model.")
    preset: str = Field(description="Name or directory of a keras-nlp preset.", min_length=1)
    trainable: bool = Field(True, description="Fine-tune the backbone, or only the classifier.")
    dropout: Rate = Field(0.1, description="Of what the label is read from.")


Single = Annotated[Bag | CNN | RNN | LSTM | GRU | Transformer | Hybrid, Field(discriminator="type")]


class Ensemble(Section):
    """Several models, trained side by side; the validation split says what each one counts."""

    type: Literal["ensemble"] = Field("ensemble", description="The model.")
    members: Annotated[tuple[Single, ...], Field(min_length=2)] = Field(
        (Bag(), CNN(), GRU()), description="The models."
    )


Model = Annotated[
    Bag | CNN | RNN | LSTM | GRU | Transformer | Hybrid | Preset | Ensemble,
    Field(discriminator="type"),
]


class Options(TaskOptions):
    """A recipe of text classification."""

    task: SentimentSection = Field(SentimentSection(), description="What to learn.")
    data: SentimentData = Field(description="Where the rows are and what the columns mean.")
    model: Model | Auto = Field(
        "auto",
        description="What learns; auto: for short texts an ensemble of n-grams, convolution and "
        "recurrence, for long ones n-grams alone.",
    )
    evaluate: EvaluateOptions = Field(EvaluateOptions(), description="How it is judged.")

    def roles(self) -> list["Role"]:
        """Return what the columns are to the task."""
        from toolkit.data.roles import Role  # pandas is only loaded where data is opened

        data = self.data
        several = isinstance(data.label, tuple) or data.separator is not None
        label = Role(
            "label", data.label, "labels" if several else "label", separator=data.separator
        )
        return [Role("text", data.text, "text"), label]
