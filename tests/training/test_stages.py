"""Weights that are trained later than others."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.running import fit, variables
from tests.training.tiny import Tiny
from toolkit.models.stages import LateStage


class Late(Tiny):
    """The embedding is held back for an epoch."""

    def late_stage(self, model: Any) -> LateStage:
        return LateStage(model.layers[1].trainable_variables, 1, 0.5)


def embedding(model: Any) -> Any:
    return model.layers[1].get_weights()[0]


@pytest.mark.parametrize("compile_by", ["none", pytest.param("xla", marks=pytest.mark.slow)])
def test_late_weights_stay_for_an_epoch_and_then_learn_slower(
    tmp_path: Path, compile_by: str
) -> None:
    options: dict[str, Any] = {"schedule": "constant", "compile": compile_by, "choose": "last"}
    first = embedding(Tiny().build_model())
    task = Late(dropout=0.3)
    one = fit(tmp_path / "one", task, epochs=1, **options)
    begun = embedding(one.model)
    assert np.abs(begun).max() <= np.abs(first).max() + 0.01  # as it was drawn
    fit(tmp_path / "step", task, steps=7, checkpoint_every="1 steps", **options)
    moved = [np.abs(a - begun).max() for a in variables(tmp_path / "step")[:1]]
    # the first update of Adam is the learning rate in every place that has a gradient
    assert moved[0] == pytest.approx(0.05 * 0.5, rel=1e-3)


def test_a_resumed_run_is_the_same_run(tmp_path: Path) -> None:
    options: dict[str, Any] = {"schedule": "constant", "optimizer": "adamw"}
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    fit(whole, Late(dropout=0.3), epochs=3, **options)
    for epochs in (1, 2, 3):
        fit(parts, Late(dropout=0.3), epochs=epochs, resume=epochs > 1, **options)
    for a, b in zip(variables(parts), variables(whole), strict=True):
        np.testing.assert_array_equal(a, b)


def test_replicas_hold_back_too(tmp_path: Path) -> None:
    options: dict[str, Any] = {"schedule": "constant"}
    one = fit(tmp_path / "one", Late(), epochs=2, **options)
    two = fit(tmp_path / "two", Late(), epochs=2, devices="cpu:2", **options)
    for a, b in zip(one.model.get_weights(), two.model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
