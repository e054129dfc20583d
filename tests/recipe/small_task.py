"""A task's options as small as they can be and still show every feature of the language."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from toolkit.errors import RecipeError
from toolkit.recipe import Auto, Column, DataOptions, Refusal, Section, TaskOptions, TaskSection


class Attention(Section):
    short: ClassVar[str | None] = "type"

    type: Literal["additive", "dot"] = Field("additive", description="Its kind.")
    num_heads: int = Field(1, ge=1, description="Parts.")


class LSTM(Section):
    """A long short-term memory."""

    type: Literal["lstm"] = "lstm"
    units: int = Field(128, ge=1, description="Size of the state.")
    attention: Attention | None = Field(None, description="The states.")


class CNN(Section):
    """Convolutions over words."""

    type: Literal["cnn"] = "cnn"
    widths: tuple[int, ...] = Field((3, 4), description="Words a filter sees.")
    hidden_dim: int | Auto = Field("auto", description="Filters.")
    num_heads: int = Field(4, description="Parts.")


class Ensemble(Section):
    """Several models."""

    type: Literal["ensemble"] = "ensemble"
    members: tuple[Annotated[LSTM | CNN, Field(discriminator="type")], ...] = Field(
        description="Its models.", min_length=2
    )


class Task(TaskSection):
    type: Literal["small"] = Field("small", description="A small task.")
    beam_size: int = Field(1, ge=1, description="Beams.")


class Data(DataOptions):
    text: Column = Field(description="Column of the text.")
    weights: dict[str, float] = Field({}, description="Of the labels.")


Model = Annotated[LSTM | CNN | Ensemble, Field(discriminator="type")] | Auto


class Options(TaskOptions):
    task: Task
    data: Data
    model: Model = Field("auto", description="What learns.")

    def refusals(self) -> Iterator[Refusal]:
        """Yield what does not go together."""
        yield from super().refusals()
        if self.task.beam_size > 10:
            yield Refusal("task.beam_size", "a beam that wide does not fit")


def find(name: str) -> type[TaskOptions]:
    if name != "small":
        raise RecipeError(f"unknown task. Did you mean 'small'? Received: {name!r}.")
    return Options
