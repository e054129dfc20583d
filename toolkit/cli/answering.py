"""``evaluate`` and ``predict``."""

from __future__ import annotations

import sys
from typing import Any

import click

from toolkit.cli.options import example, format_option, run_argument
from toolkit.cli.quiet import load_tensorflow


@click.command(
    epilog=example(
        "toolkit evaluate runs/first",
        "toolkit evaluate runs/first --data new.csv --format json",
    )
)
@run_argument()
@click.option("--data", type=click.Path(), help="Another file, columns as in the recipe.")
@click.option("--against", metavar="RUN", type=click.Path(), help="Another run to compare with.")
@format_option()
def evaluate(run: str, data: str | None, against: str | None, form: str) -> None:
    """Score a trained model on its test split, or on other data, alone or against another run."""
    load_tensorflow()
    from toolkit import api

    evaluation = api.evaluate(run, data, against=against)
    click.echo(evaluation.to_json() if form == "json" else evaluation.to_text(), nl=False)


@click.command(
    epilog=example(
        'toolkit predict runs/first --text "What a lovely day"',
        "toolkit predict runs/first new.csv --output answers.csv",
        "toolkit predict runs/first - --output answers.jsonl < lines.txt",
        "toolkit predict runs/speech --stream < speech.pcm",
    )
)
@run_argument()
@click.argument("source", metavar="[INPUT]", required=False, type=click.Path(allow_dash=True))
@click.option("--text", "texts", multiple=True, help="A text to answer; may be repeated.")
@click.option("--attention", type=click.Path(), help="Folder for pictures of the attention.")
@click.option("--output", type=click.Path(), help="File: .csv or .jsonl.  [default: csv on stdout]")
@click.option(
    "--stream",
    is_flag=True,
    help="Recognise stdin, raw 16-bit PCM at the model's rate, as it comes.",
)
def predict(
    run: str,
    source: str | None,
    texts: tuple[str, ...],
    attention: str | None,
    output: str | None,
    stream: bool,
) -> None:
    """Answer new inputs with a trained model.

    INPUT is a file with the recipe's input columns, or - for stdin: csv if its first line names
    these columns, else a text a line. The answer is the column prediction, its certainty score;
    the columns of the input come first. Rows keep their order.
    """
    if stream:
        if source is not None or texts or attention or output:
            raise click.UsageError("--stream reads stdin and writes stdout, without other options.")
        _listen(run)
        return
    if (source is None) == (not texts):
        raise click.UsageError("expected either INPUT or --text.")
    from toolkit.cli.tables import check_output, write_tables

    check_output(output)
    load_tensorflow()
    from toolkit import api

    opened = api.load_run(run)
    inputs: Any = texts or source
    if source == "-":
        inputs = opened.reader.lines(sys.stdin.buffer)
    if attention is not None:
        inputs = list(inputs) if source == "-" else inputs
        opened.draw_attention(inputs, attention)
    write_tables(opened.stream(inputs), output, opened.options.data.time_format)


def _listen(run: str) -> None:
    """Write words as they are recognised."""
    load_tensorflow()
    from toolkit import api
    from toolkit.data.audio import pcm_chunks

    for text in api.load_run(run).listen(pcm_chunks(sys.stdin.buffer)):
        click.echo(text, nl=False)
        sys.stdout.flush()
    click.echo()
