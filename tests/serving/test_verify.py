import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from toolkit.errors import ExportError, VerificationError
from toolkit.serving import signature
from toolkit.serving.verify import verify


@pytest.fixture
def export(tiny_run: Any, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_run.directory.export, tmp_path / "export"))


def change_answer(export: Path) -> None:
    path = export / "examples.json"
    examples = json.loads(path.read_text())
    examples["predictions"][0]["probabilities"][0] += 0.01
    path.write_text(json.dumps(examples))


def change_stored_label(export: Path) -> None:
    path = export / "examples.json"
    examples = json.loads(path.read_text())
    examples["predictions"][0]["label"] = "maybe"
    path.write_text(json.dumps(examples))


def change_label(export: Path) -> None:
    path = export / "signature.json"
    path.write_text(path.read_text().replace('"yes"', '"yep"'))


def change_weight(export: Path) -> None:
    path = export / "variables" / "variables.data-00000-of-00001"
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)


def remove_graph(export: Path) -> None:
    (export / "saved_model.pb").unlink()


def damage_signature(export: Path) -> None:
    (export / "signature.json").write_text("{")


def sign_again(export: Path) -> None:
    content = json.loads((export / "signature.json").read_text())
    del content["sha256"], content["files"]
    signature.write(export, content)


def test_an_untouched_export_verifies(export: Path) -> None:
    (export / "README.md").write_text("notes of one's own")
    result = verify(export)
    assert result.examples == 10
    assert result.as_dict()["verified"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (change_answer, "examples.json: changed"),
        (change_stored_label, "examples.json: changed"),
        (change_label, "signature.json: changed since the export"),
        (change_weight, "variables.data-00000-of-00001: changed"),
        (remove_graph, "saved_model.pb: missing"),
        (damage_signature, "signature.json: damaged"),
    ],
)
def test_any_change_is_detected(export: Path, change: Callable[[Path], None], message: str) -> None:
    change(export)
    with pytest.raises(VerificationError, match=message) as caught:
        verify(export)
    assert caught.value.exit_code == 4


def test_a_changed_answer_is_detected_by_replaying_too(export: Path) -> None:
    change_stored_label(export)
    sign_again(export)
    with pytest.raises(VerificationError) as caught:
        verify(export)
    assert "does not answer like the trained model" in str(caught.value)
    assert "example 0 (alone), output 'label': expected maybe" in str(caught.value)
    assert "example 0 (in a batch of 10)" in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("change", [change_answer, change_weight, remove_graph])
def test_other_changes_are_detected_by_replaying_too(
    export: Path, change: Callable[[Path], None]
) -> None:
    if change is change_weight:  # in the exponent of a float, so that the answer moves
        path = export / "variables" / "variables.data-00000-of-00001"
        content = bytearray(path.read_bytes())
        content[3::4] = b"\x42" * len(content[3::4])
        path.write_bytes(content)
    else:
        change(export)
    sign_again(export)
    with pytest.raises(VerificationError):
        verify(export)


def test_what_is_no_export_is_said(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="not an exported model"):
        verify(tmp_path)


def test_the_replaying_process_does_not_import_the_toolkit() -> None:
    from toolkit.serving import replay

    source = Path(replay.__file__).read_text()
    assert "import toolkit" not in source
    assert "from toolkit" not in source
