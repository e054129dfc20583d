"""The command line: a thin skin over :mod:`toolkit.api`; whatever it loads, a command loads."""

from toolkit.cli.entry import main

__all__ = ["main"]
