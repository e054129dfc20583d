"""What a recipe of the tiny task may say."""

from typing import ClassVar, Literal

from pydantic import Field

from toolkit.data.roles import Role
from toolkit.recipe import Column, DataOptions, Section, TaskOptions, TaskSection


class TinyTask(TaskSection):
    """The task by its dotted module."""

    type: Literal["tests.tiny_task"] = "tests.tiny_task"


class Data(DataOptions):
    """Two columns."""

    text: Column = Field("text", description="The text.")
    label: Column = Field("label", description="Its class.")


class Average(Section):
    """The mean of the words' vectors."""

    short: ClassVar[str | None] = "type"

    type: Literal["average"] = Field("average", description="The mean of the words' vectors.")
    units: int = Field(8, ge=1, description="Length of a vector.")


class Options(TaskOptions):
    """The whole recipe."""

    task: TinyTask = Field(TinyTask(), description="What to learn.")
    data: Data = Field(description="Where the rows are.")
    model: Average = Field(Average(), description="What learns.")

    def roles(self) -> list[Role]:
        return [Role("text", self.data.text, "text"), Role("label", self.data.label, "label")]
