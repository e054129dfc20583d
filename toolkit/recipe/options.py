"""The whole of a recipe as a task types it, and the sections all tasks share."""

from collections.abc import Callable, Collection
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field

from toolkit.recipe.data import DataOptions
from toolkit.recipe.section import Auto, Section
from toolkit.recipe.train import TrainOptions


class TaskSection(Section):
    """What to learn; a task's own adds its keys, with ``type`` a ``Literal`` of its name."""

    short: ClassVar[str | None] = "type"

    type: str = Field(description="The task's name, or another package's dotted module.")


class EvaluateOptions(Section):
    """How the trained model is judged."""

    short: ClassVar[str | None] = "metrics"

    metrics: Annotated[tuple[str, ...], Field(min_length=1)] | Auto = Field(
        "auto", description="Scores to report; auto: all of the task's."
    )
    bootstrap: int = Field(
        1000, ge=0, description="Resamples for the confidence intervals; 0: no intervals."
    )
    confidence: float = Field(0.95, gt=0, lt=1, description="Of the intervals.")
    batch_size: Annotated[int, Field(ge=1)] | Auto = Field(
        "auto", description="Examples per step over all devices; auto: 64, or 128 where it pays."
    )


class ExportOptions(Section):
    """What is written for serving at the end of fit."""

    short: ClassVar[str | None] = "format"

    format: Literal["saved_model", "none"] = Field(
        "saved_model", description="A SavedModel that takes raw inputs, or none."
    )


class RunOptions(Section):
    """One run of the recipe."""

    seed: int = Field(0, ge=0, lt=2**31, description="Of weights, order, dropout, augmentation.")
    directory: str | None = Field(
        None, min_length=1, description="Run directory; else runs/NAME-TIME."
    )
    name: str | None = Field(None, min_length=1, description="Name of the run; else the file's.")
    notes: str | None = Field(None, description="Free text, kept with the run.")


class TaskOptions(Section):
    """A recipe's top-level keys; a task narrows ``task``, ``data``, ``model`` and the others."""

    task: TaskSection = Field(description="What to learn.")
    data: DataOptions = Field(description="Where the rows are and what the columns mean.")
    model: Section | Auto = Field("auto", description="What learns; auto: the data decides.")
    train: TrainOptions = Field(default_factory=TrainOptions, description="How to train.")
    evaluate: EvaluateOptions = Field(
        default_factory=EvaluateOptions, description="How it is judged."
    )
    export: ExportOptions = Field(
        default_factory=ExportOptions, description="What is written for serving."
    )
    run: RunOptions = Field(
        default_factory=RunOptions, description="Seed, name and place of the run."
    )

    def for_columns(self, names: Callable[[], Collection[str]]) -> Self:
        """Return the options for data whose columns have these names.

        A task that knows how its data is mostly written overrides it, for what the recipe leaves
        open. `names` opens the data.
        """
        del names
        return self

    def optional_roles(self) -> list[Any]:
        """Return roles of columns that answers read where a table has them."""
        return []

    def findings(self, splits: Any) -> list[Any]:
        """Return what else is wrong with the splits than single rows show, as data findings.

        Asked by ``check`` and before training, so it loads no TensorFlow.
        """
        del splits
        return []
