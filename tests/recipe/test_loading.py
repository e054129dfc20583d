"""Every mistake of a recipe by its exact line."""

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.recipe.conftest import Fail, Load
from tests.recipe.small_task import LSTM, find
from toolkit.errors import RecipeError
from toolkit.recipe import load_recipe

START = "task: small\ndata: {train: a.csv, text: t}\n"
HINT = "Run 'toolkit show --task small' to see every key and its default."
TASKS = "Run 'toolkit list' to see every task and recipe."


def one(line: str, hint: str = HINT) -> str:
    return "\n".join(filter(None, ["my.yaml has 1 error:", f"  {line}", hint]))


def test_two_lines_are_a_recipe(load: Load) -> None:
    recipe = load("task: small\ndata: {train: demo:x, text: t}")

    assert recipe.task_name == "small"
    assert recipe.options.data.train == "demo:x"


def test_all_errors_at_once(fail: Fail) -> None:
    text = """\
    task: small
    data:
      text: t
    model:
      type: cnn
      num_head: 3
      hidden_dim: big
    train: {epochs: 3, steps: 4}
    run: {sede: 1}
    """
    assert fail(dedent(text)) == dedent(
        """\
        my.yaml has 5 errors:
          6:3  model.num_head: unknown key of type 'cnn'. Did you mean 'num_heads'?
          7:15 model.hidden_dim: expected an integer or 'auto'. Received: 'big'.
          8:27 train.steps: steps and epochs cannot both be given; keep one.
          9:7  run.sede: unknown key. Did you mean 'seed'?
          2:1  data.train: required key is missing.
        Run 'toolkit show --task small' to see every key and its default."""
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        # Values
        ("train: {epochs: 0}", "3:17 train.epochs: expected an integer of at least 1 or 'auto'. "
         "Received: 0."),
        ("train: {epochs: 1e3}", "3:17 train.epochs: expected an integer of at least 1 or 'auto'. "
         "Did you mean 1000? Received: 1000.0."),
        ("train: {epochs: '3'}", "3:17 train.epochs: expected an integer of at least 1 or 'auto'. "
         "Did you mean 3, without quotes? Received: '3'."),
        ("train: {epochs: true}", "3:17 train.epochs: expected an integer of at least 1 or 'auto'. "
         "Received: true."),
        ("train: {shuffle: no}", "3:18 train.shuffle: expected true or false. Did you mean false? "
         "Received: 'no'."),
        ("train: {ema: 2}", "3:14 train.ema: expected a number above 0 and below 1 or 'none'. "
         "Received: 2."),
        ("train: {precision: float16}", "3:20 train.precision: expected 'float32', "
         "'mixed_bfloat16', 'mixed_float16' or 'auto'. Did you mean 'mixed_float16'? "
         "Received: 'float16'."),
        ("train: {devices: gpus}", "3:18 train.devices: expected auto, cpu, all, gpu, gpu:0,1 or "
         "cpu:2. Received: 'gpus'."),
        ("train: {checkpoint_every: often}", "3:27 train.checkpoint_every: expected steps (500), "
         "a time (10m) or epochs (1 epoch). Received: 'often'."),
        ("evaluate: f1", "3:11 evaluate: expected a non-empty list (text each) or 'auto'. "
         "Did you mean [f1]? Received: 'f1'."),
        ("export: nne", "3:9 export: expected 'saved_model' or 'none'. Did you mean 'none'? "
         "Received: 'nne'."),
        ("run: 5", "3:6 run: expected a mapping. Received: 5."),
        # Models
        ("model: lsmt", "3:8 model: expected 'lstm', 'cnn', 'ensemble' or 'auto'. "
         "Did you mean 'lstm'? Received: 'lsmt'."),
        ("model: {type: lsmt, units: 3}", "3:15 model.type: expected 'lstm', 'cnn' or 'ensemble'. "
         "Did you mean 'lstm'? Received: 'lsmt'."),
        ("model: {units: 3}", "3:1 model.type: required key is missing. Expected 'lstm', 'cnn' or "
         "'ensemble'."),
        ("model: [3]", "3:8 model: expected 'lstm', 'cnn', 'ensemble' or 'auto'. Received: [3]."),
        ("model: {type: lstm, attention: {type: dto}}", "3:39 model.attention.type: expected "
         "'additive' or 'dot'. Did you mean 'dot'? Received: 'dto'."),
        ("model: {type: ensemble, members: [lstm, {type: cnn, widths: [1, a]}]}",
         "3:65 model.members[1].widths[1]: expected an integer. Received: 'a'."),
        ("model: {type: ensemble, members: [lstm]}", "3:34 model.members: expected a list of at "
         "least 2 ('lstm' or 'cnn' each). Received: [a mapping]."),
        ("model: {type: ensemble, members: 2}", "3:34 model.members: expected a list of at "
         "least 2 ('lstm' or 'cnn' each). Received: 2."),
        # Unknown keys
        ("epochs: 3", "3:1 epochs: unknown key. It belongs under train."),
        ("epoch: 3", "3:1 epoch: unknown key. Did you mean 'train.epochs'?"),
        ("modle: lstm", "3:1 modle: unknown key. Did you mean 'model'?"),
        ("train: {lr: 1}", "3:9 train.lr: unknown key. Did you mean 'learning_rate'?"),
        ("train: {Batch-Size: 1}", "3:9 train.Batch-Size: unknown key. Did you mean 'batch_size'?"),
        ("train: {patience: 1}", "3:9 train.patience: unknown key. It belongs under "
         "train.early_stopping."),
        ("train: {qqq: 1}", "3:9 train.qqq: unknown key."),
        ("run: {qqq: 1}", "3:7 run.qqq: unknown key. Expected 'seed', 'directory', 'name' or "
         "'notes'."),
        ("model: {type: cnn, units: 3}", "3:20 model.units: unknown key of type 'cnn'. "
         "It belongs to type 'lstm'."),
        ("train: {epochs:3}", "3:9 train.epochs:3: unknown key. Is a space missing after ':'?"),
    ],
)  # fmt: skip
def test_each_mistake_is_one_line(fail: Fail, text: str, line: str) -> None:
    assert fail(START + text) == one(line)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("task: small", "1:1 data: required key is missing."),
        ("task: small\ndata: a.csv", "2:1 data.text: required key is missing."),
        ("task: small\ndata: {train: a, txt: t}", "2:18 data.txt: unknown key. "
         "Did you mean 'text'?"),
        ("task: small\ndata: {train: [a, 3], text: t}", "2:19 data.train[1]: expected a path. "
         "Received: 3."),
        ("task: small\ndata: {train: [], text: t}", "2:15 data.train: expected a path, a non-empty "
         "list (a path each) or a DataFrame. Received: []."),
        ("task: small\ndata: {train: a, text: true}", "2:24 data.text: expected a column's name or "
         "number. Received: true."),
        ("task: small\ndata: {train: tdfs:x, text: t}", "2:15 data.train: no source of data. "
         "Did you mean 'tfds:'? Received: 'tdfs:x'."),
        ("task: small\ndata: {train: a, text: t, split: 120%}", "2:34 data.split: expected a share "
         "(10%), count (500) or windows (3 windows), a date (2017-07-01) or 'none'. Received: "
         "'120%'."),
        ("task: small\ndata: {train: a, text: t, stratify: true}", "2:27 data.stratify: unknown "
         "key. It belongs under data.split."),
        ("task: small\ndata: {train: a, text: t, weights: {a: 1, b: x}}", "2:46 data.weights.b: "
         "expected a number. Received: 'x'."),
        ("task: {type: small, beam_size: 11}\ndata: {train: a, text: t}", "1:32 task.beam_size: "
         "a beam that wide does not fit."),
    ],
)  # fmt: skip
def test_mistakes_in_task_and_data(fail: Fail, text: str, line: str) -> None:
    assert fail(text) == one(line)


