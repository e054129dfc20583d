import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import toolkit
from toolkit.api.preparing import Working
from toolkit.errors import ArgumentError, DataError, RecipeError, RunError
from toolkit.tasks.base import Decision

TEXTS = ["a nice day", "poor", ""]


@pytest.fixture(scope="module")
def frame(tiny_data: Path) -> pd.DataFrame:
    return pd.read_csv(tiny_data / "tiny.csv")


# -- fit ------------------------------------------------------------------------------------------


def test_run_directory_tells_everything(tiny_run: Any) -> None:
    names = {path.name for path in tiny_run.path.iterdir()}
    assert {
        "recipe.yaml", "run.json", "metrics.jsonl", "logs", "checkpoints", "task",
        "model.keras", "report.json", "report.txt", "export",
    } <= names  # fmt: skip
    manifest = json.loads((tiny_run.path / "run.json").read_text())
    assert manifest["status"] == "finished"
    assert manifest["data"]["rows"] == {"train": 64, "validation": 8, "test": 8}
    assert len(next(iter(manifest["data"]["sha256"].values()))) == 64
    assert manifest["decisions"]["vocabulary_size"]["reason"] == "every word of train"
    assert set(manifest["timings"]) == {"prepare", "train", "evaluate", "export"}
    assert manifest["versions"]["tensorflow"]
    assert manifest["devices"].startswith("one device")


def test_report_and_history(tiny_run: Any) -> None:
    assert tiny_run.report["scores"] == {"accuracy": 1.0}
    assert (tiny_run.path / "report.txt").read_text().startswith("test split, 8 rows\n")
    assert [record["epoch"] for record in tiny_run.history] == [1, 2]


def test_keywords_are_a_recipe(frame: pd.DataFrame, tmp_path: Path) -> None:
    run = toolkit.fit(
        task="tests.tiny_task",
        data={"train": frame, "text": "text", "label": "label"},
        model="average",
        train={"epochs": 1},
        export="none",
        run=tmp_path / "new",
    )
    assert len(run.history) == 1
    assert not run.directory.export.exists()
    again = toolkit.load_run(tmp_path / "new")
    pd.testing.assert_frame_equal(again.predict(TEXTS), run.predict(TEXTS))
    with pytest.raises(RunError, match="trained on a DataFrame"):
        again.evaluate()
    assert again.evaluate(frame).rows == 80
    assert toolkit.export(again).is_dir()


def test_run_is_a_directory_or_a_section(tiny_data: Path, tmp_path: Path) -> None:
    section = {"seed": 3, "directory": str(tmp_path / "new")}
    run = toolkit.fit(tiny_data / "tiny.yaml", run=section, export="none")
    assert run.path == tmp_path / "new"
    assert json.loads((run.path / "run.json").read_text())["seed"] == 3


def test_sections_and_overrides_change_a_recipe(tiny_data: Path) -> None:
    path = tiny_data / "tiny.yaml"
    shown = toolkit.show(path, train={"epochs": 7}, overrides={"run.seed": 3})
    assert "epochs: 7" in shown
    assert "seed: 3" in shown
    with pytest.raises(ArgumentError, match="overrides as a mapping"):
        toolkit.show(path, train={"epochs": 7}, overrides=["run.seed=3"])
    with pytest.raises(ArgumentError, match="Expected a recipe"):
        toolkit.show()
    with pytest.raises(RecipeError, match="Did you mean 'epochs'"):
        toolkit.show(path, train={"epoch": 7})
    with pytest.raises(ArgumentError, match=r"data is given as in .* Received: DataFrame"):
        toolkit.check(pd.DataFrame())  # type: ignore[arg-type]


