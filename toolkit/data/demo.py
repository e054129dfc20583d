"""Embedded demonstration data: ``demo:NAME`` is the module ``toolkit.data.demos.NAME``."""

import difflib
import importlib
import pkgutil
from functools import lru_cache

import pandas as pd

from toolkit.data import demos
from toolkit.data.hashing import frame_sha256
from toolkit.data.table import Source, Table
from toolkit.errors import DataError

DEMO_PREFIX = "demo:"


def demo_names() -> list[str]:
    """The demonstration data sets that exist."""
    return sorted(module.name for module in pkgutil.iter_modules(demos.__path__))


def demo_splits(uri: str) -> list[str]:
    """The splits of ``demo:name``."""
    return list(_generated(_parse(uri)[0]))


def open_demo(uri: str, split: str) -> Table:
    """Opens ``demo:name`` or ``demo:name:split``.

    Args:
        uri: The name.
        split: The split where the name has none.

    Raises:
        DataError: No such demonstration, or no such split.
    """
    name, named = _parse(uri)
    frames = _generated(name)
    wanted = named or split
    if wanted not in frames:
        raise DataError(
            f"{uri}: no split {wanted!r}. Expected one of: {', '.join(frames)}. Received: {uri!r}."
        )
    frame = frames[wanted]
    source = Source(f"{DEMO_PREFIX}{name}:{wanted}", "row", frame_sha256(frame))
    return Table.from_source(frame, source)


def _parse(uri: str) -> tuple[str, str | None]:
    name, _, split = uri.removeprefix(DEMO_PREFIX).partition(":")
    if name not in demo_names():
        near = difflib.get_close_matches(name, demo_names(), n=1)
        hint = f" Did you mean '{DEMO_PREFIX}{near[0]}'?" if near else ""
        raise DataError(
            f"{uri}: no such demonstration.{hint} Expected one of: {', '.join(demo_names())}."
        )
    return name, split or None


@lru_cache(maxsize=2)
def _generated(name: str) -> dict[str, pd.DataFrame]:
    module = importlib.import_module(f"{demos.__name__}.{name}")
    frames: dict[str, pd.DataFrame] = module.generate()
    return frames
