"""Every public layer keeps every promise of the contract."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import pytest

from tests.layers import cases_attention, cases_blocks, cases_recurrent, cases_text, contract
from tests.layers.contract import Case
from toolkit import layers

GROUPS = {
    "recurrent": cases_recurrent.CASES,
    "attention": cases_attention.CASES,
    "blocks": cases_blocks.CASES,
    "text": cases_text.CASES,
}
CASES = [case for group in GROUPS.values() for case in group]

FIRST_ROWS = list({type(case.make()): case for case in reversed(CASES)}.values())


def table(first: Callable[[Case], bool]) -> Any:
    """All rows; those for which `first` does not hold wait until slow tests run."""
    rows = [pytest.param(c, marks=[] if first(c) else pytest.mark.slow, id=c.name) for c in CASES]
    return pytest.mark.parametrize("case", rows)


every_case = table(lambda case: True)
# What has its price in traced graphs: by default for the first row of each class.
first_case_of_each_class = table(lambda case: case in FIRST_ROWS)
every_group = pytest.mark.parametrize("group", [name for name in GROUPS if GROUPS[name]])


def run(check: str, case: Case) -> None:
    if check in case.skip:
        pytest.skip(case.skip[check])
    getattr(contract, f"check_{check}")(case)


def test_no_public_layer_is_missing() -> None:
    public = {
        value
        for name in layers.__all__
        if inspect.isclass(value := getattr(layers, name)) and issubclass(value, keras.Layer)
    }
    missing = public - {type(case.make()) for case in CASES}
    assert not missing, f"not in the contract table: {sorted(c.__name__ for c in missing)}"


def test_case_names_are_unique() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


@every_case
def test_config(case: Case) -> None:
    run("config", case)


@first_case_of_each_class
def test_symbolic(case: Case) -> None:
    run("symbolic", case)


@pytest.mark.parametrize("case", [case for case in CASES if case.mask], ids=str)
def test_mask(case: Case) -> None:
    run("mask", case)


@first_case_of_each_class
def test_precision(case: Case) -> None:
    run("precision", case)


@first_case_of_each_class
def test_function(case: Case) -> None:
    run("function", case)


@every_case
def test_gradient(case: Case) -> None:
    run("gradient", case)


@table(lambda case: case.random or case in FIRST_ROWS)
def test_determinism(case: Case) -> None:
    run("determinism", case)


# The costly promises.


@pytest.mark.slow
@every_group
def test_xla(group: str) -> None:
    contract.check_xla(GROUPS[group])


@pytest.mark.slow
@every_group
def test_saved_model(group: str, tmp_path: Path) -> None:
    contract.check_saved_model(GROUPS[group], tmp_path)


@pytest.mark.slow
@every_group
def test_strategy(group: str, strategy: Any) -> None:
    contract.check_strategy(GROUPS[group], strategy)
