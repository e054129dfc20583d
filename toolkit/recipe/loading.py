"""From a file, a mapping and overrides to a validated recipe, or all of its errors at once."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import ValidationError

from toolkit.errors import RecipeError
from toolkit.recipe.diagnosis import diagnose, wrong_value
from toolkit.recipe.layers import Layers, overrides_of
from toolkit.recipe.merging import merge, place_paths
from toolkit.recipe.nodes import Node, Place, node_of
from toolkit.recipe.options import TaskOptions
from toolkit.recipe.problems import Problem, listed, report
from toolkit.recipe.recipe import Recipe
from toolkit.recipe.scalars import Expects
from toolkit.recipe.tasks import find_options as find_installed
from toolkit.recipe.tasks import task_names
from toolkit.recipe.unknown_keys import Spot, unknown_key

FindOptions = Callable[[str], type[TaskOptions]]
_TASK = Annotated[str, Expects("a task's name")]


def load_recipe(
    source: str | Path | Mapping[str, Any],
    overrides: Mapping[str, object] | Sequence[str] = (),
    find_options: FindOptions = find_installed,
) -> Recipe:
    """Reads, merges and validates a recipe.

    Args:
        source: a YAML file, or a mapping of the same keys, whose paths start at the current folder.
        overrides: texts such as ``train.epochs=3`` (``--set``), or a mapping of values
            (``{"train.epochs": 3}`` and ``{"train": {"epochs": 3}}`` say the same).
        find_options: gives the options class of a task by its name.

    Raises:
        RecipeError: lists every error with its place; see the grammar in ``toolkit.errors``.
    """
    path = None if isinstance(source, Mapping) else Path(source)
    layers = Layers()
    if isinstance(source, Mapping):
        layers.add(node_of(source, Place()))
    else:
        layers.add_file(Path(source))
    settings, problems = overrides_of(overrides)
    problems = [*layers.problems, *problems]
    title = "" if path is None else str(path)
    if layers.broken:
        raise report(title, problems)
    name, options = _find_task([*layers.nodes, *settings], find_options, problems)
    if options is None:
        raise report(title, problems, "Run 'toolkit list' to see every task and recipe.")
    tree = _merged(layers.nodes, settings, options, problems)
    hint = f"Run 'toolkit show --task {name}' to see every key and its default."
    return Recipe(name, _validated(tree, options, problems, title, hint), tree, path)


def _merged(
    nodes: list[Node], settings: list[Node], options: type[TaskOptions], problems: list[Problem]
) -> Node:
    """One tree; the settings are merged among themselves first, so that their order is free."""
    typed = (options, None)
    tree = nodes[0]
    for number, node in enumerate(nodes):
        tree = merge(tree if number else None, node, typed)
    setting = None
    for node in settings:
        setting = merge(setting, node, typed)
    if setting is not None:
        tree = merge(tree, Node(setting.value, tree.place, tree.key), typed)
    return place_paths(tree, typed, problems)


def _validated(
    tree: Node, options: type[TaskOptions], problems: list[Problem], title: str, hint: str
) -> TaskOptions:
    try:
        validated = options.model_validate(tree.plain())
    except ValidationError as error:
        raise report(title, [*problems, *diagnose(error, tree, options)], hint) from None
    if problems:
        raise report(title, problems, hint)
    return validated


def _find_task(
    nodes: list[Node], find_options: FindOptions, problems: list[Problem]
) -> tuple[str, type[TaskOptions] | None]:
    """The task's name and options; when there are none, says why and what else is wrong on top."""
    task = next((found for node in reversed(nodes) if (found := node.get("task"))), None)
    place, key = nodes[-1].key if nodes else Place(), "task"
    if isinstance(task, Node) and isinstance(task.value, dict):
        place, key = task.key, "task.type"
        task = next((found for node in reversed(nodes) if (found := _type_in(node))), None)
    if task is None or task.value is None:
        names = listed(task_names())
        message = f"required key is missing.{f' Expected {names}.' if names else ''}"
        problems.append(Problem(message, place, key, missing=True))
    elif not isinstance(task.value, str):
        problems.append(Problem(wrong_value(_TASK, task.plain()), task.place, "task"))
    else:
        try:
            return task.value, find_options(task.value)
        except RecipeError as error:
            problems.append(Problem(str(error), task.place, "task"))
    problems += _unknown_on_top(nodes)
    return "", None


def _type_in(node: Node) -> Node | None:
    """The node that names the task in one layer: ``task: name`` or ``task: {type: name}``."""
    task = node.get("task")
    return task.get("type") if task is not None and isinstance(task.value, dict) else task


def _unknown_on_top(nodes: list[Node]) -> list[Problem]:
    spots = [Spot((), node, (TaskOptions, None)) for node in nodes]
    return [
        Problem(unknown_key(spot, key, spot), spot.node.value[key].key, key)
        for spot in spots
        for key in spot.node.value
        if key not in TaskOptions.model_fields
    ]
