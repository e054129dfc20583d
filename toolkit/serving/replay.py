"""Replays an export's stored examples with TensorFlow alone.

A script: ``echo DIRECTORY | python -I replay.py`` in a process of its own, where nothing but the
standard library, NumPy, TensorFlow and, where the signature says so, tensorflow-text is imported.
TensorFlow is loaded before the directory is asked for. Prints one JSON object: how many examples
were replayed and every difference found.
"""

import base64
import importlib
import json
import math
import os
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np

IMPORTABLE = ("tensorflow", "tensorflow_text")
SHOWN = 160  # characters of a value in a message


def replay(directory: Path) -> dict[str, Any]:
    """Answer every stored request, alone and as one batch, and compare."""
    signature = json.loads((directory / "signature.json").read_bytes())
    examples = json.loads((directory / "examples.json").read_bytes())
    for name in signature["requires"]:
        if name in IMPORTABLE:
            importlib.import_module(name)
    tf: Any = importlib.import_module("tensorflow")
    model = tf.saved_model.load(str(directory))
    serve = model.signatures["serve"]
    requests, expected = examples["instances"], examples["predictions"]
    batches = [[i] for i in range(len(requests))]
    if _same_shapes(requests):
        batches.append(list(range(len(requests))))
    differences: list[str] = []
    for rows in batches:
        answers = serve(**_tensors(tf, signature["inputs"], [requests[i] for i in rows]))
        differences += _differences(answers, expected, rows, signature)
    return {"examples": len(requests), "differences": differences}


def _tensors(tf: Any, specs: Any, instances: list[Any]) -> dict[str, Any]:
    return {
        name: tf.constant(_stacked([_value(row[name]) for row in instances]), spec["dtype"])
        for name, spec in specs.items()
    }


def _stacked(values: list[Any]) -> Any:
    return np.stack(values) if isinstance(values[0], np.ndarray) else values


def _value(value: Any) -> Any:
    """What a JSON value stands for: text as bytes, nested lists likewise."""
    if isinstance(value, dict) and "shape" in value:  # an array of bytes
        numbers = np.frombuffer(zlib.decompress(base64.b64decode(value["b64"])), np.uint8)
        return numbers.reshape(value["shape"])
    if isinstance(value, dict):
        return base64.b64decode(value["b64"])
    if isinstance(value, str):
        return value.encode()
    return [_value(each) for each in value] if isinstance(value, list) else value


def _shape(value: Any) -> tuple[int, ...]:
    if isinstance(value, dict) and "shape" in value:
        return tuple(value["shape"])
    return (len(value), *_shape(value[0])) if isinstance(value, list) and value else ()


def _same_shapes(requests: list[Any]) -> bool:
    shapes = {tuple(_shape(value) for value in request.values()) for request in requests}
    return len(shapes) == 1


def _differences(
    answers: Any, expected: list[Any], rows: list[int], signature: dict[str, Any]
) -> list[str]:
    found = []
    how = "alone" if len(rows) == 1 else f"in a batch of {len(rows)}"
    for name in signature["outputs"]:
        values = answers[name].numpy().tolist() if name in answers else [None] * len(rows)
        for value, row in zip(values, rows, strict=True):
            stored = expected[row][name]
            if not _equal(value, stored, signature["tolerance"]):
                found.append(
                    f"example {row} ({how}), output '{name}': expected {_short(stored)}. "
                    f"Received: {_short(value)}"
                )
    return found


def _equal(value: Any, stored: Any, tolerance: dict[str, float]) -> bool:
    if isinstance(stored, list):
        if not isinstance(value, list) or len(value) != len(stored):
            return False
        return all(_equal(a, b, tolerance) for a, b in zip(value, stored, strict=True))
    if isinstance(value, float) and isinstance(stored, float):
        limits = {"rel_tol": tolerance["relative"], "abs_tol": tolerance["absolute"]}
        return math.isclose(value, stored, **limits) or (value != value and stored != stored)
    return bool(value == _value(stored))


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    importlib.import_module("tensorflow")
    if directory := os.fsdecode(sys.stdin.buffer.read().strip(b"\n")):
        print(json.dumps(replay(Path(directory))))
