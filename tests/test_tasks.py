from pathlib import Path

import pytest

import toolkit
from toolkit.api.tasks import lanes_of
from toolkit.errors import RecipeError
from toolkit.recipe.describing import type_names
from toolkit.recipe.loading import load_recipe
from toolkit.recipe.optimization import Linear
from toolkit.recipe.tasks import find_options
from toolkit.tasks.base import Decision
from toolkit.training.distribution import LANES

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", toolkit.list_tasks())
def test_every_task_has_a_recipe_a_test_and_an_embedded_demonstration(name: str) -> None:
    folder = ROOT / "toolkit" / "tasks" / name
    assert {"options.py", "task.py"} <= {path.name for path in folder.iterdir()}
    assert list((ROOT / "tests" / "tasks").glob(f"test_{name}*.py"))
    demo = ROOT / "recipes" / name / "demo.yaml"
    assert "demo:" in demo.read_text()
    assert not toolkit.check(demo).errors


@pytest.mark.parametrize("name", toolkit.list_tasks())
def test_an_unknown_key_of_every_type_of_model_is_told(name: str) -> None:
    annotation = find_options(name).model_fields["model"].annotation
    for kind in type_names(annotation):
        with pytest.raises(RecipeError, match=rf"model.qqq: unknown key of type '{kind}'"):
            toolkit.show(task=name, data="demo:none", model={"type": kind, "qqq": 1})


def test_a_decision_is_plain_data() -> None:
    schedule = Decision(Linear(warmup_steps=3), "short").as_dict()
    assert schedule["value"] == {"type": "linear", "warmup_steps": 3, "final": 0.0}
    assert Decision(64, "few rows").as_dict() == {"value": 64, "reason": "few rows"}


def test_batches_stay_whole_where_halves_would_differ_or_wait() -> None:
    demos = {name: ROOT / "recipes" / name / "demo.yaml" for name in ("sentiment", "video")}
    assert lanes_of(load_recipe(demos["sentiment"]).options) == LANES
    assert lanes_of(load_recipe(demos["sentiment"], ["train.compile=xla"]).options) == 1
    assert lanes_of(load_recipe(demos["video"]).options) == 1
