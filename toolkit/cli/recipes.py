"""``check``, ``show``, ``schema``, ``list`` and ``copy``: what needs no TensorFlow."""

from __future__ import annotations

import json

import click

from toolkit import shipped
from toolkit.cli.options import (
    complete_shipped,
    example,
    format_option,
    recipe_argument,
    set_option,
    task_option,
)


@click.command(epilog=example("toolkit check my.yaml", "toolkit check my.yaml --format json"))
@recipe_argument()
@set_option()
@format_option()
def check(recipe: str, settings: tuple[str, ...], form: str) -> int:
    """Check a recipe and its data before any training.

    Reads the data and reports missing columns, empty rows, label counts, lengths, and rows that
    train and test share. Exit code 2 if there are errors.
    """
    from toolkit import api

    report = api.check(recipe, overrides=settings)
    if form == "json":
        click.echo(report.to_json())
        return 2 if report.errors else 0
    report.raise_errors()
    click.echo(report.to_text())
    return 0


@click.command(
    epilog=example(
        "toolkit show my.yaml",
        "toolkit show my.yaml --set model=lstm",
        "toolkit show --task sentiment",
    )
)
@recipe_argument(required=False)
@task_option("Show every key of a task and its default.")
@set_option()
def show(recipe: str | None, task: str | None, settings: tuple[str, ...]) -> None:
    """Show every key of a recipe and where it was written."""
    if (recipe is None) == (task is None):
        raise click.UsageError("expected either RECIPE or --task.")
    from toolkit import api

    click.echo(api.show(recipe, task=task, overrides=settings), nl=False)


@click.command(epilog=example("toolkit schema > recipe.schema.json"))
@task_option("Of this task alone.")
def schema(task: str | None) -> None:
    """Print the JSON schema of recipes, for editors.

    With it, an editor completes and checks the keys of a recipe: for the YAML language server,
    begin the recipe with `# yaml-language-server: $schema=recipe.schema.json`.
    """
    from toolkit import api

    click.echo(json.dumps(api.schema(task), ensure_ascii=False, indent=2))


@click.command("list", epilog=example("toolkit list", "toolkit list --format json"))
@format_option()
def list_(form: str) -> None:
    """List the shipped recipes and the tasks."""
    recipes, tasks = shipped.list_recipes(), shipped.list_tasks()
    if form == "json":
        listed = [{"name": r.name, "path": str(r.path), "summary": r.summary} for r in recipes]
        click.echo(json.dumps({"recipes": listed, "tasks": tasks}, ensure_ascii=False))
        return
    width = max((len(recipe.name) for recipe in recipes), default=0)
    lines = [f"  {recipe.name:<{width}}  {recipe.summary}".rstrip() for recipe in recipes]
    click.echo("\n".join(["Recipes:", *lines, "Tasks:", *(f"  {task}" for task in tasks)]))


@click.command(epilog=example("toolkit copy sentiment/demo ."))
@click.argument("name", shell_complete=complete_shipped)
@click.argument("directory", metavar="DIR", type=click.Path())
def copy(name: str, directory: str) -> None:
    """Copy a shipped recipe to edit it."""
    click.echo(shipped.copy_recipe(name, directory))
