"""How transcripts are written: without TensorFlow, so that ``check`` can look at them too."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit.data.report import Finding
    from toolkit.data.table import Table


def normalise(text: str, lowercase: bool) -> str:
    """Composed characters (NFC), single spaces, lower case if asked."""
    composed = unicodedata.normalize("NFC", text)
    return clean(composed.lower() if lowercase else composed)


def clean(text: str) -> str:
    """Single spaces between words, none around them."""
    return " ".join(text.split())


def strange(table: Table, transcripts: Sequence[str], alphabet: str | None) -> list[Finding]:
    """Return an error for the rows whose transcripts hold what the alphabet does not.

    Args:
        table: whose rows.
        transcripts: theirs, normalised.
        alphabet: all that is allowed; None: anything.
    """
    from toolkit.data.report import row_finding

    if alphabet is None:
        return []
    known = set(alphabet)
    unknown = {row: set(text) - known for row, text in enumerate(transcripts)}
    rows = [row for row, found in unknown.items() if found]
    if not rows:
        return []
    listed = " ".join(repr(c) for c in sorted(set().union(*(unknown[row] for row in rows))))
    what = f"a transcript with characters outside the alphabet: {listed}"
    return [row_finding("error", table, rows, what, f"only {alphabet!r}")]
