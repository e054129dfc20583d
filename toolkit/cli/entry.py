"""The command ``toolkit``, and the one place where exceptions become exit codes."""

from __future__ import annotations

import difflib
import errno
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import NoReturn

import click

from toolkit import __version__
from toolkit.cli import answering, caching, recipes, serving, training
from toolkit.cli.options import example
from toolkit.errors import ToolkitError

INTERRUPTED = 130  # what shells give for Ctrl-C
# The system's refusals that are no bug: full or read-only disks, missing rights.
_REFUSALS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


class _Commands(click.Group):
    """Lists commands in the order of a project's life, and suggests near names."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name in self.commands or name.startswith("-") or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        near = difflib.get_close_matches(name, self.commands, n=1)
        hint = f"Did you mean '{near[0]}'?" if near else f"Expected {', '.join(self.commands)}."
        raise click.UsageError(f"no such command. {hint} Received: {name!r}.", ctx)


_EPILOG = (
    example(
        "toolkit list",
        "toolkit copy sentiment/demo .",
        "toolkit fit demo.yaml --run runs/first",
        'toolkit predict runs/first --text "What a lovely day"',
    )
    + "\n\n\b\nTo complete commands, recipes and tasks with the tab key (zsh and fish likewise):\n"
    + '  eval "$(_TOOLKIT_COMPLETE=bash_source toolkit)"'
)


@click.group(
    cls=_Commands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, message="%(version)s")
def commands() -> None:
    """Train, evaluate and serve sequence models by a recipe."""


for _command in (
    training.fit,
    training.launch,
    answering.evaluate,
    answering.predict,
    serving.export,
    serving.verify,
    recipes.check,
    recipes.show,
    recipes.schema,
    recipes.list_,
    recipes.copy,
    caching.cache,
):
    commands.add_command(_command)


def main() -> NoReturn:
    """Run the command of ``sys.argv`` and end the process with its exit code."""
    _show_own_warnings()
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = _reader_gone()
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; errors are told on stderr.

    Codes: 0 done; 1 a bug; 2 the user's recipe, data or arguments; 4 an export that does not
    answer like the trained model; 75 stopped on request after saving; 130 interrupted.
    """
    try:
        result = commands.main(list(arguments), prog_name="toolkit", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except ToolkitError as error:
        return _tell(str(error), error.exit_code)
    except click.UsageError as error:
        return _tell(_usage(error), 2)
    except click.ClickException as error:
        return _tell(error.format_message(), 2)
    except BrokenPipeError:
        return _reader_gone()
    except (KeyboardInterrupt, click.Abort):
        return _tell("Interrupted.", INTERRUPTED)
    except OSError as error:
        if error.errno not in _REFUSALS:
            traceback.print_exc()
            return 1
        return _tell(f"{error.filename or 'toolkit'}: {error.strerror}.", 2)
    except Exception:
        traceback.print_exc()
        return 1


def _show_own_warnings() -> None:
    """Tell the toolkit's warnings in one line each, and those of its libraries not at all."""
    if sys.warnoptions:
        return  # python -W: the user wants something else
    warnings.simplefilter("ignore")
    warnings.filterwarnings("always", category=UserWarning, module="toolkit")
    warnings.showwarning = lambda message, *_: click.echo(f"warning: {message}", err=True)


def _tell(message: str, code: int) -> int:
    click.echo(message, err=True)
    return code


def _usage(error: click.UsageError) -> str:
    command = error.ctx.command_path if error.ctx else "toolkit"
    message = error.format_message()
    message = message[0].lower() + message[1:]
    return f"{command}: {message}\nRun '{command} --help' to see its arguments and an example."


def _reader_gone() -> int:
    """Whoever read our output has seen enough, as in ``toolkit list | head -1``: no error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
