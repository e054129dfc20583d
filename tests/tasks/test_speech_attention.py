"""Recognition by an attention decoder, alone and beside CTC."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import toolkit
from tests.tasks.test_speech import SMALL, prepared, some
from toolkit.data.demos import utterances
from toolkit.errors import RecipeError
from toolkit.tasks.speech.attending import attention_loss
from toolkit.tasks.speech.ctc_loss import ctc_losses


def task_of(decoder: str, **section: Any) -> tuple[Any, Any]:
    section = {"type": "speech", "decoder": decoder, "decoder_layers": 1, **section}
    return prepared(some(utterances, 24), SMALL, task=section, data={"augment": None})


def batch_of(task: Any, table: Any, rows: int = 8) -> Any:
    examples = task.fitting_examples(table)
    return examples.batch(np.arange(rows), tuple(int(n) for n in examples.lengths[:rows].max(0)))


@pytest.mark.slow
def test_the_cached_steps_are_the_whole() -> None:
    task, splits = task_of("joint")
    model = task.build_model()
    batch = batch_of(task, splits.train, 4)
    tokens = tf.constant(batch.targets["tokens"])
    whole = model({**batch.inputs, "tokens": tokens})["decoded"]
    encoded = model.encode(batch.inputs)
    state = model.initial_state(encoded, 4, tokens.shape[1] + 1)
    before = tf.fill([4], model.start_id)
    for index in range(6):
        logits, state = model.step(before, state, index)
        np.testing.assert_allclose(logits, whole[:, index], atol=1e-4)
        before = tokens[:, index]


def test_the_loss_is_that_of_each_token_and_the_end() -> None:
    tokens = tf.constant([[2, 1, 0], [1, 0, 0]])
    logits = np.random.default_rng(0).normal(size=(2, 4, 5)).astype("float32")
    log = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    want = [-(log[0, 0, 2] + log[0, 1, 1] + log[0, 2, 3]) / 3, -(log[1, 0, 1] + log[1, 1, 3]) / 2]
    np.testing.assert_allclose(attention_loss(tf.constant(logits), tokens), want, rtol=1e-5)


def test_ctc_of_empty_and_of_too_long_texts() -> None:
    logits = np.random.default_rng(0).normal(size=(3, 4, 3)).astype("float32")
    steps = tf.constant([4, 3, 4])
    losses, fits = ctc_losses(logits, steps, tf.constant([[1, 2, 0], [0, 0, 0], [1, 1, 1]]))
    assert fits.numpy().tolist() == [True, True, False]
    log = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    assert float(losses[1]) == pytest.approx(-log[1, :3, 0].sum(), rel=1e-5)
    alone, _ = ctc_losses(logits[:1], steps[:1], tf.constant([[1, 2]]))
    assert float(losses[0]) == pytest.approx(float(alone[0]), rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("decoder", ["attention", "joint"])
def test_loss_falls_and_answers_are_texts(decoder: str) -> None:
    task, splits = task_of(decoder, beam_width=3)
    model = task.build_model()
    batch = batch_of(task, splits.train)
    weights = batch.weights / batch.weights.sum()
    optimizer = tf.keras.optimizers.Adam(5e-3)

    @tf.function
    def step() -> Any:
        with tf.GradientTape() as tape:
            loss = task.training_loss(model, batch.inputs, batch.targets, weights)
        variables = [each.value for each in model.trainable_variables]
        gradients = tape.gradient(
            loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    course = [float(step()) for _ in range(8)]
    assert course[-1] < course[0]
    answers = task.answer(model, batch.inputs)
    tokens = answers["tokens"].numpy()
    assert tokens.max() < task.head.size
    assert (answers["score"].numpy() <= 1).all()
    alone = {name: value[2:3] for name, value in batch.inputs.items()}
    first = task.head.recognised({"tokens": task.answer(model, alone)["tokens"]})
    assert first == task.head.recognised({"tokens": tokens})[2:3]


@pytest.mark.slow
def test_from_files_to_the_export(tmp_path: Path) -> None:
    run = toolkit.fit(
        task={"type": "speech", "decoder": "joint", "decoder_layers": 1, "beam_width": 2},
        data={
            "train": some(utterances, 48),
            "audio": "audio",
            "text": "text",
            "sampling_rate": 8000,
            "augment": None,
        },
        model=SMALL,
        train={"epochs": 2, "batch_size": 8, "compile": "none"},
        evaluate={"bootstrap": 10},
        run=tmp_path / "run",
    )
    toolkit.verify(run.path / "export")
    names = {path.name for path in (run.path / "pictures").iterdir()}
    assert names == {"best.png", "worst.png"}
    again = toolkit.load_run(run.path)
    frame = some(utterances, 3)
    assert again.predict(frame)["prediction"].tolist() == run.predict(frame)["prediction"].tolist()


@pytest.mark.parametrize(
    ("task", "columns", "message"),
    [
        ({"decoder": "joint"}, {"label": "l"}, "a label is not written"),
        ({"decoder": "joint", "beam_width": 2, "language_model": 0.2}, {"text": "t"},
         "it ranks what CTC writes"),
        ({"decoder": "attention", "streaming": True}, {"text": "t"}, "needs the whole clip"),
    ],
)  # fmt: skip
def test_what_does_not_go_together(task: Any, columns: Any, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        toolkit.check(task={"type": "speech", **task}, data={"train": "a.csv", **columns})