def test_same_seed_same_weights(tiny_run: Any, tiny_data: Path, tmp_path: Path) -> None:
    again = toolkit.fit(tiny_data / "tiny.yaml", run=tmp_path / "new", export="none")
    for one, other in zip(again.model.get_weights(), tiny_run.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_resume(tiny_run: Any, tiny_data: Path, tmp_path: Path) -> None:
    target = tmp_path / "new"
    recipe = {"task": "tests.tiny_task", "data": str(tiny_data / "tiny.csv"), "export": "none"}
    toolkit.fit(recipe, run=target, resume="auto", train={"epochs": 1})
    longer = toolkit.fit(recipe, run=target, resume=True, train={"epochs": 2})
    assert [record["epoch"] for record in longer.history] == [1, 2]
    with pytest.raises(RunError, match=r"another training: .*model.units was 8, now 4"):
        toolkit.fit(recipe, run=target, resume=True, model={"units": 4})


# -- a model of one's own -------------------------------------------------------------------------


def own_model(words: int, labels: int, name: str = "token_ids") -> keras.Model:
    inputs = {name: keras.Input((None,), dtype="int32", name=name)}
    vectors = keras.layers.Embedding(words, 4)(inputs[name])
    pooled = keras.layers.GlobalAveragePooling1D()(vectors)
    return keras.Model(inputs, keras.layers.Dense(labels)(pooled))


def test_a_model_of_ones_own(tiny_data: Path, tmp_path: Path) -> None:
    path = tiny_data / "tiny.yaml"
    prepared = toolkit.prepare(path)
    words = prepared.task.decisions["vocabulary_size"].value
    model = own_model(words, 2)
    run = toolkit.fit(path, model=model, run=tmp_path / "new", export="none")
    assert run.model is model
    assert "parts" not in run.directory.manifest()["devices"]
    loaded = toolkit.load_run(tmp_path / "new")
    pd.testing.assert_frame_equal(loaded.predict(TEXTS), run.predict(TEXTS))


@pytest.mark.parametrize(
    ("labels", "name", "message"),
    [
        (3, "token_ids", r"outputs do not fit the task. Expected shape \(2, 2\).*\(2, 3\)"),
        (2, "words", r"does not take the task's inputs. Expected .* token_ids \(2, 5\)"),
    ],
)
def test_a_model_that_does_not_fit(
    labels: int, name: str, message: str, tiny_data: Path, tmp_path: Path
) -> None:
    with pytest.raises(ArgumentError, match=message):
        toolkit.fit(
            tiny_data / "tiny.yaml", model=own_model(200, labels, name), run=tmp_path / "new"
        )
    assert not (tmp_path / "new").exists()


# -- evaluate, predict ----------------------------------------------------------------------------


def test_evaluation(tiny_run: Any, frame: pd.DataFrame) -> None:
    wrong = frame.assign(label=frame["label"].replace({"yes": "no", "no": "yes"}))
    evaluation = toolkit.evaluate(tiny_run.path, wrong)
    assert evaluation.scores == {"accuracy": 0.0}
    assert json.loads(evaluation.to_json()) == evaluation.as_dict()
    with pytest.raises(DataError, match="no column 'label'"):
        tiny_run.evaluate(frame[["text"]])
    with pytest.raises(DataError, match=r"row 0: column 'text' is empty"):
        tiny_run.evaluate(frame.assign(text=["", *frame["text"][1:]]))


def inputs(tiny_data: Path) -> Iterator[Any]:
    yield TEXTS
    yield iter(TEXTS)
    yield [{"text": text} for text in TEXTS]
    yield pd.DataFrame({"text": TEXTS})
    (tiny_data / "new.txt").write_text("\n".join(TEXTS) + "\n")
    yield tiny_data / "new.txt"
    pd.DataFrame({"text": TEXTS}).to_json(tiny_data / "new.jsonl", orient="records", lines=True)
    yield str(tiny_data / "new.jsonl")


def test_predict_takes_anything(tiny_run: Any, tiny_data: Path) -> None:
    for each in inputs(tiny_data):
        answers = toolkit.predict(tiny_run, each)
        assert answers["prediction"].tolist()[:2] == ["yes", "no"], each
        assert len(answers) == 3
        assert answers["score"].between(0.5, 1).all()


def test_predict_keeps_order_and_columns(tiny_run: Any, frame: pd.DataFrame) -> None:
    shuffled = frame.sample(frac=1, random_state=1)
    answers = tiny_run.predict(shuffled)
    assert answers["id"].tolist() == shuffled["id"].tolist()
    assert answers["prediction"].tolist() == shuffled["label"].tolist()
    parts = list(tiny_run.stream(f"day {number}" for number in range(5000)))
    assert [len(part) for part in parts] == [4096, 904]


@pytest.mark.parametrize("wrong", [[1, 2], ["a", {"text": "b"}]])
def test_predict_refuses(tiny_run: Any, wrong: list[Any]) -> None:
    with pytest.raises(ArgumentError, match="Expected texts, or mappings by column"):
        tiny_run.predict(wrong)


def test_predict_nothing(tiny_run: Any) -> None:
    assert tiny_run.predict([]).empty


# -- load_run -------------------------------------------------------------------------------------


@pytest.fixture
def copied(tiny_run: Any, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_run.path, tmp_path / "copied"))


