"""``cache``."""

from __future__ import annotations

import json

import click

from toolkit.cli.options import example, format_option

MEBIBYTE = 2**20


@click.command(epilog=example("toolkit cache", "toolkit cache --clear"))
@click.option("--clear", is_flag=True, help="Remove all that no job reads now.")
@format_option()
def cache(clear: bool, form: str) -> None:
    """List the prepared data on disk, or remove it.

    The cache is $TOOLKIT_CACHE, or ~/.cache/toolkit.
    """
    from toolkit import api

    entries = api.cache(clear=clear)
    if form == "json":
        rows = [{**vars(entry), "last_used": entry.last_used.isoformat()} for entry in entries]
        click.echo(json.dumps({"removed" if clear else "entries": rows}))
        return
    for entry in entries:
        used = "in use" if entry.in_use else f"{entry.last_used:%Y-%m-%d %H:%M}"
        click.echo(f"{entry.key}  {entry.size / MEBIBYTE:8.1f} MiB  {used}")
    total = sum(entry.size for entry in entries) / MEBIBYTE
    click.echo(f"{len(entries)} entries{' removed' if clear else ''}, {total:.1f} MiB.")
