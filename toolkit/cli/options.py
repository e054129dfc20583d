"""Arguments that several commands share, and their completion."""

from __future__ import annotations

from typing import Any

import click
from click.shell_completion import CompletionItem

from toolkit import shipped


def example(*lines: str) -> str:
    """The examples at the end of a help text; the mark keeps click from joining the lines."""
    return "\n".join(["\b", "Example:", *(f"  {line}" for line in lines)])


def complete_shipped(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the recipes that ``toolkit list`` shows."""
    del ctx, param
    recipes = shipped.list_recipes()
    return [
        CompletionItem(recipe.name, help=recipe.summary)
        for recipe in recipes
        if recipe.name.startswith(incomplete)
    ]


def complete_task(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete the toolkit's own tasks."""
    del ctx, param
    return [name for name in shipped.list_tasks() if name.startswith(incomplete)]


def recipe_argument(**settings: Any) -> Any:
    """The argument RECIPE."""
    return click.argument("recipe", type=click.Path(), **settings)


def task_option(text: str) -> Any:
    """The option ``--task NAME``."""
    return click.option("--task", metavar="NAME", shell_complete=complete_task, help=text)


def run_argument() -> Any:
    """The argument RUN, a run directory."""
    return click.argument("run", type=click.Path())


def set_option() -> Any:
    """The option ``--set key=value``, as often as wanted."""
    return click.option(
        "--set",
        "settings",
        metavar="KEY=VALUE",
        multiple=True,
        help="Set a key of the recipe, such as train.epochs=3; may be repeated.",
    )


def format_option() -> Any:
    """The option ``--format text|json``."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="json: one JSON object on stdout and nothing else.",
    )
