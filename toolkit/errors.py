"""Every exception the toolkit raises on purpose, on one screen.

Messages follow one grammar: ``where: what is wrong. Expected ... Received: ...`` and, when one
helps, the next command. ``exit_code`` is what the command line ends with.
"""


class ToolkitError(Exception):
    """The user's recipe, data or arguments: one clear message and no traceback."""

    exit_code = 2


class RecipeError(ToolkitError):
    """A recipe that cannot be read or does not validate; lists every error found."""


class DataError(ToolkitError):
    """Data that cannot be used as asked; names the file, the row and the column."""


class ArgumentError(ToolkitError, ValueError):
    """A function's or layer's argument: ``Expected ... Received: name=value``."""


class RunError(ToolkitError):
    """A run directory that exists, is missing, is locked, is damaged or does not fit."""


class TrainingError(ToolkitError):
    """Training that cannot go on, such as a loss that is no longer a number."""


class ExportError(ToolkitError):
    """A model that cannot be exported, or an export that cannot be read."""


class VerificationError(ToolkitError):
    """An exported model that does not answer like the trained one."""

    exit_code = 4


class StoppedError(ToolkitError):
    """Stopped on request after saving; the same command with ``--resume`` goes on."""

    exit_code = 75


def unreadable(path: object, error: Exception) -> RunError:
    """Say that a file of a run cannot be read, and why."""
    reason = f"nothing under {error}" if isinstance(error, KeyError) else str(error)
    return RunError(
        f"{path}: cannot be read; it is damaged, or of another version of the toolkit. "
        f"Received: {reason}."
    )
