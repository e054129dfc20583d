"""Recipes without training: read, check, show. Loads neither TensorFlow nor Keras."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import ArgumentError, DataError
from toolkit.recipe import Recipe, defaults, json_schema, load_recipe, task_names

if TYPE_CHECKING:
    from toolkit.data.report import Finding, Report

RecipeLike = str | os.PathLike[str] | Mapping[str, Any] | Recipe
Overrides = Mapping[str, object] | Sequence[str]


def open_recipe(
    recipe: RecipeLike | None, overrides: Overrides = (), sections: Mapping[str, Any] = {}
) -> Recipe:
    """Read and validate a recipe.

    Args:
        recipe: a file, a mapping of the same keys, or None where ``sections`` are the recipe.
        overrides: texts such as ``train.epochs=3``, or a mapping such as ``{"train.epochs": 3}``.
        sections: top-level keys; they override those of ``recipe``.

    Raises:
        RecipeError: lists everything that is wrong.
        ArgumentError: nothing to read, something else than a recipe, or two ways of overriding at
            once.
    """
    if isinstance(recipe, Recipe):
        if overrides or sections:
            raise ArgumentError(
                "Expected a recipe's file or mapping to override. Received: Recipe."
            )
        return recipe
    if recipe is None:
        if not sections:
            raise ArgumentError("Expected a recipe, or its sections by keyword. Received: neither.")
        return load_recipe(sections, overrides)
    if not isinstance(recipe, str | os.PathLike | Mapping):
        raise ArgumentError(
            "Expected a recipe's file or a mapping; data is given as in "
            f"fit(task='sentiment', data=frame). Received: {type(recipe).__name__}."
        )
    source = recipe if isinstance(recipe, Mapping) else Path(recipe)
    if not sections:
        return load_recipe(source, overrides)
    if not overrides:
        return load_recipe(source, sections)
    if not isinstance(overrides, Mapping):
        raise ArgumentError(
            "Expected overrides as a mapping where sections are given by keyword too. "
            f"Received: overrides={list(overrides)!r}."
        )
    return load_recipe(source, {**sections, **overrides})


def open_for_data(
    recipe: RecipeLike | None, overrides: Overrides = (), sections: Mapping[str, Any] = {}
) -> Recipe:
    """Read and validate a recipe; its data's columns may settle what it leaves open.

    Raises:
        RecipeError: lists everything that is wrong.
        DataError: the data cannot be opened.
        ArgumentError: as of :func:`open_recipe`.
    """
    opened = open_recipe(recipe, overrides, sections)
    from toolkit.data.splits import train_columns  # pandas is not needed to refuse a recipe

    options: Any = opened.options
    settled = options.for_columns(lambda: train_columns(options.data, opened.base_directory))
    return replace(opened, options=settled)


def check(
    recipe: RecipeLike | None = None, *, overrides: Overrides = (), **sections: Any
) -> Report:
    """Check a recipe and its data before any training.

    Args:
        recipe: as in :func:`toolkit.fit`; so are the others.
        overrides: changes of single keys.
        **sections: top-level keys.

    Returns:
        Errors, warnings, and facts such as label counts and lengths.

    Raises:
        RecipeError: the recipe does not validate.
    """
    from toolkit.data.checks import check_splits
    from toolkit.data.report import Report
    from toolkit.data.splits import load_splits

    try:
        opened = open_for_data(recipe, overrides, sections)
        options: Any = opened.options
        splits = load_splits(options.data, options.roles(), opened.base_directory)
    except DataError as error:  # too bad to look further
        return Report(_findings(error))
    report = check_splits(splits, options.roles(), written_batch_size(options))
    try:
        report.findings += options.findings(splits)
    except DataError as error:
        report.findings += _findings(error)
    return report


def _findings(error: DataError) -> list[Finding]:
    """What an error says, a finding each: it is one line, or a heading and a line for each."""
    from toolkit.data.report import Finding

    heading, *lines = str(error).splitlines()
    split = [line.strip().partition(": ") for line in lines or [heading]]
    return [Finding("error", where, what) for where, _, what in split]


def show(
    recipe: RecipeLike | None = None,
    *,
    task: str | None = None,
    overrides: Overrides = (),
    **sections: Any,
) -> str:
    """Write out a recipe with every key, its value and its origin, as YAML.

    Args:
        recipe: as in :func:`toolkit.fit`; so are the others.
        task: instead of a recipe, a task whose keys and defaults to show.
        overrides: changes of single keys.
        **sections: top-level keys.

    Raises:
        RecipeError: the recipe does not validate, or there is no such task.
    """
    if task is not None and recipe is None and not sections:
        return defaults(task)
    known = sections if task is None else {"task": task, **sections}
    return open_recipe(recipe, overrides, known).show()


def schema(task: str | None = None) -> dict[str, Any]:
    """Return the JSON schema of recipes: of one task, or of all of the toolkit's own."""
    return json_schema([task] if task else task_names())


def written_batch_size(options: Any) -> int | None:
    """The batch size that a recipe asks for, or None where it leaves it open."""
    size = options.train.batch_size
    return size if isinstance(size, int) else None
