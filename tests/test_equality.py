"""One device, two replicas and two workers train a recipe alike, in real processes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

# No randomness but the data's order; the last batch of an epoch is uneven, the loss of the
# translation counts pieces, and plain SGD has no division that would enlarge rounding.
TRAIN = """train: {steps: 50, batch_size: 33, optimizer: sgd, learning_rate: 0.5,
  schedule: constant, compile: none, early_stopping: none, label_smoothing: 0.1}
evaluate: {bootstrap: 0}
export: none
"""
RECIPES = {
    "lstm": """task: sentiment
data: {train: train.csv, validation: validation.csv, test: validation.csv}
model: {type: lstm, embedding_dim: 16, units: 16, dropout: DROPOUT, token_dropout: 0, bag: false}
""",
    "transformer": """task: {type: translation, beam_size: 1}
data: {train: train.csv, validation: validation.csv, test: validation.csv,
  vocabulary: {size: 400, dropout: 0}}
model: {type: transformer, num_layers: 1, hidden_dim: 16, intermediate_dim: 32, num_heads: 2,
  dropout: DROPOUT}
""",
}
WAYS = {
    "one": ["fit", "--set", "train.devices=cpu"],
    "replicas": ["fit", "--set", "train.devices=cpu:2"],
    "workers": ["launch", "--workers", "2"],
}


@pytest.fixture(scope="module", params=list(RECIPES))
def recipe(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe beside its data, 200 rows of different lengths."""
    from toolkit.data.demos import reviews, sentences

    folder = tmp_path_factory.mktemp(request.param)
    demo = reviews if request.param == "lstm" else sentences
    for name, count in (("train", 200), ("validation", 60)):
        demo.generate()["train" if name == "train" else "test"][:count].to_csv(
            folder / f"{name}.csv", index=False
        )
    (folder / "recipe.yaml").write_text(RECIPES[request.param] + TRAIN)
    return folder / "recipe.yaml"


def history(recipe: Path, way: str, dropout: float = 0.0) -> list[dict[str, Any]]:
    """Train, and return the rounds' losses and scores."""
    verb, *options = WAYS[way]
    chosen = recipe.with_name(f"{recipe.parent.name}-{dropout}.yaml")
    chosen.write_text(recipe.read_text().replace("DROPOUT", str(dropout)))
    run = recipe.with_name(f"{way}-{dropout}")
    words = [sys.executable, "-m", "toolkit", verb, str(chosen), *options, "--run", str(run)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_the_losses_are_the_same(recipe: Path) -> None:
    alone = history(recipe, "one")
    assert len({row["loss"] for row in alone}) == len(alone)
    for way in ("replicas", "workers"):
        together = history(recipe, way)
        assert len(together) == len(alone) > 10
        for a, b in zip(alone, together, strict=True):
            for name in ("loss", "validation_loss"):
                assert a[name] == pytest.approx(b[name], abs=1e-5), (way, a["step"], name)


def test_with_dropout_the_score_is_the_same_within_noise(recipe: Path) -> None:
    """Replicas draw other dropout than one device does, as another seed would."""
    alone, together = (history(recipe, way, dropout=0.2)[-1] for way in ("one", "replicas"))
    assert alone["loss"] != together["loss"]
    assert together["validation_loss"] == pytest.approx(alone["validation_loss"], rel=0.05)
