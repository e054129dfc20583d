"""What was found in the data: errors, warnings and facts, as text, as JSON or as one exception."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from toolkit.data.table import Table
from toolkit.errors import DataError

Level = Literal["error", "warning"]

SHOWN_ERRORS = 10
SHOWN_ROWS = 3
LONGEST_VALUE = 40


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or worth knowing.

    Attributes:
        level: ``error`` or ``warning``.
        where: The file, its row, or the split.
        what: What is wrong, what was expected and what received.
        rows: Every row it is about, as a user would look it up.
    """

    level: Level
    where: str
    what: str
    rows: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass
class Report:
    """The findings of a check and the facts it gathered on the way."""

    findings: list[Finding] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def errors(self) -> list[Finding]:
        """What keeps the data from being used."""
        return [finding for finding in self.findings if finding.level == "error"]

    @property
    def warnings(self) -> list[Finding]:
        """What a careful person would look at."""
        return [finding for finding in self.findings if finding.level == "warning"]

    def raise_errors(self) -> None:
        """Raises every error at once, if there is one.

        Raises:
            DataError: With the first ten errors and the count of the rest.
        """
        raise_all(self.errors)

    def to_text(self) -> str:
        """The report for a person: facts, then warnings, then errors."""
        lines = list(_fact_lines(self.facts))
        lines += [f"warning: {finding}" for finding in self.warnings]
        lines += [f"error: {finding}" for finding in self.errors]
        return "\n".join([*lines, _summary(len(self.errors), len(self.warnings))])

    def to_json(self) -> str:
        """The report for a program: one JSON object with errors, warnings and facts."""
        found = {"errors": _plain(self.errors), "warnings": _plain(self.warnings)}
        return json.dumps({**found, "facts": self.facts}, ensure_ascii=False, indent=2)


def raise_all(errors: Sequence[object]) -> None:
    """Raises several errors as one.

    Raises:
        DataError: If there is any; one stands alone, more are listed.
    """
    if not errors:
        return
    if len(errors) == 1:
        raise DataError(str(errors[0]))
    lines = [f"The data has {len(errors)} errors:"]
    lines += [f"  {error}" for error in errors[:SHOWN_ERRORS]]
    if len(errors) > SHOWN_ERRORS:
        lines.append(f"  and {len(errors) - SHOWN_ERRORS} more.")
    raise DataError("\n".join(lines))


def row_finding(
    level: Level,
    table: Table,
    rows: Iterable[int],
    what: str,
    expected: str,
    column: str | None = None,
) -> Finding:
    """A finding about rows: named by the first, with the next few and the count.

    Args:
        level: ``error`` or ``warning``.
        table: The table.
        rows: Their numbers in it, at least one.
        what: What is wrong with them.
        expected: What would be right.
        column: Whose value in the first of the rows is shown.
    """
    rows = list(rows)
    places = tuple(table.where(int(row)) for row in rows)
    first, others = places[0], places[1:]
    more = f" and {len(others) - SHOWN_ROWS + 1:,} more" if len(others) >= SHOWN_ROWS else ""
    source = f"{first.rpartition(', ')[0]}, "  # what the places have in common is said once
    also = "; ".join(place.removeprefix(source) for place in others[: SHOWN_ROWS - 1]) + more
    count = f"{len(places):,} such rows (also {also})" if others else "1 such row"
    value = f"{str(table.frame[column].iloc[rows[0]])[:LONGEST_VALUE]!r}; " if column else ""
    return Finding(level, first, f"{what}. Expected {expected}. Received: {value}{count}.", places)


def _plain(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    return [{"where": f.where, "what": f.what, "rows": list(f.rows)} for f in findings]


def _summary(errors: int, warnings: int) -> str:
    def counted(count: int, word: str) -> str:
        return f"{count or 'no'} {word}{'' if count == 1 else 's'}"

    return f"{counted(errors, 'error')}, {counted(warnings, 'warning')}."


def _fact_lines(facts: dict[str, Any], indent: str = "") -> Iterable[str]:
    for name, value in facts.items():
        if isinstance(value, dict) and any(
            isinstance(inner, dict | list) for inner in value.values()
        ):
            yield f"{indent}{name}:"
            yield from _fact_lines(value, indent + "  ")
        elif isinstance(value, list):
            yield f"{indent}{name}:"
            yield from (f"{indent}  {_scalar(inner)}" for inner in value)
        else:
            yield f"{indent}{name}: {_scalar(value)}"


def _scalar(value: Any) -> str:
    if isinstance(value, dict) and value.keys() == {"how", "reason"}:
        return f"{value['how']} ({value['reason']})"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_scalar(inner)}" for name, inner in value.items())
    return f"{value:,}" if isinstance(value, int | float) else str(value)
