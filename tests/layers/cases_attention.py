"""Rows of the contract table: attention."""

from tests.layers.contract import Case

CASES: list[Case] = []
