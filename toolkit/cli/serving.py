"""``export`` and ``verify``."""

from __future__ import annotations

import json

import click

from toolkit.cli.options import example, format_option, run_argument
from toolkit.cli.quiet import load_tensorflow


@click.command(
    epilog=example("toolkit export runs/first", "toolkit export runs/first models/sentiment/1")
)
@run_argument()
@click.argument("directory", metavar="[DIR]", required=False, type=click.Path())
@click.option(
    "--format",
    "form",
    type=click.Choice(["saved_model"]),
    default="saved_model",
    show_default=True,
    help="What is written.",
)
def export(run: str, directory: str | None, form: str) -> None:
    """Write a trained model for serving, and verify it.

    DIR defaults to RUN/export. The SavedModel takes raw inputs; preprocessing and labels are
    inside. Its README.md says how to load it and how to ask TensorFlow Serving.
    """
    del form  # the only one there is
    load_tensorflow()
    from toolkit import api
    from toolkit.serving.verify import replaying

    with replaying() as process:
        written = api.export(run, directory)
        api.verify(written, process)
    click.echo(written)


@click.command(epilog=example("toolkit verify runs/first/export"))
@click.argument("directory", metavar="DIR", type=click.Path())
@format_option()
def verify(directory: str, form: str) -> None:
    """Check that an export answers like the trained model.

    A fresh Python process that does not import the toolkit replays the stored examples. Exit
    code 4 if a file was changed or an answer differs.
    """
    from toolkit import api

    result = api.verify(directory)
    text = f"{directory}: {result.examples} stored examples answered as by the trained model."
    click.echo(json.dumps(result.as_dict()) if form == "json" else text)
