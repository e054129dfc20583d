"""Translation from frames to an exported model."""

import json
import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import toolkit
from tests.training.running import cut_after
from toolkit.api.inputs import InputReader
from toolkit.data.demos import sentences
from toolkit.data.splits import load_splits
from toolkit.errors import ArgumentError, DataError, RecipeError, RunError, VerificationError
from toolkit.metrics.translation import BLEU
from toolkit.tasks.base import dense
from toolkit.tasks.translation.alignment import attention_of
from toolkit.tasks.translation.options import Options
from toolkit.tasks.translation.ranking import PENALTIES, best_penalty
from toolkit.tasks.translation.task import Translation

SMALL = {
    "type": "transformer",
    "num_layers": 1,
    "hidden_dim": 32,
    "intermediate_dim": 64,
    "num_heads": 2,
    "dropout": 0.0,
}
RNN = {"type": "rnn", "units": 32, "num_layers": 1, "dropout": 0.0}
HYBRID = {**SMALL, "type": "hybrid", "decoder_layers": 1}
ENSEMBLE = {"type": "ensemble", "members": [SMALL, RNN]}


def pairs(rows: int = 200) -> pd.DataFrame:
    return sentences.generate()["train"][:rows]


def task(frame: pd.DataFrame, model: Any = "auto", **sections: Any) -> tuple[Translation, Any]:
    data = {"train": frame, "vocabulary": {"size": 400}, **sections.pop("data", {})}
    options = Options.model_validate(
        {"task": "translation", "data": data, "model": model, **sections}
    )
    splits = load_splits(options.data, options.roles())
    prepared = Translation(options)
    prepared.prepare(splits)
    return prepared, splits


def batch(prepared: Translation, table: Any, rows: int = 16) -> Any:
    examples = prepared.examples(table)
    shape = tuple(int(n) for n in examples.lengths.max(0))
    return examples.batch(np.arange(rows), shape)


@pytest.mark.parametrize("extra", [{}, {"r_drop": 5.0}], ids=["plain", "r_drop"])
@pytest.mark.parametrize("model", [SMALL, RNN, HYBRID], ids=["transformer", "rnn", "hybrid"])
def test_loss_falls(model: Any, extra: Any) -> None:
    prepared, splits = task(pairs(), {**model, "dropout": 0.1}, train=extra)
    network = prepared.build_model()
    given = batch(prepared, splits.train)
    weights = given.weights / given.weights.sum()

    @tf.function
    def step() -> Any:
        with tf.GradientTape() as tape:
            loss = prepared.training_loss(network, given.inputs, given.targets, weights)
        gradients = tape.gradient(loss, [weight.value for weight in network.trainable_weights])
        for weight, gradient in zip(network.trainable_weights, gradients, strict=True):
            weight.assign_sub(0.1 * tf.convert_to_tensor(gradient))
        return loss

    course = [float(step()) for _ in range(8)]
    assert course[-1] < course[0]


