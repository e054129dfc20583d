"""Rows of the contract table: recurrent."""

from tests.layers.contract import Case

CASES: list[Case] = []
