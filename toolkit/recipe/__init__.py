"""The recipe language: YAML to validated options, every error at once and with its place."""

from toolkit.recipe.data import (
    Column,
    DataFrame,
    DataOptions,
    DataPath,
    Source,
    SplitOptions,
    is_table,
)
from toolkit.recipe.defaults import defaults
from toolkit.recipe.loading import load_recipe
from toolkit.recipe.optimization import Optimizer, Schedule
from toolkit.recipe.options import (
    EvaluateOptions,
    ExportOptions,
    RunOptions,
    TaskOptions,
    TaskSection,
)
from toolkit.recipe.recipe import Recipe
from toolkit.recipe.scalars import Date, Every, Expects, Scalar, Share
from toolkit.recipe.schema import json_schema
from toolkit.recipe.section import Auto, Refusal, Section
from toolkit.recipe.tasks import find_options, task_names
from toolkit.recipe.train import EarlyStopping, Keep, TrainOptions

__all__ = [
    "Auto",
    "Column",
    "DataFrame",
    "DataOptions",
    "DataPath",
    "Date",
    "EarlyStopping",
    "EvaluateOptions",
    "Every",
    "Expects",
    "ExportOptions",
    "Keep",
    "Optimizer",
    "Recipe",
    "Refusal",
    "RunOptions",
    "Scalar",
    "Schedule",
    "Section",
    "Share",
    "Source",
    "SplitOptions",
    "TaskOptions",
    "TaskSection",
    "TrainOptions",
    "defaults",
    "find_options",
    "is_table",
    "json_schema",
    "load_recipe",
    "task_names",
]
