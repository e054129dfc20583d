import subprocess
import sys
from textwrap import dedent

import pandas as pd
import pytest

from tests.recipe.conftest import Load
from tests.recipe.small_task import find
from toolkit.recipe import load_recipe
from toolkit.recipe.reading import resolve
from toolkit.recipe.rendering import flow, scalar

RICH = """\
task: small
data: {train: a.csv, text: "yes", split: {validation: 2017-07-01, test: 2017-11-01}, weights: {a b: 1}}
model: {type: ensemble, members: [lstm, {type: cnn, widths: [1]}]}
train: {schedule: cosine, checkpoint_every: 10m, early_stopping: f1, clip_norm: 1, keep: 3}
evaluate: [f1]
export: none
run: {notes: "two\\nlines: # é \\u2028 \\U0001F600"}
"""  # noqa: E501


@pytest.mark.parametrize("text", [RICH, "task: small\ndata: {train: a, text: 3, split: 10%}"])
def test_resolved_loads_back_to_an_equal_recipe(load: Load, text: str) -> None:
    recipe = load(text)

    assert load_recipe(recipe.resolved(), (), find) == recipe
    assert load(again=recipe.to_yaml()) == recipe
    assert load(again=recipe.show()) == recipe


def test_origins(load: Load) -> None:
    recipe = load(
        "extends: base.yaml\nmodel: cnn\n",
        base="task: small\ndata:\n  train: a\n  text: t\n",
        overrides=["train.epochs=3"],
    )

    assert recipe.origin("data.text") == "base.yaml:4"
    assert recipe.origin("model") == recipe.origin("model.type") == "my.yaml:2"
    assert recipe.origin("train.epochs") == "--set"
    assert recipe.origin("train.steps") == recipe.origin("run.seed") == "default"
    assert recipe.name == "my"


def test_origins_of_arguments() -> None:
    source = {"task": "small", "data": {"train": pd.DataFrame({"a": [1, 2]}), "text": "a"}}
    recipe = load_recipe(source, {"run": {"seed": 1}}, find)

    assert recipe.origin("data.train") == recipe.origin("run.seed") == "argument"
    assert recipe.resolved()["data"]["train"] == "<DataFrame 2 x 1>"
    assert (recipe.name, recipe.path) == ("small", None)


def test_show(load: Load) -> None:
    recipe = load("task: small\ndata: {train: demo:x, text: t}", overrides=["model.type=lstm"])
    text = recipe.show()

    assert text.startswith(
        dedent(
            """\
            task:
              type: small                # my.yaml:1
              beam_size: 1               # default
            data:
              train: demo:x              # my.yaml:2
              validation: none           # default
            """
        )
    )
    assert text[text.index("model:") : text.index("train:\n")] == dedent(
        """\
        model:
          type: lstm                 # --set
          units: 128                 # default
          attention: none            # default
        """
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"), (True, "true"), (1e-7, "1e-07"), (float("inf"), ".inf"), (3.0, "3.0"),
        ("a b", "a b"), ("3", '"3"'), ("", '""'), ("no", '"no"'), ("1e3", '"1e3"'),
        ("a: b", '"a: b"'), ("a #b", '"a #b"'), ("- a", '"- a"'), ("é", "é"), ("[a", '"[a"'),
        ("10%", "10%"), ("2017-07-01", "2017-07-01"), ('say "x"\\', '"say \\"x\\"\\\\"'),
        ("a\tb", '"a\\U00000009b"'), ("null", '"null"'), (" a", '" a"'), ("a:", '"a:"'),
    ],
)  # fmt: skip
def test_scalars_are_quoted_when_they_must(value: object, text: str) -> None:
    assert scalar(value) == text
    if not text.startswith('"'):
        assert resolve(text) == value


def test_flow() -> None:
    assert flow([1, {"a": ["x, y", None]}]) == '[1, {a: ["x, y", null]}]'


def test_importing_is_light() -> None:
    code = """\
    import sys
    import toolkit.recipe
    heavy = {"pandas", "numpy", "tensorflow", "keras", "tensorflow_datasets"}
    print(sorted(heavy & set(sys.modules)))
    """
    command = [sys.executable, "-c", dedent(code)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)

    assert result.stdout == "[]\n"
