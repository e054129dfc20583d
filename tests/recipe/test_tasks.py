import sys
from pathlib import Path

import pytest

from toolkit.errors import RecipeError
from toolkit.recipe import find_options, task_names

OPTIONS = "from toolkit.recipe import TaskOptions\n\n\nclass Options(TaskOptions):\n    pass\n"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another package with a task."""
    folder = tmp_path / "elsewhere" / "captioning"
    folder.mkdir(parents=True)
    (folder / "options.py").write_text(OPTIONS)
    monkeypatch.syspath_prepend(tmp_path)
    for name in [each for each in sys.modules if each.split(".")[0] == "elsewhere"]:
        monkeypatch.delitem(sys.modules, name)
    return folder


def test_every_folder_is_a_task() -> None:
    names = task_names()

    assert "sentiment" in names
    assert "base" not in names


def test_a_task_of_another_package(package: Path) -> None:
    assert find_options("elsewhere.captioning").__module__ == "elsewhere.captioning.options"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sentimnt", "unknown task. Did you mean 'sentiment'? Received: 'sentimnt'."),
        ("nowhere.task", "no module 'nowhere'. Received: 'nowhere.task'."),
        ("elsewhere.task", "no module 'elsewhere.task'. Received: 'elsewhere.task'."),
    ],
)
def test_no_task(package: Path, name: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        find_options(name)
    assert str(caught.value) == message


def test_a_module_without_options(package: Path) -> None:
    (package / "options.py").write_text("Options = 3\n")
    with pytest.raises(RecipeError) as caught:
        find_options("elsewhere.captioning")
    assert str(caught.value) == (
        "elsewhere.captioning.options has no class Options made from TaskOptions. "
        "Received: 'elsewhere.captioning'."
    )


def test_a_task_that_needs_a_missing_library_says_so_itself(package: Path) -> None:
    (package / "options.py").write_text("import no_such_library\n")
    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        find_options("elsewhere.captioning")
