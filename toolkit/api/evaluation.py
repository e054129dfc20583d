"""An evaluation: what the task reports, as an object, as JSON and as text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SHOWN_CHARACTERS = 300  # of a hard error's text
SHOWN_ROWS = 100  # of a table; the JSON has all


@dataclass(frozen=True)
class Evaluation:
    """How well a model does on some data.

    Attributes:
        data: what it was evaluated on.
        rows: how many examples that were.
        report: the task's report: ``scores``, mostly ``intervals`` and what else the task knows.
        pictures: png content by file name.
    """

    data: str
    rows: int
    report: dict[str, Any]
    pictures: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def scores(self) -> dict[str, float]:
        """Each metric's value."""
        return dict(self.report["scores"])

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {"data": self.data, "rows": self.rows, **self.report}

    def to_json(self) -> str:
        """Write it as one JSON object."""
        return json.dumps(self.as_dict(), ensure_ascii=False, indent=2, default=float) + "\n"

    def to_text(self) -> str:
        """Write it for a person: the scores first, then tables, then the hardest errors."""
        parts = [self.scores_text(), *map(_part, _titles(self.report), _others(self.report))]
        return "\n".join(parts)

    def scores_text(self) -> str:
        """Write the scores, with their intervals, one a line."""
        intervals = self.report.get("intervals", {})
        rows = [
            [name, _number(value), _interval(intervals.get(name))]
            for name, value in self.report["scores"].items()
        ]
        return f"{self.data}, {self.rows:,} rows\n{_table(rows)}"


def _others(report: Mapping[str, Any]) -> list[Any]:
    return [value for name, value in report.items() if name not in ("scores", "intervals")]


def _titles(report: Mapping[str, Any]) -> list[str]:
    names = [name for name in report if name not in ("scores", "intervals")]
    return [name.replace("_", " ") for name in names]


def _part(title: str, value: Any) -> str:
    return f"{title}\n{_body(value)}"


def _body(value: Any) -> str:
    if isinstance(value, Mapping) and set(value) == {"labels", "counts"}:
        return _matrix(value["labels"], value["counts"])
    if isinstance(value, Mapping) and all(isinstance(row, Mapping) for row in value.values()):
        return _rows_by_name(value)
    if isinstance(value, Mapping):
        return _table([[str(name), _number(each)] for name, each in value.items()])
    if isinstance(value, list) and all(isinstance(each, Mapping) for each in value):
        return "".join(_entry(each) for each in value) or "  none\n"
    return f"  {_number(value)}\n"


def _matrix(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    """A confusion matrix: a row for each true label, a column for each predicted one."""
    head = ["true \\ predicted", *labels]
    rows = [[label, *map(str, row)] for label, row in zip(labels, counts, strict=True)]
    return _table([head, *rows])


def _rows_by_name(value: Mapping[str, Mapping[str, Any]]) -> str:
    columns = list(next(iter(value.values()), {}))
    rows = [[str(name), *(_number(row.get(c)) for c in columns)] for name, row in value.items()]
    more = len(rows) - SHOWN_ROWS
    told = f"  and {more:,} more, which the JSON form has\n" if more > 0 else ""
    return _table([["", *columns], *rows[:SHOWN_ROWS]]) + told


def _entry(entry: Mapping[str, Any]) -> str:
    lines = [f"{name}: {_short(value)}" for name, value in entry.items()]
    return "".join(f"  {'  ' * (number > 0)}{line}\n" for number, line in enumerate(lines))


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Rows in columns, the first to the left and the others to the right."""
    count = max(len(row) for row in rows) if rows else 0
    filled = [[*row, *[""] * (count - len(row))] for row in rows]
    widths = [max(len(row[column]) for row in filled) for column in range(count)]
    lines = []
    for row in filled:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append(f"  {'  '.join(cells)}".rstrip() + "\n")
    return "".join(lines)


def _interval(interval: Sequence[float] | None) -> str:
    return "" if interval is None else f"[{_number(interval[0])}, {_number(interval[1])}]"


def _number(value: Any) -> str:
    """A score to four places, a count without any."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if value.is_integer() and abs(value) > 1 else f"{value:.4f}"


def _short(value: Any) -> str:
    text = " ".join(_number(value).split())
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."
