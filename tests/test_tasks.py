from pathlib import Path

import pytest

import toolkit

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", toolkit.list_tasks())
def test_every_task_has_a_recipe_a_test_and_an_embedded_demonstration(name: str) -> None:
    folder = ROOT / "toolkit" / "tasks" / name
    assert {"options.py", "task.py"} <= {path.name for path in folder.iterdir()}
    assert list((ROOT / "tests" / "tasks").glob(f"test_{name}*.py"))
    demo = ROOT / "recipes" / name / "demo.yaml"
    assert "demo:" in demo.read_text()
    assert not toolkit.check(demo).errors
