"""Rows of the contract table: blocks."""

from tests.layers.contract import Case

CASES: list[Case] = []
