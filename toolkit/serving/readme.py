"""The README that lies beside an exported model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_TEMPLATE = """# {name}

A TensorFlow SavedModel that takes raw inputs and gives named answers; preprocessing and labels are
inside. It was exported by toolkit {version} (task `{task}`).

## Inputs

{inputs}

The first dimension is the batch; any size will do.

## Outputs

{outputs}
{labels}
## Rules

{rules}

## In Python

Only {packages} needed.

```python
{imports}

model = tf.saved_model.load(".")  # keep it in a variable
answers = model.signatures["serve"]({arguments})
{prints}
```

## With TensorFlow Serving

```bash
docker run --rm -p 8501:8501 -v "$PWD:/models/{served}/1" -e MODEL_NAME={served} tensorflow/serving
```

```bash
curl -X POST http://localhost:8501/v1/models/{served}:predict -d '{request}'
```

## Files

`signature.json` says the same to a program and holds the sha256 of every file of the model;
`examples.json` holds requests and what the trained model answered. `toolkit verify .` checks both.
"""


def readme(name: str, signature: Mapping[str, Any], example: Mapping[str, Any]) -> str:
    """Write the README of an export.

    Args:
        name: what the model is called.
        signature: the content of ``signature.json``.
        example: raw inputs of one request, a list of values each.
    """
    modules = signature["requires"]
    rows = zip(*example.values(), strict=True)
    instances = [dict(zip(example, row, strict=True)) for row in rows]
    request = {"signature_name": "serve", "instances": instances}
    return _TEMPLATE.format(
        name=name,
        version=signature["versions"].get("toolkit", ""),
        task=signature["task"],
        inputs=_lines(signature["inputs"]),
        outputs=_lines(signature["outputs"]),
        labels=_labels(signature["labels"]),
        rules="\n".join(f"- {rule}" for rule in signature["rules"]) or "- None.",
        packages=_packages(modules),
        imports="\n".join(_import(module) for module in modules),
        arguments=_arguments(signature["inputs"], example),
        prints="\n".join(f'print(answers["{output}"])' for output in signature["outputs"]),
        served=_served(name),
        request=json.dumps(request, ensure_ascii=False).replace("'", "'\\''"),
    )


def _lines(entries: Mapping[str, Mapping[str, Any]]) -> str:
    return "\n".join(f"- `{name}`: {_entry(entry)}" for name, entry in entries.items())


def _entry(entry: Mapping[str, Any]) -> str:
    shape = ", ".join("any" if size is None else str(size) for size in entry["shape"])
    kind = f"{entry['dtype']}, shape ({shape})"
    return f"{kind}; {entry['meaning']}" if entry.get("meaning") else kind


def _labels(labels: list[str] | None) -> str:
    if not labels:
        return ""
    listed = "\n".join(f"{number}. `{label}`" for number, label in enumerate(labels, start=1))
    return f"\n## Labels, in this order\n\n{listed}\n"


def _packages(modules: list[str]) -> str:
    names = [f"`{module.replace('_', '-')}`" for module in modules]
    return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'}"


def _import(module: str) -> str:
    if module == "tensorflow":
        return "import tensorflow as tf"
    return f"import {module}  # brings operations that the model uses"


def _arguments(inputs: Mapping[str, Mapping[str, Any]], example: Mapping[str, Any]) -> str:
    return ", ".join(
        f'{name}=tf.constant({example[name]!r}, "{entry["dtype"]}")'
        for name, entry in inputs.items()
    )


def _served(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name) or "model"
