"""Train, validation and test rows, and a record of how they were chosen."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from toolkit.data.assignment import PARTS
from toolkit.data.bad_rows import bad_rows, row_errors, skipped_rows
from toolkit.data.columns import column_name, texts
from toolkit.data.cutting import Decision, cut_train
from toolkit.data.demo import DEMO_PREFIX, demo_splits
from toolkit.data.placement import IN_MEMORY, Placement, Tick, open_on_disk, place
from toolkit.data.report import Finding, raise_all, row_finding
from toolkit.data.roles import Role, label_counts, label_role, labels_of, missing_columns
from toolkit.data.sources import Data, Opening, column_names, file_format, open_table
from toolkit.data.storing import Needs
from toolkit.data.table import Table, concatenate
from toolkit.data.tfds_source import TFDS_PREFIX, named_split, tfds_splits
from toolkit.errors import DataError
from toolkit.recipe import DataOptions, Share, SplitOptions

DEFAULT_SHARE = Share(share=0.1)
OWN_SPLIT = "the data set's own split"


@dataclass(frozen=True)
class Splits:
    """The three tables.

    Attributes:
        train: Rows to learn from.
        validation: Rows to choose by.
        test: Rows to judge by, at the very end.
        decisions: How each was chosen.
        skipped: Rows left out on request, all listed.
        placement: Where the rows are held.
    """

    train: Table
    validation: Table
    test: Table
    decisions: tuple[Decision, ...]
    skipped: tuple[Finding, ...] = ()
    placement: Placement = IN_MEMORY

    def items(self) -> Iterator[tuple[str, Table]]:
        """Name and table of each split."""
        yield from zip(PARTS, (self.train, self.validation, self.test), strict=True)

    def sample(self, seed: int = 0) -> "Splits":
        """The same in memory: rows drawn from splits that lie on disk, all rows of others.

        Args:
            seed: Draws the rows; validation and test get an eighth as many as train.
        """
        return replace(
            self,
            train=self.train.sample(seed),
            validation=self.validation.sample(seed, 1 / 8),
            test=self.test.sample(seed, 1 / 8),
        )

    @property
    def sha256(self) -> dict[str, str]:
        """Content hash of every file, or other source, by its name."""
        return {name: digest for _, table in self.items() for name, digest in table.sha256.items()}


def load_splits(
    data: DataOptions,
    roles: Sequence[Role],
    folder: Path = Path(),
    default_share: Share = DEFAULT_SHARE,
    problems: list[Finding] | None = None,
    tick: Tick | None = None,
) -> Splits:
    """Opens the data of a recipe and settles which rows train, validate and test.

    Each of validation and test comes from the first of these that there is: its own data; the
    data set's own split (``tfds:``, ``demo:``); ``split`` (a column of names, dates, shares);
    `default_share` of the training rows. Shares are stratified by the label, keep groups whole
    and are cut in order of time where a role or ``split`` names a time; rows that hold the same
    stay in one split.

    Args:
        data: The recipe's data section.
        roles: What the task needs of it.
        folder: Where relative paths start.
        default_share: For a split that nothing else gives.
        problems: Rows that cannot be used are left out and added here, for a report of all that
            is wrong; None: they are an error, unless ``skip_bad_rows`` is on.
        tick: Told how far large files are read.

    Raises:
        DataError: Data that cannot be opened, columns that are not there, rows that cannot be
            used, an empty split, a group in two splits; lists all it found.
    """
    opening = _opening(data, roles, folder)
    placement = place(data, _given(data), opening)
    tables, decisions = _open_parts(data, _opener(data, roles, opening, placement, tick), opening)
    raise_all([f for table in tables.values() for f in missing_columns(table, roles)])
    decisions = _drop_unlabelled(tables, decisions, roles)
    tables, skipped = without_bad_rows(tables, roles, data.skip_bad_rows, problems)
    cut = cut_train(tables, data.split or SplitOptions(), roles, default_share)
    tables = {name: _limited(cut.tables[name], data.limit) for name in PARTS}
    _require_rows(tables, roles)
    if not data.rows_alone:
        _give_history(tables)
    _require_whole_groups(tables, data.split)
    decisions = sorted([*decisions, *cut.decisions], key=lambda one: PARTS.index(one.split))
    return Splits(
        train=tables["train"],
        validation=tables["validation"],
        test=tables["test"],
        decisions=tuple(decisions),
        skipped=tuple(skipped),
        placement=placement,
    )


def train_columns(data: DataOptions, folder: Path = Path()) -> list[str]:
    """The names of the training data's columns, as far as its file or frame tells them at once.

    Raises:
        DataError: It cannot be opened.
    """
    return column_names(data.train, _opening(data, (), folder))


def _opening(data: DataOptions, roles: Sequence[Role], folder: Path) -> Opening:
    return Opening(folder, file_format(data, roles), data.data_dir)


def _given(data: DataOptions) -> list[Data]:
    return [getattr(data, name) for name in PARTS if getattr(data, name) is not None]


def _opener(
    data: DataOptions,
    roles: Sequence[Role],
    opening: Opening,
    placement: Placement,
    tick: Tick | None,
) -> Callable[[Data, str], Table]:
    """What opens data, for a split, where it is to be held."""
    if placement.where == "memory":
        return lambda source, split: open_table(source, opening, split)
    needs = Needs(tuple(roles), data.split or SplitOptions())
    return lambda source, split: open_on_disk(source, opening, split, needs, tick)


def _open_parts(
    data: DataOptions, open_one: Callable[[Data, str], Table], opening: Opening
) -> tuple[dict[str, Table], list[Decision]]:
    """Opens what the recipe names and the splits that a named data set brings."""
    given = {name: getattr(data, name) for name in PARTS if getattr(data, name) is not None}
    decisions = [Decision(name, "given data", f"data.{name} is given") for name in given]
    own = [name for name in _own_splits(data, opening) if name not in given]
    decisions += [Decision(name, OWN_SPLIT, f"{data.train} brings it") for name in own]
    wanted = given | dict.fromkeys(own, data.train)
    tables, errors = {}, []
    for name, source in wanted.items():
        try:
            tables[name] = open_one(source, name)
        except DataError as error:
            errors.append(str(error))
    raise_all(errors)
    return tables, decisions


def _own_splits(data: DataOptions, opening: Opening) -> list[str]:
    """Splits that a data set named without a split brings, unless the recipe cuts it itself."""
    split = data.split or SplitOptions()
    asked = {name for name in PARTS if name != "train" and getattr(split, name) is not None}
    uri = data.train
    if not isinstance(uri, str) or split.column is not None:
        return []
    if uri.startswith(DEMO_PREFIX) and ":" not in uri.removeprefix(DEMO_PREFIX):
        own = demo_splits(uri)
    elif uri.startswith(TFDS_PREFIX) and named_split(uri) is None:
        own = tfds_splits(uri, opening.data_dir)
    else:
        return []
    return [name for name in PARTS if name in own and name not in asked]


def _drop_unlabelled(
    tables: dict[str, Table], decisions: list[Decision], roles: Sequence[Role]
) -> list[Decision]:
    """Drops a data set's own splits that hide their labels, as GLUE's test splits do."""
    role = label_role(roles)
    own = [one.split for one in decisions if one.how == OWN_SPLIT and one.split != "train"]
    hidden = [name for name in own if role and not any(labels_of(tables[name], role))]
    for name in hidden:
        del tables[name]
    return [one for one in decisions if one.split not in hidden]


def without_bad_rows(
    tables: dict[str, Table],
    roles: Sequence[Role],
    skip: bool,
    problems: list[Finding] | None,
) -> tuple[dict[str, Table], list[Finding]]:
    """Drops rows that cannot be used; gives the warnings that say so, or raises the errors.

    Args:
        tables: By the name of their split.
        roles: What is needed of them.
        skip: Whether rows may be dropped.
        problems: Takes the errors, where they are not to be raised.
    """
    bad = {name: bad_rows(table, roles) for name, table in tables.items()}
    describe = skipped_rows if skip else row_errors
    findings = [one for name, found in bad.items() for one in describe(tables[name], found)]
    if not skip and problems is None:
        raise_all(findings)
    elif not skip and problems is not None:
        problems += findings
    kept = {
        name: table.take(~np.any([one.mask for one in bad[name]], axis=0)) if bad[name] else table
        for name, table in tables.items()
    }
    return kept, findings if skip else []


def _limited(table: Table, limit: int | None) -> Table:
    return table if limit is None or limit >= len(table) else table.take(np.arange(limit))


def _give_history(tables: dict[str, Table]) -> None:
    """Let validation and test reach back: their examples are made of earlier rows too."""
    before = [tables["train"]]
    for name in PARTS[1:]:
        tables[name] = tables[name].take(np.arange(len(tables[name])))
        same = [one for one in before if set(one.columns) >= set(tables[name].columns)]
        tables[name].history = concatenate(same, tables[name].name) if same else None
        before.append(tables[name])


def _require_rows(tables: dict[str, Table], roles: Sequence[Role]) -> None:
    sizes = ", ".join(f"{name} {len(table):,}" for name, table in tables.items())
    hint = _label_hint(tables["train"], label_role(roles))
    what = f"no rows.{hint} Expected at least one. Received: {sizes}."
    raise_all(
        [
            Finding("error", f"{name} split", what)
            for name, table in tables.items()
            if not len(table)
        ]
    )


def _label_hint(train: Table, role: Role | None) -> str:
    """Rows that share no label with any other stay in train: rarely is such a column a class."""
    if role is None or not len(train) or max(label_counts(train, role).values(), default=0) != 1:
        return ""
    name = column_name(train, role.columns[0])
    return f" Each label of column {name!r} stands in one row alone; is it a class?"


def _require_whole_groups(tables: dict[str, Table], split: SplitOptions | None) -> None:
    """A group in two splits would let the model recognise it; no way of splitting may do that."""
    if split is None or split.group is None:
        return
    groups = {name: texts(table, split.group) for name, table in tables.items()}
    findings = []
    for name, other in (("validation", "train"), ("test", "train"), ("test", "validation")):
        shared = set(groups[name]) & set(groups[other])
        rows = [row for row, group in enumerate(groups[name]) if group in shared]
        if rows:
            what = f"group {groups[name][rows[0]]!r} is in {other} too"
            expected = f"each {split.group!r} in one split"
            findings.append(row_finding("error", tables[name], rows, what, expected))
    raise_all(findings)