def test_a_run_can_move(copied: Path, tiny_run: Any) -> None:
    loaded = toolkit.load_run(copied)
    pd.testing.assert_frame_equal(loaded.predict(TEXTS), tiny_run.predict(TEXTS))
    assert loaded.task.decisions["vocabulary_size"].reason == "every word of train"


def test_what_is_settled_last_leaves_what_training_decided(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = toolkit.load_run(copied)
    old, new = Decision(1, "as the run was found"), Decision(2, "as training went on")
    run.task.decisions["train.compile"] = old
    run.directory.note(decisions={"train.compile": new.as_dict()})

    def conclude(*_: Any) -> None:
        run.task.decisions["task.penalty"] = Decision(3, "settled last")

    run.directory.writes = True
    monkeypatch.setattr(run.task, "conclude", conclude)
    run.conclude(run.splits().validation)
    decisions = run.directory.manifest()["decisions"]
    assert decisions["train.compile"] == new.as_dict()
    assert decisions["task.penalty"]["value"] == 3


def test_changed_data_is_told(tiny_data: Path, tmp_path: Path) -> None:
    data = shutil.copy(tiny_data / "tiny.csv", tmp_path)
    run = toolkit.fit(task="tests.tiny_task", data=data, export="none", run=tmp_path / "new")
    with (tmp_path / "tiny.csv").open("a") as file:
        file.write("99,good nice,yes\n")
    with pytest.warns(UserWarning, match=r"changed since training: .*tiny.csv"):
        toolkit.load_run(run.path).evaluate()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("model.keras", "the training has not finished"),
        ("run.json", "not a run directory"),
        ("task/words.txt", "cannot be read"),
    ],
)
def test_a_missing_file_is_named(copied: Path, name: str, message: str) -> None:
    (copied / name).unlink()
    with pytest.raises(RunError, match=message):
        toolkit.load_run(copied).predict(TEXTS)


def test_a_damaged_model_is_told(copied: Path) -> None:
    path = copied / "model.keras"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(RunError, match=r"model.keras: the model cannot be read"):
        toolkit.load_run(copied).predict(TEXTS)


# -- recipes --------------------------------------------------------------------------------------


def test_check_and_schema(tiny_data: Path) -> None:
    report = toolkit.check(tiny_data / "tiny.yaml")
    assert not report.errors
    assert report.facts["splits"]["train"]["rows"] == 64
    assert toolkit.schema("sentiment")["title"] == "Recipe"
    assert "sentiment" in toolkit.list_tasks()


def test_check_collects_what_cannot_be_read(tmp_path: Path) -> None:
    report = toolkit.check(task="tests.tiny_task", data=str(tmp_path / "no.csv"))
    assert [error.where for error in report.errors] == [str(tmp_path / "no.csv")]


@pytest.mark.parametrize("recipe", toolkit.list_recipes(), ids=lambda recipe: recipe.name)
def test_every_shipped_recipe_validates(recipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOOLKIT_DATA", "/data")
    assert toolkit.show(recipe.path)
    assert recipe.summary


def test_seeding_a_model_keeps_subword_models_alive() -> None:
    from toolkit.text.subwords import Subwords
    from toolkit.training.distribution import distribute
    from toolkit.training.fit import build

    texts = np.array([f"a good day {number}" for number in range(20)], dtype=object)
    subwords = Subwords.fit(texts, 300)
    encoded = tf.function(subwords)
    before = encoded(tf.constant(texts)).to_list()
    build(lambda: own_model(10, 2), distribute("cpu", "one_device"), seed=1)
    again = tf.data.Dataset.from_tensors(texts).map(subwords)
    assert next(iter(again)).to_list() == before


def test_progress_tells_the_time_left_once_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    working, shown = Working(), []
    clock = iter([10.0, 13.0, 16.0])
    monkeypatch.setattr("toolkit.api.preparing.time.monotonic", lambda: next(clock))
    monkeypatch.setattr(working, "_progress", SimpleNamespace(
        working=lambda *told: shown.append(told), close=lambda: shown.append(())
    ))  # fmt: skip
    for done in (1, 2, 4):
        working("rows", done, 4)
    assert shown == [("rows", 2, 4, 6.0), ()]
