"""Text classification from frames to an exported model."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import toolkit
from toolkit.data.labels import class_weights, example_weights
from toolkit.data.splits import load_splits
from toolkit.errors import DataError, RecipeError
from toolkit.tasks.sentiment.options import Options
from toolkit.tasks.sentiment.pooling import PRIOR, even_powers, fit_powers, pooled
from toolkit.tasks.sentiment.task import Sentiment

WORDS = {"good": ["good", "fine", "lovely"], "bad": ["bad", "poor", "awful"]}
NETWORK = {"embedding_dim": 8, "token_dropout": 0.0}
MODELS: dict[str, Any] = {
    "cnn": {"type": "cnn", "filters": 4, **NETWORK},
    "gru": {"type": "gru", "units": 4, "bag": False, **NETWORK},
    "transformer": {"type": "transformer", "num_heads": 2, "num_layers": 1, **NETWORK},
    "auto": "auto",
}


def reviews(rows: int = 80, labels: tuple[str, ...] = ("good", "bad")) -> pd.DataFrame:
    random = np.random.default_rng(0)
    chosen = [labels[i % len(labels)] for i in range(rows)]
    texts = [
        f"the {random.choice(['film', 'book', 'song'])} number {i} was "
        f"{random.choice(WORDS.get(label, [label]))}"
        for i, label in enumerate(chosen)
    ]
    return pd.DataFrame({"review": texts, "stars": chosen})


def task(frame: pd.DataFrame, model: Any = "bag", **sections: Any) -> tuple[Sentiment, Any]:
    data = {"train": frame, "text": "review", "label": "stars", **sections.pop("data", {})}
    options = Options.model_validate(
        {"task": "sentiment", "data": data, "model": model, **sections}
    )
    splits = load_splits(options.data, options.roles())
    prepared = Sentiment(options)
    prepared.prepare(splits)
    return prepared, splits


def losses(prepared: Sentiment, splits: Any, steps: int = 12) -> list[float]:
    """Train on the same batch with plain gradient steps."""
    examples = prepared.examples(splits.train)
    model = prepared.build_model()
    prepared.initialise(model, examples)
    shape = tuple(int(n) for n in examples.lengths.max(0))
    batch = examples.batch(np.arange(16), shape)
    weights = batch.weights / batch.weights.sum()

    @tf.function
    def step() -> Any:
        with tf.GradientTape() as tape:
            loss = prepared.loss(model(batch.inputs), batch.targets, weights)
        gradients = tape.gradient(loss, model.trainable_variables)
        for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
            variable.assign_sub(0.05 * tf.convert_to_tensor(gradient))
        return loss

    return [float(step()) for _ in range(steps)]


@pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
def test_loss_falls(model: Any) -> None:
    course = losses(*task(reviews(), model))
    assert course[-1] < course[0]


def test_the_bag_is_solved_before_the_first_step() -> None:
    prepared, splits = task(reviews())
    examples = prepared.examples(splits.test)
    model = prepared.build_model()
    prepared.initialise(model, prepared.examples(splits.train))
    shape = tuple(int(n) for n in examples.lengths.max(0))
    batch = examples.batch(np.arange(len(examples)), shape)
    answers = {"probabilities": np.asarray(prepared.answer(model, batch.inputs)["probabilities"])}
    assert prepared.score(answers, examples)["accuracy"] == 1
    assert set(prepared.decisions["model.word_ngrams"].value) == {"strength", "repeats", "factor"}


def test_several_labels_at_once() -> None:
    frame = reviews()
    frame["stars"] = ["good|loud" if i % 3 == 0 else s for i, s in enumerate(frame["stars"])]
    prepared, splits = task(frame, {"type": "cnn", "filters": 4}, data={"separator": "|"})
    assert prepared.labels == ["bad", "good", "loud"]
    course = losses(prepared, splits)
    assert course[-1] < course[0]
    answers = {"probabilities": np.array([[0.2, 0.9, 0.8]])}
    assert prepared.predictions(answers)["prediction"].tolist() == ["good|loud"]
    assert prepared.named({"probabilities": tf.constant([[0.2, 0.9, 0.8]])})[
        "labels"
    ].numpy().tolist() == [[0, 1, 1]]


@pytest.mark.parametrize("several", [False, True])
def test_models_that_know_more_count_more(several: bool) -> None:
    random = np.random.default_rng(0)
    given = np.eye(3)[random.integers(3, size=600)]
    # one knows something and is too timid, one knows nothing, one is wrong more often than right
    logits = np.stack([2 * given - 1, 0 * given, 1 - 2 * given], axis=1)
    logits += random.normal(size=logits.shape)
    labels = given if several else given.argmax(1)
    powers = fit_powers(logits, labels, np.ones(600), several)
    assert powers[0] > 1 > 0.2 > powers[1] >= powers[2] == 0
    probabilities = np.asarray(pooled(logits, powers, several))
    if not several:
        np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-6)

    def loss(powers: Any) -> float:
        found = np.asarray(pooled(logits, powers, several), np.float64)
        each = given * np.log(found) + several * (1 - given) * np.log1p(-found)
        return PRIOR * float(((powers - even_powers(3)) ** 2).sum()) - float(each.sum())

    assert loss(powers) < min(loss(even_powers(3)), loss(0.9 * powers), loss(1.1 * powers))
    np.testing.assert_array_equal(fit_powers(logits[:0], labels[:0], np.ones(0), several), 1 / 3)


@pytest.mark.slow
def test_the_test_split_is_answered_with_the_powers_of_validation(tmp_path: Path) -> None:
    reviews(120).to_csv(tmp_path / "reviews.csv", index=False)
    run = toolkit.fit(
        task="sentiment",
        data={"train": str(tmp_path / "reviews.csv"), "text": "review", "label": "stars"},
        model={"type": "cnn", "filters": 4, **NETWORK},
        train={"epochs": 1},
        run=tmp_path / "run",
    )
    counts = {name: member["power"] for name, member in run.report["members"].items()}
    assert list(counts) == ["word_ngrams", "character_ngrams", "cnn"]
    loaded = toolkit.load_run(tmp_path / "run")
    np.testing.assert_allclose(loaded.task.powers, list(counts.values()))
    assert loaded.evaluate().scores == pytest.approx(run.report["scores"], abs=1e-5)


def test_the_smoothed_loss_against_the_formula() -> None:
    prepared, _ = task(reviews(), train={"label_smoothing": 0.2})
    logits = np.array([[[2.0, -1.0]], [[0.5, 0.5]]], "float32")
    p = np.exp(logits[:, 0]) / np.exp(logits[:, 0]).sum(1, keepdims=True)
    target = np.array([[0.9, 0.1], [0.1, 0.9]])
    want = -(target * np.log(p)).sum(1) @ [0.25, 0.75]
    got = prepared.loss(logits, {"label": np.array([0, 1])}, np.array([0.25, 0.75], "float32"))
    assert float(got) == pytest.approx(want, rel=1e-5)


def test_class_weights() -> None:
    encoded = np.array([0, 0, 0, 1])
    names = ["a", "b"]
    assert class_weights("balanced", encoded, names).tolist() == pytest.approx([2 / 3, 2])
    assert class_weights({"b": 5.0}, encoded, names).tolist() == [1, 5]
    weights = example_weights(encoded, np.array([1.0, 3.0]))
    assert weights.tolist() == [1, 1, 1, 3]
    with pytest.raises(RecipeError, match=r"label 'c' does not occur. Expected one of a, b"):
        class_weights({"c": 1.0}, encoded, names)


def test_numbers_are_ordered_as_numbers() -> None:
    prepared, _ = task(reviews(90, ("10", "9", "2")))
    assert prepared.labels == ["2", "9", "10"]


def test_one_label_is_refused() -> None:
    with pytest.raises(DataError, match="one label"):
        task(reviews(labels=("good",)))


def test_saved_state_answers_alike(tmp_path: Path) -> None:
    prepared, _ = task(reviews(), "auto")
    prepared.save(tmp_path)
    again = Sentiment(prepared.options)
    again.load(tmp_path)
    assert again.labels == prepared.labels
    assert again.model_options == prepared.model_options
    raw = {"text": tf.constant(["the film was good", ""])}
    for name, value in prepared.preprocess(raw).items():
        assert value.to_list() == again.preprocess(raw)[name].to_list()


def fit(directory: Path, model: Any, export: str = "saved_model", **train: Any) -> Any:
    return toolkit.fit(
        task="sentiment",
        data={"train": reviews(), "text": "review", "label": "stars"},
        model=model,
        train={"epochs": 2, "batch_size": 16, "compile": "none", **train},
        evaluate={"bootstrap": 20},
        export=export,
        run=directory,
    )


@pytest.mark.slow
def test_from_frame_to_verified_export(tmp_path: Path) -> None:
    run = fit(tmp_path / "run", MODELS["cnn"])
    report = run.report
    assert report["scores"]["accuracy"] >= 0.9
    assert set(report["per_class"]) == {"bad", "good"}
    predicted = run.predict(["the film was lovely", "the song was awful", ""])
    assert predicted["prediction"].tolist()[:2] == ["good", "bad"]
    served = tf.saved_model.load(str(tmp_path / "run" / "export"))
    answer = served.signatures["serve"](text=tf.constant(["the film was lovely"]))
    assert answer["label"].numpy().tolist() == [b"good"]
    np.testing.assert_allclose(answer["score"], predicted["score"][:1], atol=1e-5)
    again = toolkit.load_run(tmp_path / "run").predict(["the film was lovely"])
    np.testing.assert_allclose(again["score"], predicted["score"][:1], atol=1e-6)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    first = fit(tmp_path / "a", MODELS["auto"], "none", steps=6, epochs="auto")
    second = fit(tmp_path / "b", MODELS["auto"], "none", steps=6, epochs="auto")
    for a, b in zip(first.model.get_weights(), second.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