@pytest.mark.parametrize(
    ("text", "line", "hint"),
    [
        ("", "1:1 an empty recipe. Expected keys such as task and data.", ""),
        ("# nothing\n", "1:1 an empty recipe. Expected keys such as task and data.", ""),
        ("- a", "1:1 expected a mapping with keys such as task and data. Received: a list.", ""),
        ("task:small", "1:1 expected a mapping with keys such as task and data. Is a space missing "
         "after ':'? Received: 'task:small'.", ""),
        ("task: [", "1:8 the text ends too soon. Is a bracket not closed?", ""),
        ("task: smal\ndata: x", "1:7 task: unknown task. Did you mean 'small'? Received: 'smal'.",
         TASKS),
        ("task: {type: smal}", "1:14 task: unknown task. Did you mean 'small'? Received: 'smal'.",
         TASKS),
        ("task: [small]", "1:7 task: expected a task's name. Received: ['small'].", TASKS),
    ],
)  # fmt: skip
def test_what_is_no_recipe(fail: Fail, text: str, line: str, hint: str) -> None:
    assert fail(text) == one(line, hint)


def test_without_a_task_the_top_is_still_checked(
    fail: Fail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolkit.recipe.loading.task_names", lambda: ["one", "two"])

    assert fail("data: a\nmodle: x") == dedent(
        f"""\
        my.yaml has 2 errors:
          2:1 modle: unknown key. Did you mean 'model'?
          1:1 task: required key is missing. Expected 'one' or 'two'.
        {TASKS}"""
    )
    assert fail("data: a\ntask: {typ: small}") == one(
        "2:1 task.type: required key is missing. Expected 'one' or 'two'.", TASKS
    )


def test_soft_mistakes_of_the_file_stand_beside_the_others(fail: Fail) -> None:
    text = "task: &a small\ndata: {train: !!str a, text: t, text: u}\ntrain: {epochs: a}"

    assert fail(text) == dedent(
        f"""\
        my.yaml has 4 errors:
          1:7  &a: anchors are not supported. Use 'extends'.
          2:15 !!str: tags are not supported. Write the plain value.
          2:33 text: duplicate key, first written in line 2.
          3:17 train.epochs: expected an integer of at least 1 or 'auto'. Received: 'a'.
        {HINT}"""
    )


def test_a_file_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("demo.yaml").touch()
    with pytest.raises(RecipeError) as caught:
        load_recipe("dem.yaml", (), find)

    assert str(caught.value) == "dem.yaml: no such file. Did you mean 'demo.yaml'?"


def test_a_mapping_has_no_lines() -> None:
    values: dict[str, Any] = {"task": "small", "data": {"train": "a", "txet": 4}, "model": 3}
    with pytest.raises(RecipeError) as caught:
        load_recipe(values, (), find)

    assert str(caught.value) == dedent(
        f"""\
        The recipe has 2 errors:
          data.txet: unknown key. Did you mean 'text'?
          model: expected 'lstm', 'cnn', 'ensemble' or 'auto'. Received: 3.
        {HINT}"""
    )


def test_a_mapping_may_hold_sections() -> None:
    values = {"task": "small", "data": {"train": "demo:a", "text": "t"}, "model": LSTM(units=3)}

    assert load_recipe(values, (), find).options.model == LSTM(units=3)
