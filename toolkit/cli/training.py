"""``fit`` and ``launch``."""

from __future__ import annotations

import click

from toolkit.cli.options import example, recipe_argument, set_option
from toolkit.cli.quiet import load_tensorflow


class _Fit(click.Command):
    """Takes ``--resume`` as a word of its own: its value only ever follows an equals sign."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        written = ["--resume=yes" if each == "--resume" else each for each in args]
        return super().parse_args(ctx, written)


@click.command(
    cls=_Fit,
    epilog=example(
        "toolkit fit recipes/sentiment/demo.yaml",
        "toolkit fit my.yaml --set train.epochs=3 --run runs/short",
        "toolkit fit my.yaml --run runs/long --resume=auto",
    ),
)
@recipe_argument()
@set_option()
@click.option("--run", type=click.Path(), help="Run directory.  [default: runs/RECIPE-TIME]")
@click.option(
    "--resume",
    type=click.Choice(["yes", "auto"]),
    metavar="[auto]",
    help="Go on with the run in --run. =auto: start it if there is nothing to go on with.",
)
def fit(recipe: str, settings: tuple[str, ...], run: str | None, resume: str | None) -> None:
    """Train, evaluate, export and verify.

    RECIPE is a YAML file. The run directory keeps the recipe, the metrics, the checkpoints, the
    model, the report and the export.
    """
    load_tensorflow()
    from toolkit import api

    done = api.fit(
        recipe,
        run=run,
        resume="auto" if resume == "auto" else resume is not None,
        overrides=settings,
    )
    if done.directory.writes:  # of several workers, the chief alone
        click.echo(done.summary(), nl=False)


@click.command(
    context_settings={"ignore_unknown_options": True},
    epilog=example("toolkit launch --workers 2 my.yaml --run runs/two --set train.epochs=3"),
)
@click.option("--workers", type=click.IntRange(min=1), required=True, help="Processes.")
@click.option(
    "--restarts",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="How often to go on from the last checkpoint when a process dies; needs --run.",
)
@recipe_argument()
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def launch(workers: int, restarts: int, recipe: str, arguments: tuple[str, ...]) -> int:
    """Fit one model in several local processes.

    What follows RECIPE is passed on to `toolkit fit`.
    """
    from toolkit import api

    return api.launch(workers, recipe, arguments, restarts=restarts)
