"""A task's options as small as they can be and still show every feature of the language."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from toolkit.errors import RecipeError
from toolkit.recipe import Auto, Column, DataOptions, Section, TaskOptions, TaskSection, refuse


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
        description="Its models."
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

    @model_validator(mode="after")
    def _check(self) -> Any:
        if self.task.beam_size > 10:
            refuse("task.beam_size", "a beam that wide does not fit")
        return self


def find(name: str) -> type[TaskOptions]:
    if name != "small":
        raise RecipeError(f"unknown task. Did you mean 'small'? Received: {name!r}.")
    return Options
