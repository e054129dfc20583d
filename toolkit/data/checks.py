"""Everything that can be said about data before a model sees it."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from toolkit.data.columns import column_name, texts
from toolkit.data.hashing import row_hashes
from toolkit.data.report import Finding, Report, row_finding
from toolkit.data.roles import INPUT_KINDS, Role, label_codes, label_counts, label_role
from toolkit.data.splits import DEFAULT_SHARE, Splits, load_splits
from toolkit.data.table import Table
from toolkit.recipe import DataOptions, Share

SHOWN_LABELS = 20


def check_data(
    data: DataOptions,
    roles: Sequence[Role],
    folder: Path = Path(),
    default_share: Share = DEFAULT_SHARE,
    batch_size: int | None = None,
) -> tuple[Splits, Report]:
    """Loads the data of a recipe and reports everything that is wrong with it.

    Rows that cannot be used are left out of the splits, so look at the report's errors first.

    Args:
        data: The recipe's data section.
        roles: What the task needs of it.
        folder: Where relative paths start.
        default_share: For a split that nothing else gives.
        batch_size: Rows of a training step, where it is known.

    Raises:
        DataError: What keeps the data from being opened or split at all.
    """
    problems: list[Finding] = []
    splits = load_splits(data, roles, folder, default_share, problems)
    report = check_splits(splits, roles, batch_size)
    report.findings[:0] = problems
    return splits, report


def check_splits(splits: Splits, roles: Sequence[Role], batch_size: int | None = None) -> Report:
    """Looks for everything that would spoil training or its scores.

    Errors: a single label, labels that train lacks, fewer rows than
    labels or than a batch. Warnings: rows left out, labels that validation or test lacks, the
    same input in two splits, text that is all numbers. Facts: rows, files, label counts, lengths.

    Args:
        splits: The data.
        roles: What the task needs of it.
        batch_size: Rows of a training step, where it is known.
    """
    report = Report(list(splits.skipped), _facts(splits, roles))
    if batch_size is not None and len(splits.train) < batch_size:
        report.findings.append(_too_few(splits.train, batch_size, "train.batch_size"))
    role = label_role(roles)
    if role is not None:
        report.findings += _label_findings(splits, role)
    for text_role in (one for one in roles if one.kind == "text"):
        report.findings += _number_warnings(splits.train, text_role)
    report.findings += _leaks(splits, roles)
    return report


def _too_few(table: Table, needed: int, what: str) -> Finding:
    return Finding(
        "error",
        f"{table.name}, train split",
        f"fewer rows than {what}. Expected at least {needed:,}. Received: {len(table):,}.",
    )


def _label_findings(splits: Splits, role: Role) -> list[Finding]:
    known = label_counts(splits.train, role)
    if len(known) < 2 and role.kind == "label":
        return [_one_class(splits.train, role, known)] if known else []
    findings = []
    if len(splits.train) < len(known):
        findings.append(_too_few(splits.train, len(known), "labels"))
    for name, table in splits.items():
        if name != "train":
            findings += _compare_labels(name, table, role, known)
    return findings + _single_rows(splits.train, role, known)


def _one_class(table: Table, role: Role, known: Counter[str]) -> Finding:
    name = column_name(table, role.columns[0])
    return Finding(
        "error",
        f"{table.name}, train split",
        f"column {name!r} holds one label alone. Expected at least two. "
        f"Received: {next(iter(known))!r} in all {len(table):,} rows.",
    )


def _single_rows(table: Table, role: Role, known: Counter[str]) -> list[Finding]:
    """Labels that mostly stand in one row each, which is judged by none, are hardly classes."""
    single = [label for label, count in known.items() if count == 1]
    if 2 * len(single) <= len(known):
        return []
    name = column_name(table, role.columns[0])
    what = (
        f"{len(single):,} of the {len(known):,} labels in column {name!r} stand in one row each. "
        f"Expected several rows of a label. Received: {single[0]!r} once."
    )
    return [Finding("warning", f"{table.name}, train split", what)]


def _compare_labels(split: str, table: Table, role: Role, known: Counter[str]) -> list[Finding]:
    """Labels that only this split has are errors; labels that it lacks, a warning."""
    codes, sets = label_codes(table, role)
    here = set(label_counts(table, role))
    findings = []
    for label in sorted(here - set(known)):
        holding = [number for number, labels in enumerate(sets) if label in labels]
        rows = np.flatnonzero(np.isin(codes, holding))
        what = f"label {label!r} is in the {split} split but not in train"
        findings.append(row_finding("error", table, rows, what, "every label in train too"))
    lacking = sorted(set(known) - here)
    if lacking:
        shown = ", ".join(repr(label) for label in lacking[:3])
        more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
        findings.append(
            Finding(
                "warning",
                f"{table.name}, {split} split",
                f"no row of label {shown}{more}, so its scores say nothing of them. "
                f"Expected every label of train.",
            )
        )
    return findings


def _number_warnings(table: Table, role: Role) -> list[Finding]:
    """A column of numbers given as text is taken as written, but is rarely what was meant."""
    table = table.take(np.arange(min(1000, len(table)))).read()
    values = texts(table, role.columns[0])
    if pd.to_numeric(pd.Series(values, dtype=object), errors="coerce").isna().any():
        return []
    name = column_name(table, role.columns[0])
    what = f"column {name!r} holds numbers alone. Expected text for data.{role.name}."
    return [Finding("warning", table.name, f"{what} Received: {values[0]!r} in {table.where(0)}.")]


def _leaks(splits: Splits, roles: Sequence[Role]) -> list[Finding]:
    """Inputs that stand in two splits: scores on them are too good."""
    inputs = [role for role in roles if role.kind in INPUT_KINDS]
    if not inputs:
        return []
    hashes = {name: _input_hashes(table, inputs) for name, table in splits.items()}
    findings = []
    for name, other in (("validation", "train"), ("test", "train"), ("test", "validation")):
        rows = np.flatnonzero(np.isin(hashes[name], hashes[other]))
        if len(rows):
            table = splits.validation if name == "validation" else splits.test
            what = f"a row of the {name} split whose input is in {other} too"
            findings.append(row_finding("warning", table, rows, what, "each input in one split"))
    return findings


def _input_hashes(table: Table, inputs: Sequence[Role]) -> Any:
    if table.outline is not None:
        return table.outline.content
    columns = {
        f"{role.name} {number}": texts(table, column)
        for role in inputs
        for number, column in enumerate(role.columns)
    }
    return row_hashes(pd.DataFrame(columns))


def _facts(splits: Splits, roles: Sequence[Role]) -> dict[str, Any]:
    return {
        "splits": {name: _table_facts(table, roles) for name, table in splits.items()},
        "decisions": {
            one.split: {"how": one.how, "reason": one.reason} for one in splits.decisions
        },
        "sha256": splits.sha256,
    }


def _table_facts(table: Table, roles: Sequence[Role]) -> dict[str, Any]:
    facts: dict[str, Any] = {"rows": len(table)}
    for role in roles:
        if role.is_label:
            counts = label_counts(table, role)
            facts[f"{role.name} counts"] = dict(counts.most_common(SHOWN_LABELS))
            if len(counts) > SHOWN_LABELS:
                facts[f"{role.name} others"] = len(counts) - SHOWN_LABELS
        elif role.kind == "text":
            facts |= _length_facts(role.name, texts(table.sample(), role.columns[0]))
    return facts


def _length_facts(name: str, values: Sequence[str]) -> dict[str, Any]:
    return {
        f"{name} words": _spread([len(value.split()) for value in values]),
        f"{name} characters": _spread([len(value) for value in values]),
    }


def _spread(lengths: Sequence[int]) -> dict[str, int]:
    low, median, high, top = np.percentile(lengths, [0, 50, 95, 100], method="nearest")
    return {"min": int(low), "median": int(median), "p95": int(high), "max": int(top)}
