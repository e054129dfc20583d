# The commands of a day's work; each uses the virtual environment in .venv.
PYTHON := .venv/bin/python

.PHONY: setup test slow lint format ci clean

setup:  ## make .venv with everything that developing needs
	python3 -m venv .venv
	.venv/bin/pip install --editable '.[test]'

test:  ## the default tests, 5 to 6 minutes on 2 cores
	$(PYTHON) -m pytest

slow:  ## the long tests
	$(PYTHON) -m pytest -m slow

lint:  ## style, types, levels
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports

format:  ## bring the code into shape
	.venv/bin/ruff check --fix
	.venv/bin/ruff format

ci:  ## what is checked before a change is taken, from a clean copy
	.ci/run

clean:
	rm -rf .venv build dist runs .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
