"""In what precision a training computes, and who is told."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import pytest

from tests.training.running import fit
from tests.training.tiny import Tiny, tiny_examples
from toolkit.errors import ArgumentError
from toolkit.recipe import TrainOptions
from toolkit.training import fit as training
from toolkit.training import precision
from toolkit.training.distribution import distribute
from toolkit.training.precision import emulated, settle_precision
from toolkit.training.run_directory import RunDirectory

INTEL = "processor\t: 0\nflags\t\t: fpu avx2 avx512_bf16 amx_bf16 amx_tile\n"
PLAIN = "processor\t: 0\nflags\t\t: fpu avx avx2\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd asimdhp bf16\n"


@pytest.fixture
def processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "cpuinfo"
    monkeypatch.setattr(precision, "CPU_INFO", file)
    return file


@pytest.mark.parametrize(
    ("text", "expected"), [(INTEL, "mixed_bfloat16"), (PLAIN, "float32"), (ARM, "float32")]
)
def test_auto_follows_the_processor(processor: Path, text: str, expected: str) -> None:
    processor.write_text(text)
    assert settle_precision("auto", None, distribute("cpu"), None).value == expected


def test_auto_is_float32_where_nothing_tells(processor: Path) -> None:
    assert settle_precision("auto", None, distribute("cpu"), None).value == "float32"
    assert emulated("mixed_bfloat16", distribute("cpu")) is None


@pytest.mark.parametrize(
    ("text", "asked", "warned"),
    [
        (PLAIN, "mixed_bfloat16", True),
        (PLAIN, "mixed_float16", True),
        (PLAIN, "float32", False),
        (INTEL, "mixed_bfloat16", False),
        (INTEL, "mixed_float16", True),
        (ARM, "mixed_bfloat16", False),
        (ARM, "mixed_float16", False),
    ],
)
def test_who_asks_for_what_must_be_imitated_is_told(
    processor: Path, text: str, asked: str, warned: bool
) -> None:
    processor.write_text(text)
    warning = emulated(asked, distribute("cpu"))
    assert (warning is not None) == warned
    if warning:
        assert warning.startswith("train.precision: this processor has no instructions for")


def test_a_run_that_goes_on_elsewhere_keeps_its_precision(tmp_path: Path, processor: Path) -> None:
    processor.write_text(INTEL)
    begun = fit(tmp_path / "run", precision="auto", epochs=1)
    assert begun.model.compute_dtype == "bfloat16"
    noted = RunDirectory(tmp_path / "run").manifest()["decisions"]["train.precision"]
    assert noted == {
        "value": "mixed_bfloat16",
        "reason": "the processor has bfloat16 products, by AMX",
    }
    processor.write_text(PLAIN)
    assert fit(tmp_path / "run", precision="auto", epochs=2, resume=True).model.compute_dtype == (
        "bfloat16"
    )
    assert fit(tmp_path / "other", precision="auto", epochs=1).model.compute_dtype == "float32"


@pytest.mark.parametrize("noted", [None, {"value": "float32", "reason": "of another machine"}])
def test_workers_take_the_chiefs_choice_whatever_they_see(
    processor: Path, noted: dict[str, str] | None
) -> None:
    processor.write_text(PLAIN)
    chief = {"value": "mixed_bfloat16", "reason": "the chief's"}
    worker: Any = SimpleNamespace(on_gpus=False, from_chief_text=lambda value: chief)
    assert settle_precision("auto", None, worker, noted).as_dict() == chief


def test_a_worker_that_does_not_see_the_chiefs_directory_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reached(*arguments: Any) -> Any:
        raise RuntimeError("reached")

    monkeypatch.setattr(training, "build", reached)
    run = RunDirectory(tmp_path / "elsewhere")
    run.resuming, run.writes = True, False
    task, options = Tiny(), TrainOptions.model_validate({"precision": "auto", "epochs": 1})
    with pytest.raises(RuntimeError, match="reached"):
        training.train(
            task, task.build_model, tiny_examples(), None, options, run, distribution=distribute()
        )


def test_a_warning_is_shown(
    tmp_path: Path, processor: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    processor.write_text(PLAIN)
    fit(tmp_path / "run", precision="mixed_bfloat16", epochs=1)
    assert "no instructions for bfloat16" in capsys.readouterr().err


def test_an_own_model_keeps_its_precision() -> None:
    one = distribute("cpu")
    assert settle_precision("float32", "mixed_bfloat16", one, None).value == "mixed_bfloat16"
    assert settle_precision("auto", "float32", one, None).value == "float32"
    with pytest.raises(ArgumentError, match=r"train\.precision: .* Received: one in float32\."):
        settle_precision("mixed_bfloat16", keras.layers.Dense(1).dtype_policy.name, one, None)