def test_the_training_loss_is_the_smoothed_mean_over_pieces() -> None:
    prepared, splits = task(pairs(), SMALL, train={"label_smoothing": 0.1})
    network = prepared.build_model()
    given = batch(prepared, splits.train)
    weights = given.weights / given.weights.sum()
    logits = np.asarray(network(given.inputs), np.float64)
    p = np.exp(logits - logits.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    target = given.targets["target"]
    right = -np.log(np.take_along_axis(p, target[..., None].astype(int), -1)[..., 0])
    real = target != 0
    plain = right[real].mean()
    smoothed = (0.9 * right - 0.1 * np.log(p).mean(-1))[real].mean()
    got = prepared.training_loss(network, given.inputs, given.targets, weights)
    assert float(got) == pytest.approx(smoothed, rel=1e-4)
    unsmoothed = prepared.loss(logits.astype("float32"), given.targets, weights)
    assert float(unsmoothed) == pytest.approx(plain, rel=1e-4)


@pytest.mark.parametrize(
    "model",
    [pytest.param({**SMALL, "members": 2}, marks=pytest.mark.slow, id="twins"),
     pytest.param(ENSEMBLE, id="kinds")],
)  # fmt: skip
def test_each_member_learns_what_it_would_learn_alone(model: dict[str, Any]) -> None:
    prepared, splits = task(pairs(), model)
    network = prepared.build_model()
    given = batch(prepared, splits.train)
    weights = given.weights / given.weights.sum()

    def gradients(model: Any, member: Any) -> list[Any]:
        with tf.GradientTape() as tape:
            loss = prepared.training_loss(model, given.inputs, given.targets, weights)
        found = tape.gradient(loss, [weight.value for weight in member.trainable_weights])
        return [tf.convert_to_tensor(gradient) for gradient in found]

    for member in network.members:
        pairs_of = zip(gradients(network, member), gradients(member, member), strict=True)
        for together, alone in pairs_of:
            np.testing.assert_allclose(2 * together, alone, atol=1e-6)
    first, second = (member.get_weights() for member in network.members)
    both = zip(first, second, strict=False)  # of two kinds, one has more of them
    assert not any(np.array_equal(a, b) for a, b in both if a.ndim > 1)


def test_what_an_ensemble_of_kinds_recommends_and_refuses() -> None:
    prepared, _ = task(pairs(), ENSEMBLE)
    assert prepared.recommended()["learning_rate"].value == 2e-3  # the recurrent one's, the lower
    blind = {"type": "ensemble", "members": [SMALL, {**RNN, "attention": "none"}]}
    with pytest.raises(RecipeError, match="a model without attention covers nothing"):
        toolkit.prepare(
            task={"type": "translation", "coverage_penalty": 0.2},
            data={"train": pairs()},
            model=blind,
        )


def test_r_drop_against_the_formula() -> None:
    prepared, splits = task(pairs(), SMALL, train={"r_drop": 2.0, "label_smoothing": 0.0})
    given = batch(prepared, splits.train, 2)
    target, weights = given.targets["target"], np.array([0.5, 0.5], "float32")
    random = np.random.default_rng(0)
    logits = random.normal(size=(4, target.shape[1], 11)).astype("float32")
    target = target % 11

    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    real = target != 0
    right = -np.log(np.take_along_axis(p, np.concatenate([target, target])[..., None], -1))[..., 0]
    divergence = (p[:2] * np.log(p[:2] / p[2:]) + p[2:] * np.log(p[2:] / p[:2])).sum(-1) / 2
    want = 0.0
    for row in range(2):
        loss = (right[row][real[row]].mean() + right[row + 2][real[row]].mean()) / 2
        want += 0.5 * (loss + 2.0 / 2 * divergence[row][real[row]].mean())
    from toolkit.tasks.translation.losses import r_drop_loss

    got = r_drop_loss(logits, target, weights, 0.0, 2.0)
    assert float(got) == pytest.approx(want, rel=1e-4)


def test_decisions_are_noted() -> None:
    prepared, splits = task(pairs(), data={"vocabulary": "auto"})
    noted = prepared.decisions
    assert noted["model"].value["hidden_dim"] == 128
    assert noted["data.vocabulary.shared"].value is True
    assert noted["data.vocabulary.dropout"].value == 0.1
    assert noted["data.vocabulary.size"].value == 500
    assert len(prepared.learnable(splits.train)) == len(splits.train)
    assert noted["data.left_out"].value == 0


def test_every_letter_has_a_piece_whatever_the_script() -> None:
    frame = pairs()
    frame["source"] = [
        "".join(chr(0x4E00 + (7 * row + i) % 400) for i in range(12)) for row in range(len(frame))
    ]
    prepared, _ = task(frame, SMALL, data={"vocabulary": "auto"})
    assert prepared.decisions["data.vocabulary.size"].value >= 1000
    assert len(prepared.fitted.source) > 400 + 256


def test_other_letters_have_a_vocabulary_of_their_own(tmp_path: Path) -> None:
    frame = pairs()
    greek = str.maketrans("abdefgiklmnoprstuvz", "αβδεφγικλμνοπρστυωζ")
    frame = frame.assign(target=[text.translate(greek) for text in frame["target"]])
    prepared, splits = task(frame, SMALL)
    assert prepared.decisions["data.vocabulary.shared"].value is False
    assert prepared.fitted.source is not prepared.fitted.target
    prepared.save(tmp_path)
    again = Translation(prepared.options)
    again.load(tmp_path)
    assert again.fitted.source.model == prepared.fitted.source.model
    given = batch(prepared, splits.train, 4)
    np.testing.assert_array_equal(
        batch(again, splits.train, 4).targets["target"], given[1]["target"]
    )
    texts = prepared._texts(given.targets["target"])
    assert texts == splits.train.frame["target"][:4].tolist()


def test_dropout_cuts_both_sides_anew_each_epoch() -> None:
    prepared, splits = task(pairs(), SMALL, data={"vocabulary": {"size": 400, "dropout": 0.3}})
    given = batch(prepared, splits.train)
    seeds = np.stack([np.arange(16), np.zeros(16)], 1).astype(np.int32)
    inputs, targets = prepared.augment(given.inputs, given.targets, seeds)
    assert (np.asarray(inputs["source"]) != 0).sum() > (given.inputs["source"] != 0).sum()
    np.testing.assert_array_equal(inputs["target"], targets["target"])
    assert prepared._texts(targets["target"].numpy()) == prepared._texts(given.targets["target"])
    other = prepared.augment(given.inputs, given.targets, seeds + np.array([0, 1], np.int32))[0]
    assert not np.array_equal(other["source"], inputs["source"])


def test_long_and_uneven_pairs_are_left_out_and_counted() -> None:
    frame = pairs()
    frame.loc[3, "source"] = " ".join(["the old dog"] * 100)
    frame.loc[5, "target"] = " ".join(["rala tana"] * 40)
    prepared, splits = task(
        frame,
        SMALL,
        data={"sequence_length": 200, "max_ratio": 3.0, "validation": pairs(20), "test": pairs(20)},
    )
    kept = prepared.learnable(splits.train)
    assert len(kept) == len(frame) - 2
    noted = prepared.decisions["data.left_out"]
    assert noted.value == 2
    assert "1 have more than 200 pieces a side and 1 are more uneven" in noted.reason


# -- bad input --------------------------------------------------------------------------------


def test_files_of_different_line_counts(tmp_path: Path) -> None:
    (tmp_path / "a.en").write_text("one\ntwo\n")
    (tmp_path / "a.de").write_text("eins\n")
    recipe = {
        "task": "translation",
        "data": {"train": {"source": str(tmp_path / "a.en"), "target": str(tmp_path / "a.de")}},
    }
    errors = toolkit.check(recipe).errors
    assert "a.en 2 lines" in str(errors[0])
    assert "a.de 1 lines" in str(errors[0])


def test_an_empty_line_on_one_side_and_a_missing_column(tmp_path: Path) -> None:
    (tmp_path / "a.en").write_text("one\n\nthree\n")
    (tmp_path / "a.de").write_text("eins\nzwei\ndrei\n")
    files = {"source": str(tmp_path / "a.en"), "target": str(tmp_path / "a.de")}
    (error,) = toolkit.check({"task": "translation", "data": {"train": files}}).errors
    assert "a.en + a.de, line 2: column 'source' is empty" in str(error)
    (error,) = toolkit.check(
        {"task": "translation", "data": {"train": {"source": files["source"]}}}
    ).errors
    assert "no column 'target' for data.target" in str(error)


def test_a_vocabulary_that_is_too_large_or_too_small() -> None:
    with pytest.raises(DataError, match=r"larger than the training texts .* Expected at most"):
        task(pairs(50), SMALL, data={"vocabulary": {"size": 5000}})
    frame = pairs(50)
    frame["source"] = [chr(0x4E00 + i) * 3 + chr(0x5E00 + i) for i in range(50)]
    with pytest.raises(DataError, match=r"data.vocabulary.size"):
        task(frame, SMALL, data={"vocabulary": {"size": 300}})


def test_options_that_do_not_fit() -> None:
    with pytest.raises(RecipeError, match="more answers than the beam is wide"):
        toolkit.show(task={"type": "translation", "num_answers": 6}, data="demo:sentences")
    vocabulary = {"type": "unigram", "dropout": 0.1}
    with pytest.raises(RecipeError, match="BPE-dropout needs the type bpe"):
        toolkit.show(task="translation", data={"train": "demo:sentences", "vocabulary": vocabulary})
    with pytest.raises(RecipeError, match="a model without attention covers nothing"):
        toolkit.show(
            task={"type": "translation", "coverage_penalty": 0.2},
            data="demo:sentences",
            model={"type": "rnn", "attention": "none"},
        )


# -- a whole run ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A short training on files; do not write into it."""
    folder = tmp_path_factory.mktemp("translation")
    for name, frame in sentences.generate().items():
        for side in ("source", "target"):
            lines = frame[side][: 800 if name == "train" else 40]
            (folder / f"{name}.{side}").write_text("\n".join(lines) + "\n")
    files = {
        name: {side: str(folder / f"{name}.{side}") for side in ("source", "target")}
        for name in ("train", "validation", "test")
    }
    return toolkit.fit(
        task={"type": "translation", "beam_size": 3, "num_answers": 2},
        data={**files, "vocabulary": {"size": 500, "dropout": 0.0}},
        model={**SMALL, "hidden_dim": 64},
        train={"epochs": 5, "batch_tokens": 1024, "learning_rate": 5e-3, "compile": "none"},
        evaluate={"bootstrap": 20, "metrics": ["bleu", "chrf", "rouge"]},
        run=folder / "run",
    )


def test_the_report(run: Any) -> None:
    report = run.report
    assert set(report["scores"]) == {
        "bleu", "chrf", "rouge1", "rouge2", "rougeL", "perplexity"
    }  # fmt: skip
    assert 1 < report["scores"]["perplexity"] < 60
    low, high = report["intervals"]["bleu"]
    assert low <= report["scores"]["bleu"] <= high
    assert "tok:13a" in report["signatures"]["bleu"]
    assert len(report["worst_sentences"]) == 10
    assert report["worst_sentences"][0]["chrf"] <= report["best_sentences"][0]["chrf"]
    assert ", line " in report["worst_sentences"][0]["where"]
    assert run.history[-1]["validation_loss"] < run.history[0]["validation_loss"]


def test_the_length_penalty_is_judged_by_the_validation_part(run: Any) -> None:
    decision = run.directory.manifest()["decisions"]["task.length_penalty"]
    scores = {
        float(part.split(": ")[0]): float(part.split(": ")[1])
        for part in decision["reason"].split(";")[0].split(" with ")[1].split(", ")
    }
    assert list(scores) == list(PENALTIES)
    again = toolkit.load_run(run.path)
    assert again.task.length_penalty == run.task.length_penalty == decision["value"]
    validation = run.splits().validation
    found = again.evaluate_table(validation, "validation")
    assert found.scores["bleu"] == pytest.approx(scores[decision["value"]], abs=0.01)


def test_a_penalty_must_pay() -> None:
    right = [f"the {n} dogs see {n + 1} large red boats" for n in range(30)]
    wrong = ["the dogs see boats"] * 30

    def chosen(*good: float, nearly: float = 0) -> Any:
        half = right[:1] + wrong[1:]  # one sentence better may be luck
        parts = [right if p in good else half if -p in good else wrong for p in PENALTIES]
        parts = [
            right[:-1] + wrong[-1:] if penalty == nearly else part
            for penalty, part in zip(PENALTIES, parts, strict=True)
        ]
        texts = [text for part in parts for text in part]
        return best_penalty(texts, lambda part: BLEU(part, right, "13a", False))[0]

    assert chosen() == 1.0
    assert chosen(0.6, 2.0) == 0.6
    assert chosen(-2.0) == 1.0
    assert chosen(2.0) == 2.0
    assert chosen(2.0, nearly=1.5) == 1.5  # no further than pays


def test_answers(run: Any) -> None:
    asked = ["the old dog sees two red boats .", "", "\u4f60\u597d \U0001f600 zzz"]
    answers = run.predict(asked)
    assert list(answers) == ["source", "prediction", "score", "prediction_2", "score_2"]
    assert answers["prediction"][0]
    assert answers["prediction"][1] == ""
    assert (answers["score"] >= answers["score_2"]).all()
    assert run.predict(["word " * 3000])["prediction"][0]
    alone = pd.concat([run.predict([text]) for text in asked], ignore_index=True)
    assert alone["prediction"].tolist() == answers["prediction"].tolist()
    np.testing.assert_allclose(alone["score"], answers["score"], atol=1e-4)


def test_the_export_answers_like_the_run(run: Any) -> None:
    served = tf.saved_model.load(str(run.path / "export"))
    asked = ["the old dog sees two red boats .", ""]
    given = served.signatures["serve"](source=tf.constant(asked))
    answers = run.predict(asked)
    assert [text.decode() for text in given["target"].numpy()] == answers["prediction"].tolist()
    assert given["targets"].shape == (2, 2)
    assert [t.decode() for t in given["targets"].numpy()[:, 1]] == answers["prediction_2"].tolist()
    np.testing.assert_allclose(given["score"], answers["score"], atol=1e-4)


def test_other_pieces_are_noticed(run: Any, tmp_path: Path) -> None:
    other, _ = task(pairs(), SMALL)
    other.save(tmp_path)
    run.task.save(tmp_path)
    other.fitted.source.save(tmp_path / "source.model")
    with pytest.raises(RunError, match="other pieces than the model was trained with"):
        Translation(run.options).load(tmp_path)
    export = shutil.copytree(run.path / "export", tmp_path / "export")
    content = json.loads((export / "signature.json").read_text())
    assets = [name for name in content["files"] if name.endswith("saved_model.pb")]
    (export / assets[0]).write_bytes((export / assets[0]).read_bytes() + b" ")
    with pytest.raises(VerificationError, match="changed since the export"):
        toolkit.verify(export)


def test_a_run_against_another(run: Any) -> None:
    found = toolkit.evaluate(run, against=run.path).scores
    assert found["bleu"] == found["other_bleu"] == pytest.approx(run.report["scores"]["bleu"])
    assert found["difference"] == 0
    assert found["p"] == 1


def test_pictures_of_the_attention(run: Any, tmp_path: Path) -> None:
    drawn = run.draw_attention(["the old dog sees the boat .", "a $ sign"], tmp_path / "maps")
    assert [path.name for path in drawn] == ["1.png", "2.png"]
    assert all(path.stat().st_size > 1000 for path in drawn)
    source = run.task.fitted(tf.constant(["the old dog"])).to_tensor()
    attention = attention_of(run.model, source, np.array([5, 6, 7], np.int32))
    assert attention.shape == (4, source.shape[1])
    np.testing.assert_allclose(attention.sum(1), 1, atol=1e-5)


def test_plain_text_files_are_read_line_by_line(run: Any, tmp_path: Path) -> None:
    lines = ["the old dog sees the boat .", "two cats hear a bird ."]
    (tmp_path / "new.en").write_text("\n".join(lines) + "\n")
    (tmp_path / "new.txt").write_text("\n".join(lines) + "\n")
    expected = run.predict(lines)["prediction"].tolist()
    for name in ("new.en", "new.txt"):
        assert run.predict(tmp_path / name)["prediction"].tolist() == expected


def test_coverage_of_a_model_of_ones_own_is_refused(run: Any) -> None:
    own = keras.Sequential([keras.layers.Dense(3)])
    task = Translation(
        run.options.model_copy(
            update={"task": run.options.task.model_copy(update={"coverage_penalty": 0.2})}
        )
    )
    with pytest.raises(ArgumentError, match=r"task.coverage_penalty: expected 0.* 'Sequential'"):
        task.check_own_model(own)


def test_a_model_of_ones_own_is_searched_uncached(run: Any) -> None:
    source = run.task.fitted(tf.constant(["the old dog sees the boat ."])).to_tensor()
    cached = run.task.search(run.model, source)

    class Own:
        def __call__(self, inputs: Any, training: bool = False) -> Any:
            return run.model(inputs, training=training)

    np.testing.assert_array_equal(run.task.search(Own(), source).tokens, cached.tokens)


def test_sampling_is_the_same_for_the_same_source(run: Any) -> None:
    options = run.options.model_copy(
        update={
            "task": type(run.options.task).model_validate(
                {"type": "translation", "num_answers": 4, "sampling": {"temperature": 1.5}}
            )
        }
    )
    sampling = Translation(options)
    sampling.load(run.path / "task")
    ask = ["the old dog sees the boat .", "two cats hear a bird ."]
    source = run.task.fitted(tf.constant(ask)).to_tensor()
    together = sampling.search(run.model, source)
    alone = sampling.search(run.model, source[:1])
    length = alone.tokens.shape[-1]
    np.testing.assert_array_equal(together.tokens[0][:, :length], alone.tokens[0])
    assert len({tuple(row) for row in alone.tokens[0].numpy()}) > 1


@pytest.mark.parametrize("how", [{"beam_size": 1}, {"beam_size": 3}, {"sampling": {}}])
def test_answers_begin_as_they_must(run: Any, how: dict[str, Any]) -> None:
    section = type(run.options.task).model_validate({"type": "translation", **how})
    data = run.options.data.model_copy(update={"prefix": "begins"})
    asking = Translation(run.options.model_copy(update={"task": section, "data": data}))
    asking.load(run.path / "task")
    frame = pd.DataFrame({"source": ["the old dog .", "two cats ."], "begins": ["rala ta", ""]})
    table = next(InputReader(data, asking.options.roles()[:1]).tables(frame))
    ids = asking.preprocess({name: tf.constant(raw) for name, raw in asking.raw(table).items()})
    found = asking.search(run.model, *(dense(ids[name]) for name in ("source", "prefix")))
    begun, free = asking._texts(found.tokens[:, 0])
    assert begun.startswith("rala ta")
    assert not free.startswith("rala ta")


def short(folder: Path, steps: int, **options: Any) -> Any:
    train = {
        "steps": steps,
        "batch_tokens": 512,
        "learning_rate": 1e-2,
        "compile": "none",
        "schedule": "constant",
        "average_checkpoints": 1,
        **options.pop("train", {}),
    }
    dropout = options.pop("dropout", 0.1)
    return toolkit.fit(
        task={"type": "translation", "beam_size": 1},
        data={"train": pairs(300), "vocabulary": {"size": 400, "dropout": 0.1}},
        model=options.pop("model", {**SMALL, "dropout": dropout}),
        train=train,
        evaluate={"bootstrap": 0},
        **{"export": "none", "run": folder, **options},
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [{}, {"model": {**SMALL, "members": 2, "dropout": 0.1}}, {"model": ENSEMBLE}],
    ids=["one", "twins", "kinds"],
)
def test_a_resumed_run_is_the_same_run(tmp_path: Path, settings: Any) -> None:
    settings = {**settings, "train": {"checkpoint_every": 4, "keep": {"last": 8}, "ema": 0.9}}
    whole = short(tmp_path / "whole", 8, **settings)
    cut_after(4, whole.path, tmp_path / "parts")
    parts = short(tmp_path / "parts", 8, resume=True, **settings)
    for a, b in zip(whole.model.get_weights(), parts.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_networks_side_by_side_are_one_run(tmp_path: Path) -> None:
    whole = short(tmp_path / "whole", 4, export="saved_model", model=ENSEMBLE)
    asked = ["the old dog sees two red boats .", ""]
    served = tf.saved_model.load(str(whole.path / "export")).signatures["serve"]
    texts = [text.decode() for text in served(source=tf.constant(asked))["target"].numpy()]
    assert texts == whole.predict(asked)["prediction"].tolist()
    maps = whole.draw_attention(asked[:1], tmp_path / "maps")
    assert maps[0].stat().st_size > 1000


@pytest.mark.slow
def test_two_replicas_learn_as_one_device(tmp_path: Path) -> None:
    plain = {"optimizer": "sgd", "learning_rate": 0.1}
    one = short(tmp_path / "one", 5, dropout=0.0, train=plain)
    two = short(tmp_path / "two", 5, dropout=0.0, train={**plain, "devices": "cpu:2"})
    for a, b in zip(one.model.get_weights(), two.model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5)
