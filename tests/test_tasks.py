from pathlib import Path

import pytest

import toolkit
from toolkit.recipe.optimization import Linear
from toolkit.tasks.base import Decision

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", toolkit.list_tasks())
def test_every_task_has_a_recipe_a_test_and_an_embedded_demonstration(name: str) -> None:
    folder = ROOT / "toolkit" / "tasks" / name
    assert {"options.py", "task.py"} <= {path.name for path in folder.iterdir()}
    assert list((ROOT / "tests" / "tasks").glob(f"test_{name}*.py"))
    demo = ROOT / "recipes" / name / "demo.yaml"
    assert "demo:" in demo.read_text()
    assert not toolkit.check(demo).errors


def test_a_decision_is_plain_data() -> None:
    schedule = Decision(Linear(warmup_steps=3), "short").as_dict()
    assert schedule["value"] == {"type": "linear", "warmup_steps": 3, "final": 0.0}
    assert Decision(64, "few rows").as_dict() == {"value": 64, "reason": "few rows"}
