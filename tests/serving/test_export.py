import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.tiny_task.task import TinyTask
from toolkit.errors import ExportError
from toolkit.serving import replay
from toolkit.serving.export import export_model, named_answers
from toolkit.serving.requests import as_instances


def files(directory: Path) -> set[str]:
    return {path.name for path in directory.rglob("*") if path.is_file()}


def test_export_holds_what_serving_needs(tiny_run: Any) -> None:
    export = tiny_run.directory.export
    assert {
        "saved_model.pb",
        "variables.index",
        "signature.json",
        "examples.json",
        "README.md",
    } <= files(export)


def test_signature_says_what_goes_in_and_comes_out(tiny_run: Any) -> None:
    signature = json.loads((tiny_run.directory.export / "signature.json").read_text())
    assert signature["inputs"] == {"text": {"dtype": "string", "shape": [None], "meaning": ""}}
    assert signature["outputs"]["probabilities"] == {
        "dtype": "float32",
        "shape": [None, 2],
        "meaning": "of each class, 0 to 1",
    }
    assert signature["labels"] == ["no", "yes"]
    assert signature["requires"] == ["tensorflow"]
    assert signature["versions"]["tensorflow"] == tf.__version__
    assert "variables/variables.data-00000-of-00001" in signature["files"]


def test_examples_hold_an_empty_and_an_over_long_text(tiny_run: Any) -> None:
    examples = json.loads((tiny_run.directory.export / "examples.json").read_text())
    texts = [row["text"] for row in examples["instances"]]
    assert "" in texts
    assert max(len(text.split()) for text in texts) == 2000
    assert len(examples["predictions"]) == len(texts)


@pytest.mark.parametrize("count", [1, 3])
def test_exported_model_takes_any_batch_size(tiny_run: Any, count: int) -> None:
    loaded = tf.saved_model.load(str(tiny_run.directory.export))
    answers = loaded.signatures["serve"](text=tf.constant(["a good day"] * count))
    assert [name.decode() for name in answers["label"].numpy()] == ["yes"] * count
    assert answers["probabilities"].shape == (count, 2)


def test_readme_is_ready_to_use(tiny_run: Any) -> None:
    readme = (tiny_run.directory.export / "README.md").read_text()
    assert "An empty text is answered like one without known words." in readme
    assert '{"signature_name": "serve", "instances": [{"text": "a good day"}]}' in readme
    code = readme.split("```python\n")[1].split("```")[0]
    code = code.replace('load(".")', f'load("{tiny_run.directory.export}")')
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["answers"]["probabilities"].shape == (1, 2)


def arguments(run: Any) -> dict[str, Any]:
    requests = {"text": np.array(["a good day", ""], dtype=object)}
    served = run.task.serve(run.model, {"text": tf.constant(requests["text"])})
    answers = {name: np.asarray(value) for name, value in served.items()}
    return {"requests": requests, "answers": answers}


def test_an_export_is_replaced(tiny_run: Any, tmp_path: Path) -> None:
    for _ in range(2):
        export_model(tiny_run.task, tiny_run.model, tmp_path / "new", **arguments(tiny_run))
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_anything_else_is_not_replaced(tiny_run: Any, tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("keep")
    with pytest.raises(ExportError, match="exists and is not an exported model"):
        export_model(tiny_run.task, tiny_run.model, tmp_path, **arguments(tiny_run))
    assert (tmp_path / "precious.txt").read_text() == "keep"


def test_a_failed_export_leaves_nothing(tiny_run: Any, tmp_path: Path) -> None:
    class Broken(TinyTask):
        def card(self) -> dict[str, Any]:
            raise RuntimeError

    task = Broken(tiny_run.options)
    task.load(tiny_run.directory.task)
    with pytest.raises(RuntimeError):
        export_model(task, tiny_run.model, tmp_path / "new", **arguments(tiny_run))
    assert not list(tmp_path.iterdir())


def test_a_resource_that_is_not_held_is_refused(tiny_run: Any, tmp_path: Path) -> None:
    class Hiding(TinyTask):
        def preprocess(self, raw: dict[str, Any]) -> dict[str, Any]:
            return {"token_ids": self.hidden[0](tf.strings.split(raw["text"]))}

    task = Hiding(tiny_run.options)
    task.load(tiny_run.directory.task)
    task.hidden = (task.vocabulary,)  # type: ignore[attr-defined]
    del task.vocabulary
    with pytest.raises(ExportError, match="cannot be exported"):
        export_model(task, tiny_run.model, tmp_path / "new", **arguments(tiny_run))


def test_named_answers(tiny_run: Any) -> None:
    named = named_answers(tiny_run.task, {"probabilities": np.array([[0.9, 0.1]], np.float32)})
    assert named["label"].tolist() == [b"no"]


def test_instances_are_json() -> None:
    columns = {"text": np.array([b"\xff", "a"], dtype=object), "x": np.array([[1.5], [2]])}
    assert as_instances(columns) == [
        {"text": {"b64": "/w=="}, "x": [1.5]},
        {"text": "a", "x": [2.0]},
    ]


def test_large_arrays_of_bytes_are_packed_and_replayed_alike() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 40, 16, 17), np.uint8)
    rows = json.loads(json.dumps(as_instances({"video": frames})))
    assert rows[0]["video"].keys() == {"b64", "shape"}
    for row, each in zip(rows, frames, strict=True):
        np.testing.assert_array_equal(replay._value(row["video"]), each)
    assert as_instances({"video": frames[:, :1, :1, :2]})[0] == {
        "video": frames[0, :1, :1, :2].tolist()
    }
