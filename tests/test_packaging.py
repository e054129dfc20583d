import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RECIPES = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("recipes/*/*.yaml")}


def test_the_command_and_the_version_have_one_source() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["scripts"] == {"toolkit": "toolkit.cli:main"}
    assert project["tool"]["hatch"]["version"]["path"] == "toolkit/__init__.py"


@pytest.mark.slow
@pytest.mark.network
def test_wheel_and_sdist_hold_the_recipes(tmp_path: Path) -> None:
    script = (
        "import sys; from hatchling.build import build_sdist, build_wheel;"
        "build_wheel(sys.argv[1]); build_sdist(sys.argv[1])"
    )
    builder = tmp_path / "builder"
    venv.create(builder, with_pip=True)
    python = builder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "hatchling"], check=True)
    subprocess.run([python, "-c", script, tmp_path], check=True, cwd=ROOT)

    wheel = next(tmp_path.glob("*.whl"))
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"toolkit/{recipe}" for recipe in RECIPES} <= names
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"toolkit"}
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    assert inside >= RECIPES | {"pyproject.toml", "README.md", "toolkit/cli/entry.py"}

    # The wheel alone, with this environment's libraries: the recipes come from inside it.
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, "-m", "toolkit", "list", "--format", "json"],
        capture_output=True, check=True, cwd=tmp_path, env=environment, text=True,
    )  # fmt: skip
    assert str(site / "toolkit" / "recipes") in done.stdout
