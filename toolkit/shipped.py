"""The recipes that come with the toolkit, and its tasks: found by their files, nothing loaded."""

from __future__ import annotations

import difflib
import itertools
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from toolkit.errors import ArgumentError, RecipeError

_PACKAGE = Path(__file__).parent
_NAME = re.compile(r"[\w-]+\.yaml")


@dataclass(frozen=True)
class ShippedRecipe:
    """A recipe that comes with the toolkit.

    Attributes:
        name: ``task/file`` without its ending, such as ``sentiment/demo``.
        path: the file.
        summary: the first sentence of its head comment.
    """

    name: str
    path: Path
    summary: str


def list_recipes() -> list[ShippedRecipe]:
    """List the shipped recipes, by name."""
    folder = recipes_folder()
    paths = sorted(folder.glob("*/*.yaml"))
    names = [path.relative_to(folder).with_suffix("").as_posix() for path in paths]
    return [ShippedRecipe(n, p, _summary(p)) for n, p in zip(names, paths, strict=True)]


def list_tasks() -> list[str]:
    """List the toolkit's own tasks, by name."""
    return sorted(path.parent.name for path in (_PACKAGE / "tasks").glob("*/task.py"))


def copy_recipe(name: str, directory: str | os.PathLike[str]) -> Path:
    """Copy a shipped recipe, and those it extends, into a directory, to be edited.

    Args:
        name: as :func:`list_recipes` says it.
        directory: where to; made when it does not exist.

    Returns:
        The new file.

    Raises:
        ArgumentError: there is no such recipe.
        RecipeError: the file is there already, or a file where the directory would be.
    """
    found = {recipe.name: recipe.path for recipe in list_recipes()}
    if name.removesuffix(".yaml") not in found:
        near = difflib.get_close_matches(name, found, n=1, cutoff=0.4)
        hint = f"Did you mean {near[0]!r}?" if near else f"Expected one of {', '.join(found)}."
        raise ArgumentError(f"copy: no such recipe. {hint} Received: name={name!r}.")
    source = found[name.removesuffix(".yaml")]
    target = Path(directory) / source.name
    if target.exists():
        raise RecipeError(f"{target}: exists. Expected a directory without {source.name}.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecipeError(
            f"{target.parent}: no directory can be made there: {error.strerror}."
        ) from error
    for path in [source, *_extended(source)]:
        if not (target.parent / path.name).exists():
            shutil.copyfile(path, target.parent / path.name)
    return target


def recipes_folder() -> Path:
    """The folder of the recipes: inside the installed package, beside it in a checkout."""
    installed = _PACKAGE / "recipes"
    return installed if installed.is_dir() else _PACKAGE.parent / "recipes"


def _extended(path: Path) -> list[Path]:
    """The recipes beside this one that it extends, and those that they extend."""
    lines = path.read_text(encoding="utf-8").splitlines()
    named = [word for line in lines if line.startswith("extends:") for word in _NAME.findall(line)]
    beside = [path.parent / name for name in named]
    return [*beside, *(above for each in beside for above in _extended(each))]


def _summary(path: Path) -> str:
    """The first line of the head comment that is not the command."""
    lines = path.read_text(encoding="utf-8").splitlines()
    head = itertools.takewhile(lambda line: line.startswith("#"), lines)
    texts = (line.strip("# ") for line in head)
    return next((text for text in texts if text and not text.startswith("toolkit ")), "")
