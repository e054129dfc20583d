"""What a recipe extends, what overrides it, and where relative paths start."""

from pathlib import Path
from textwrap import dedent
from typing import Any

import pandas as pd
import pytest

from tests.recipe.conftest import Fail, Load
from tests.recipe.small_task import CNN, LSTM, Attention
from toolkit.recipe import EarlyStopping

BASE = """\
task: small
data: {train: a.csv, text: t}
model: {type: lstm, units: 7}
train: {epochs: 2, early_stopping: {monitor: loss, patience: 9}}
"""


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("model: lstm", LSTM(units=7)),
        ("model: {attention: dot}", LSTM(units=7, attention=Attention(type="dot"))),
        ("model: {type: lstm, attention: dot}", LSTM(units=7, attention=Attention(type="dot"))),
        ("model: cnn", CNN()),
        ("model: {type: cnn, widths: [1]}", CNN(widths=(1,))),
        ("model: auto", "auto"),
        ("model:", LSTM(units=7)),
    ],
)
def test_another_type_drops_the_other_keys(load: Load, text: str, model: Any) -> None:
    assert load(f"extends: base.yaml\n{text}", base=BASE).options.model == model


@pytest.mark.parametrize(
    ("text", "stopping"),
    [
        ("f1", EarlyStopping(monitor="f1", patience=9)),
        ("{patience: 1}", EarlyStopping(monitor="loss", patience=1)),
        ("none", None),
    ],
)
def test_short_forms_merge_like_long_ones(load: Load, text: str, stopping: Any) -> None:
    recipe = load(f"extends: base.yaml\ntrain: {{early_stopping: {text}}}", base=BASE)

    assert recipe.options.train.early_stopping == stopping
    assert recipe.options.train.epochs == 2


def test_later_parents_win_and_the_recipe_over_all(load: Load) -> None:
    recipe = load(
        "extends: [base.yaml, other.yaml]\nrun: {seed: 3}",
        base=BASE + "run: {seed: 1, name: b}",
        other="run: {seed: 2, notes: o}",
    )
    run = recipe.options.run

    assert (run.seed, run.name, run.notes) == (3, "b", "o")


def test_paths_start_at_the_file_that_wrote_them(load: Load, tmp_path: Path) -> None:
    recipe = load(base=BASE, sub__child="extends: ../base.yaml\ndata: {test: b/*.csv}")

    assert recipe.options.data.train == str(tmp_path / "a.csv")
    assert recipe.options.data.test == str(tmp_path / "sub" / "b" / "*.csv")
    assert recipe.base_directory == tmp_path / "sub"


def test_names_and_urls_are_no_paths(load: Load, tmp_path: Path) -> None:
    sources = "[tfds:imdb_reviews, demo:x, gs://bucket/a.csv, /abs/a.csv, videos/]"
    recipe = load(f"task: small\ndata: {{train: {sources}, text: t}}")

    assert recipe.options.data.train == (
        "tfds:imdb_reviews", "demo:x", "gs://bucket/a.csv", "/abs/a.csv", f"{tmp_path}/videos/",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["$TOOLKIT_DATA", "${TOOLKIT_DATA}"])
def test_the_data_variable(
    load: Load, fail: Fail, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    text = f"task: small\ndata: {{text: t, train: '{name}/a.csv'}}"
    monkeypatch.setenv("TOOLKIT_DATA", "/data")
    assert load(text).options.data.train == "/data/a.csv"

    monkeypatch.delenv("TOOLKIT_DATA")
    assert fail(text).splitlines()[1] == (
        "  2:24 data.train: the environment variable TOOLKIT_DATA is not set. "
        f"Received: '{name}/a.csv'."
    )


def test_settings_are_typed_and_their_order_is_free(load: Load, tmp_path: Path) -> None:
    overrides = ["model.widths=[1, 2]", "model.type=cnn", "train.early_stopping=none",
                 "train.learning_rate=1e-4", "data.test=x.csv"]  # fmt: skip
    recipe = load(base=BASE, overrides=overrides)

    assert recipe.options.model == CNN(widths=(1, 2))
    assert recipe.options.train.early_stopping is None
    assert recipe.options.train.learning_rate == 1e-4
    assert recipe.options.data.test == str(tmp_path / "x.csv")


def test_mistaken_settings(fail: Fail) -> None:
    overrides = ["train.epoch=3", "model.units=x", "foo", "train.steps=[1", "extends=x"]

    assert fail(base=BASE, overrides=overrides) == dedent(
        """\
        base.yaml has 5 errors:
          --set extends=x      extends belongs in the recipe file.
          --set foo            expected key=value, such as train.epochs=3.
          --set model.units=x  model.units: expected an integer of at least 1. Received: 'x'.
          --set train.epoch=3  train.epoch: unknown key. Did you mean 'epochs'?
          --set train.steps=[1 train.steps: a list that is not closed, or lacks a comma. """
        """Expected ',' or ']'.
        Run 'toolkit show --task small' to see every key and its default."""
    )


def test_arguments_of_python(load: Load) -> None:
    frame = pd.DataFrame({"t": ["x"]})
    overrides = {"train.epochs": 3, "data": {"validation": frame}, "model": "cnn"}
    options = load(base=BASE, overrides=overrides).options

    assert (options.train.epochs, options.model) == (3, CNN())
    assert options.data.validation is frame


def test_mistakes_name_the_file_that_made_them(fail: Fail) -> None:
    text = "extends: base.yaml\nmodel: {unit: 3}\nevaluate: 3"
    message = fail(base=BASE.replace("epochs", "epohcs"), my=text)

    assert message == dedent(
        """\
        my.yaml has 3 errors:
          2:9           model.unit: unknown key of type 'lstm'. Did you mean 'units'?
          3:11          evaluate: expected a non-empty list (text each) or 'auto'. """
        """Did you mean [3]? Received: 3.
          base.yaml:4:9 train.epohcs: unknown key. Did you mean 'epochs'?
        Run 'toolkit show --task small' to see every key and its default."""
    )


@pytest.mark.parametrize(
    ("files", "line"),
    [
        ({"my": "extends: bas.yaml", "base": BASE},
         "1:10 extends: bas.yaml: no such file. Did you mean 'base.yaml'?"),
        ({"my": "extends: my.yaml"}, "1:10 extends: a circle. Received: my.yaml -> my.yaml."),
        ({"my": "extends: [3]"},
         "1:11 extends: expected a recipe file or a list of them. Received: 3."),
        ({"bad": "a: [1", "my": "extends: bad.yaml\nmodle: 3"},
         "bad.yaml:1:4 a list that is not closed, or lacks a comma. Expected ',' or ']'."),
        ({"a": "extends: my.yaml", "my": "extends: a.yaml"},
         "a.yaml:1:10 extends: a circle. Received: my.yaml -> a.yaml -> my.yaml."),
    ],
)  # fmt: skip
def test_parents_that_cannot_be_read(
    load: Load, fail: Fail, tmp_path: Path, files: dict[str, str], line: str
) -> None:
    for name, text in files.items():
        (tmp_path / f"{name}.yaml").write_text(text)

    assert fail(files["my"]) == f"my.yaml has 1 error:\n  {line}"
