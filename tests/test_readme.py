import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

import toolkit
from toolkit.cli.entry import commands, run

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
HEADING = "review,stars\n"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def written_commands() -> list[str]:
    lines = [line for block in blocks("bash") for line in block.splitlines()]
    return [line for line in lines if line.startswith("toolkit ")]


def help_examples() -> list[str]:
    epilogs = [command.epilog or "" for command in (commands, *commands.commands.values())]
    lines = [line.strip() for text in epilogs for line in text.splitlines()]
    return [line for line in lines if line.startswith("toolkit ")]


@pytest.fixture
def reviews(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the README's table (and more rows) and its first recipe."""
    monkeypatch.chdir(tmp_path)
    rows = [f"Warm and light {n}.,5\nThe zip broke {n}.,1\n" for n in range(30)]
    (tmp_path / "reviews.csv").write_text(blocks("csv")[0] + "".join(rows))
    (tmp_path / "reviews.yaml").write_text(blocks("yaml")[0])
    return tmp_path


@pytest.mark.parametrize("line", sorted({*written_commands(), *help_examples()}))
def test_commands_parse(line: str) -> None:
    words = shlex.split(line.partition(" | ")[0].partition(" < ")[0].partition(" > ")[0])
    name = words[1]
    context = click.Context(commands, info_name="toolkit")
    commands.commands[name].make_context(name, words[2:], parent=context)


def test_every_command_is_described() -> None:
    for name in commands.commands:
        assert re.search(rf"`toolkit {name}\b|^toolkit {name}\b", README, re.MULTILINE), name


def test_recipes_are_valid(reviews: Path) -> None:
    for recipe in blocks("yaml"):
        (reviews / "reviews.yaml").write_text(recipe)
        assert run(["show", "reviews.yaml"]) == 0


def test_the_first_recipe_checks(reviews: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert blocks("csv")[0].startswith(HEADING)
    assert run(["check", "reviews.yaml"]) == 0
    assert capsys.readouterr().out.endswith("no errors, no warnings.\n")


def test_python_compiles_and_names_exist() -> None:
    for code in blocks("python"):
        compile(code, "README.md", "exec")
        for name in re.findall(r"toolkit\.(\w+)\(", code):
            assert name in toolkit.__all__


def test_layers_make_a_model() -> None:
    [code] = [code for code in blocks("python") if "layers" in code]
    made: dict[str, Any] = {}
    exec(code, made)
    assert made["model"].output_shape == (None, 2)


def test_tasks_are_listed_and_recipes_exist() -> None:
    table = README.partition("## Tasks and recipes")[2].partition("## ")[0]
    named = set(re.findall(r"`([\w/]+)`", table))
    recipes = {recipe.name for recipe in toolkit.list_recipes()}
    assert set(toolkit.list_tasks()) <= named
    assert {name for name in named if "/" in name} <= recipes


def test_project_pages_stay_short() -> None:
    assert len((ROOT / "ARCHITECTURE.md").read_text().splitlines()) <= 80


@pytest.mark.slow
def test_the_page_can_be_followed(reviews: Path) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    (reviews / "new.csv").write_text("review\nWarm\n")
    (reviews / "other.csv").write_text(f"{HEADING}Warm,5\nThe zip broke,1\n")
    quick = "--set model=bag --set train.epochs=1 --set evaluate.bootstrap=10"
    for line in written_commands():
        if line.startswith(("toolkit launch", "toolkit copy")):
            continue
        command = f"{line} {quick}" if line.startswith("toolkit fit") else line
        done = subprocess.run(
            ["bash", "-c", command], capture_output=True, check=False, env=environment, text=True
        )
        assert done.returncode == 0, (command, done.stderr)
    assert (reviews / "answers.csv").read_text().startswith("review,prediction,score")


@pytest.mark.slow
def test_python_can_be_followed(reviews: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "TF_CPP_MIN_LOG_LEVEL", "3")
    quick = {"train": {"epochs": 1}, "evaluate": {"bootstrap": 10}}
    (reviews / "quick.yaml").write_text(blocks("yaml")[0])
    code = blocks("python")[0].replace('model="lstm",', f'model="lstm", **{quick!r},')
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["run"].report["scores"]
    assert (reviews / "models" / "reviews" / "1" / "saved_model.pb").is_file()
