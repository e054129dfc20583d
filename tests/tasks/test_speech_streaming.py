"""Recognition while sound comes in equals that of the whole, whatever the pieces."""

import hashlib
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import toolkit
from toolkit.data.audio import pcm_chunks
from toolkit.data.demos import utterances
from toolkit.errors import ArgumentError, DataError, RecipeError
from toolkit.models.ctc import IMPOSSIBLE
from toolkit.tasks.speech.ctc_loss import silenced

MODEL = {"type": "crnn", "units": 24, "filters": 4, "num_layers": 2}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run whose model says much, if not the right thing; do not write into it."""
    frames = {name: frame.head(24) for name, frame in utterances.generate().items()}
    made = toolkit.fit(
        task={"type": "speech", "streaming": True},
        data={**frames, "audio": "audio", "text": "text", "sampling_rate": 8000, "augment": None},
        model=MODEL,
        train={"epochs": 1, "compile": "none"},
        evaluate={"bootstrap": 0},
        export="none",
        run=tmp_path_factory.mktemp("streaming") / "run",
    )
    logits = made.model.get_layer("logits")
    kernel, bias = logits.get_weights()
    bias[0] -= 0.5  # the blank
    logits.set_weights([10 * kernel, bias])
    made.directory.save_model(made.model)
    content = (made.path / "model.keras").read_bytes()
    made.directory.note(model_sha256=hashlib.sha256(content).hexdigest())
    made.export()
    return made


def waves() -> list[np.ndarray]:
    found = [np.asarray(wave) for wave in utterances.generate()["test"]["audio"][:6]]
    return [wave.astype(np.float32) / (32768 if wave.dtype.kind == "i" else 1) for wave in found]


def pieces(wave: np.ndarray, seed: int) -> list[np.ndarray]:
    """Cut at random places; some pieces are empty, some shorter than a frame, some long."""
    random = np.random.default_rng(seed)
    sizes = random.choice([0, 1, 7, 80, 200, 333, 2000], 400)
    return np.split(wave, np.minimum(np.cumsum(sizes), len(wave)))


def test_nothing_is_said_of_what_was_not_heard() -> None:
    logits = tf.random.stateless_normal((4, 6, 3), seed=(1, 2))
    tokens = tf.constant([[1, 2], [1, 1], [1, 2], [0, 0]])  # the second needs a blank between
    said = silenced(logits, tf.constant([6, 6, 6, 4]), tokens, tf.constant([2.5, 9.0, 0.0, 9.0]))
    silent = np.array(said == IMPOSSIBLE)
    assert not silent[..., 0].any()
    assert (silent[..., 1] == silent[..., 2]).all()
    assert silent[..., 1].sum(axis=1).tolist() == [3, 3, 0, 4]
    np.testing.assert_array_equal(np.array(said)[~silent], np.array(logits)[~silent])


def test_beginnings_are_unheard_in_training_alone() -> None:
    frame = utterances.generate()["train"].head(24)
    data = {"train": frame, "audio": "audio", "text": "text", "sampling_rate": 8000}
    prepared = toolkit.prepare(
        task={"type": "speech", "streaming": True}, data={**data, "augment": None}, model=MODEL
    )
    clips = prepared.train
    given = clips.batch(np.arange(3), tuple(clips.lengths.max(axis=0)))
    seeds = tf.constant([[0, 1], [0, 2], [0, 1]])
    _, targets = prepared.task.augment(given.inputs, given.targets, seeds)
    first, second, third = np.array(targets["unheard"])
    assert first == third != second
    assert (np.array([first, second]) < 0.3 / 0.010).all()
    assert "unheard" not in given.targets


@pytest.mark.slow
def test_the_pieces_make_no_difference(run: Any) -> None:
    whole = run.predict([{"audio": wave} for wave in waves()])["prediction"].tolist()
    assert len(set(whole)) > 1  # it has learnt to say something
    for number, (wave, text) in enumerate(zip(waves(), whole, strict=True)):
        said = list(run.listen(pieces(wave, number)))
        assert "".join(said).strip() == text
        if " " in text:
            assert sum(map(bool, said)) > 1  # not only at the end


@pytest.mark.slow
@pytest.mark.parametrize("subsampling", [1, 2, 4])
def test_every_token_is_that_of_the_whole(run: Any, subsampling: int) -> None:
    from toolkit.models import ctc
    from toolkit.tasks.speech import streaming

    task = run.task
    before, task.model_options = (
        task.model_options,
        task.model_options.model_copy(update={"subsampling": subsampling}),
    )
    model = task.build_model()
    for seed, count in enumerate((1, 199, 201, 4321)):
        wave = np.random.default_rng(seed).standard_normal(count).astype(np.float32)
        raw = {"audio": wave[None], "num_samples": [count], "sampling_rate": [8000]}
        inputs = task.preprocess({name: tf.constant(value) for name, value in raw.items()})
        outputs = model(
            {name: getattr(v, "to_tensor", lambda v=v: v)() for name, v in inputs.items()}
        )
        expected = np.asarray(ctc.greedy(outputs["logits"], outputs["num_steps"])[0])[0]
        stream = streaming.make_stream(task, model)
        state, found = stream.initial_state(1), []
        for part in [*pieces(wave, seed), None]:
            audio = np.zeros((1, 0), np.float32) if part is None else part[None]
            tokens, state = stream.step(tf.constant(audio), state, tf.constant(part is None))
            found += [token for token in np.asarray(tokens)[0].tolist() if token]
        assert found == expected[expected != 0].tolist()
    task.model_options = before


@pytest.mark.slow
def test_the_export_streams_several_sounds_at_once(run: Any) -> None:
    loaded = tf.saved_model.load(str(run.path / "export"))
    count = min(map(len, waves()[:3]))
    wave = np.stack([each[:count] for each in waves()[:3]])
    state = loaded.signatures["stream_start"](batch_size=tf.constant(3))
    texts = np.array([b""] * 3, object)
    for start in range(0, count, 1700):
        final = tf.constant(start + 1700 >= count)
        audio = tf.constant(wave[:, start : start + 1700])
        state = dict(loaded.signatures["stream"](audio=audio, final=final, **state))
        texts = texts + state.pop("text").numpy()
    whole = run.predict([{"audio": each} for each in wave])["prediction"]
    assert [" ".join(text.decode().split()) for text in texts] == whole.tolist()


@pytest.mark.slow
def test_the_command_line_reads_pcm(run: Any) -> None:
    wave = waves()[0]
    pcm = (np.clip(wave, -1, 1) * 32767).astype("<i2")
    words = [sys.executable, "-m", "toolkit", "predict", str(run.path), "--stream"]
    done = subprocess.run(words, input=pcm.tobytes(), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    expected = run.predict([{"audio": pcm.astype(np.float32) / 32768}])["prediction"][0]
    assert done.stdout.decode().strip() == expected


def test_half_a_sample_is_named() -> None:
    with pytest.raises(DataError, match=r"stdin: ends within a sample.* Received: 3 bytes"):
        list(pcm_chunks(io.BytesIO(b"abc")))


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"model": "conformer"}, "model: streaming needs a crnn"),
        ({"model": {"type": "crnn", "bidirectional": True}}, "streaming reads one way"),
        ({"task": {"type": "speech", "streaming": True, "beam_width": 4}}, "likeliest path"),
        ({"data": {"train": "a.csv", "text": "t", "trim": 30}}, "where a clip ends"),
        ({"data": {"train": "a.csv", "label": "l"}}, "a label is of a whole clip"),
        ({"data": {"train": "a.csv", "text": "t", "features": "mfcc"}}, "streaming reads log_mel"),
    ],
)
def test_what_needs_the_whole_clip_is_refused(sections: dict[str, Any], message: str) -> None:
    recipe = {
        "task": {"type": "speech", "streaming": True},
        "data": {"train": "a.csv", "text": "t"},
        **sections,
    }
    with pytest.raises(RecipeError, match=message):
        toolkit.check(**recipe)


def test_other_models_do_not_listen(tiny_run: Any, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"--stream: expected a speech model.* Received: task="):
        list(tiny_run.listen([]))
