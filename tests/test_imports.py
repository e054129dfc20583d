import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

import toolkit

HEAVY = ("tensorflow", "keras", "tensorflow_text")
RECIPE = "task: sentiment\ndata: {train: rows.csv, split: {validation: 20%, test: 20%}}\n"
ROWS = [f"{word} film {number},{word}" for number in range(20) for word in ("good", "bad")]

LOADED = """
import json, os, sys
sys.stdout = open(os.devnull, "w")
from toolkit.cli.entry import run
code = run(sys.argv[1:])
print(json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]), file=sys.stderr)
"""


def loaded_by(*arguments: str, folder: Path) -> tuple[int, set[str]]:
    command = [sys.executable, "-c", LOADED, *arguments]
    done = subprocess.run(command, capture_output=True, cwd=folder, text=True, check=True)
    code, modules = json.loads(done.stderr.splitlines()[-1])
    return code, set(modules)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my.yaml").write_text(RECIPE)
    (tmp_path / "rows.csv").write_text("\n".join(["text,label", *ROWS]) + "\n")
    return tmp_path


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["fit", "--help"]])
def test_start_loads_nothing_heavy(arguments: list[str], folder: Path) -> None:
    code, modules = loaded_by(*arguments, folder=folder)
    assert code == 0
    assert not modules & {*HEAVY, "pandas", "numpy", "pydantic"}


@pytest.mark.parametrize(
    "arguments",
    [["show", "my.yaml"], ["show", "--task", "sentiment"], ["schema"], ["check", "my.yaml"]],
)
def test_recipes_are_looked_at_without_tensorflow(arguments: list[str], folder: Path) -> None:
    code, modules = loaded_by(*arguments, folder=folder)
    assert code == 0
    assert not modules & set(HEAVY)


def test_importing_the_package_costs_nothing() -> None:
    code = "import sys, toolkit; sys.exit(bool({'pydantic', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_public_names() -> None:
    assert sorted(toolkit.__all__) == toolkit.__all__
    start = time.monotonic()
    for name in toolkit.__all__:
        assert callable(getattr(toolkit, name)), name
        assert name in dir(toolkit)
    assert time.monotonic() - start < 60
    with pytest.raises(AttributeError, match="no attribute 'fitt'"):
        _ = toolkit.fitt
