"""A trained model as a SavedModel that takes raw inputs and gives named answers."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.core.protobuf import saved_model_pb2

from toolkit.errors import ExportError
from toolkit.serving import signature
from toolkit.serving.readme import readme
from toolkit.serving.requests import as_instances

if TYPE_CHECKING:
    from toolkit.tasks.base import Task

# Largest differences that count as the same answer; a batch may be padded or summed another way.
TOLERANCE = {"relative": 1e-3, "absolute": 1e-4}
TOLERANCE_HALF = {"relative": 5e-2, "absolute": 2e-2}  # computed in 16 bits
_TOO_LATE = "The model is trained and kept; only its export failed."


def export_model(
    task: Task[Any],
    model: keras.Model,
    directory: str | os.PathLike[str],
    *,
    requests: Mapping[str, NDArray[Any]],
    answers: Mapping[str, NDArray[Any]],
    name: str = "model",
) -> Path:
    """Write a SavedModel with signature ``serve``, its description and stored examples.

    What a graph needs besides the model's variables (vocabularies, lookup tables) must be held by
    the task in attributes that are a ``tf.Module``.

    Args:
        task: prepared; its ``serve`` is what is exported.
        model: trained.
        directory: a new directory, an empty one, or an export that is to be replaced. It is
            never seen half-written.
        requests: raw inputs of the stored examples, batch first.
        answers: what the trained model answers to them, named as the outputs are.
        name: what the model is called in its README.

    Returns:
        The directory.

    Raises:
        ExportError: the directory holds something else, or the task cannot be exported.
    """
    target = Path(directory)
    refuse_other_content(target)
    with _replacing(target) as temporary:
        _save(task, model, temporary)
        content = _describe(task, model, _saved_graph(temporary))
        text = readme(name, content, task.card()["example"])
        (temporary / signature.README).write_text(text, encoding="utf-8")
        _write_examples(temporary, requests, answers)
        signature.write(temporary, content)
    return target


def named_answers(task: Task[Any], answers: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Return numeric answers as the exported model's named outputs."""
    tensors = {name: tf.constant(value) for name, value in answers.items()}
    return {name: np.asarray(value) for name, value in task.named(tensors).items()}


def refuse_other_content(directory: Path) -> None:
    """See that nothing but an export would be replaced.

    Raises:
        ExportError: the path is a file, or a directory that holds something else.
    """
    if not directory.exists() or signature.is_export(directory):
        return
    if not directory.is_dir() or any(directory.iterdir()):
        raise ExportError(
            f"{directory}: exists and is not an exported model. Expected a new directory, or an "
            f"export to replace."
        )


def _save(task: Task[Any], model: keras.Model, directory: Path) -> None:
    inputs = task.signature()
    specs = {key: tf.TensorSpec(spec.shape, spec.dtype, key) for key, spec in inputs.items()}

    @tf.function(input_signature=[specs], autograph=False)
    def serve(raw: dict[str, Any]) -> dict[str, Any]:
        return dict(task.serve(model, raw))

    module = tf.Module()
    module.weights = [getattr(variable, "value", variable) for variable in model.variables]
    module.resources = [held for held in vars(task).values() if isinstance(held, tf.Module)]
    module.serve = serve
    try:
        more = task.more_signatures(model)
        signatures = {**more, "serve": serve, "serving_default": serve}
        tf.saved_model.save(module, str(directory), signatures=signatures)
    except (AssertionError, ValueError, TypeError, tf.errors.OpError) as error:
        first = str(error).strip().splitlines()[0]
        raise ExportError(f"The model cannot be exported. {_TOO_LATE} Received: {first}") from error


def _saved_graph(directory: Path) -> Any:
    """Read what was saved, since asking the functions themselves would trace them again."""
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((directory / "saved_model.pb").read_bytes())
    return saved.meta_graphs[0]


def _describe(task: Task[Any], model: keras.Model, saved: Any) -> dict[str, Any]:
    card = task.card()
    outputs = saved.signature_def["serve"].outputs
    meanings = card["outputs"]
    places = {name: place for place, name in enumerate(meanings)}
    ordered = sorted(outputs, key=lambda name: (places.get(name, len(places)), name))
    return {
        "task": task.options.task.type,
        "inputs": {key: _spec(spec, "") for key, spec in task.signature().items()},
        "outputs": {key: _spec(_as_spec(outputs[key]), meanings.get(key, "")) for key in ordered},
        "labels": card.get("labels"),
        "rules": list(card["rules"]),
        "requires": _requires(saved.graph_def),
        "tolerance": _tolerance(model),
        "versions": signature.versions(),
    }


def _spec(spec: Any, meaning: str) -> dict[str, Any]:
    return {"dtype": spec.dtype.name, "shape": spec.shape.as_list(), "meaning": meaning}


def _as_spec(info: Any) -> tf.TensorSpec:
    return tf.TensorSpec(tf.TensorShape(info.tensor_shape), tf.as_dtype(info.dtype))


def _requires(graph: Any) -> list[str]:
    """Name the packages whose operations the graph uses; TensorFlow's own are in ``raw_ops``."""
    nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
    functions = {f.signature.name for f in graph.library.function}
    foreign = {node.op for node in nodes} - set(dir(tf.raw_ops)) - functions
    text = bool(foreign) and "tensorflow_text" in sys.modules
    return ["tensorflow", "tensorflow_text"] if text else ["tensorflow"]


def _tolerance(model: keras.Model) -> dict[str, float]:
    policies = {layer.dtype_policy.compute_dtype for layer in model._flatten_layers()}
    return TOLERANCE_HALF if policies & {"bfloat16", "float16"} else TOLERANCE


def _write_examples(
    directory: Path, requests: Mapping[str, NDArray[Any]], answers: Mapping[str, NDArray[Any]]
) -> None:
    content = {"instances": as_instances(requests), "predictions": as_instances(answers)}
    text = json.dumps(content, ensure_ascii=False, indent=1)
    (directory / signature.EXAMPLES).write_text(f"{text}\n", encoding="utf-8")


@contextlib.contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """A temporary directory beside ``target`` that takes its place when all went well."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as folder:
        temporary = Path(folder) / "new"
        temporary.mkdir()
        yield temporary
        if target.exists():
            target.rename(Path(folder) / "old")
        temporary.rename(target)
