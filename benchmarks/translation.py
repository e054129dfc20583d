"""Training and decoding speed of translation, against the script that a Keras user writes.

    TOOLKIT_DATA=... python benchmarks/translation.py [train] [greedy] [--repeats 3]
    python benchmarks/translation.py beam --run RUN      (needs `pip install ctranslate2`)

Data: Multi30k English to German, lower-cased and tokenised, in 10,000 shared BPE pieces. Both
sides: a Transformer of 4 + 4 layers, 128 wide, 256 within, 4 heads, dropout 0.3, smoothed targets.
The reference is the tutorial's way with KerasHub's layers: sentences cut and padded to 40 pieces,
batches of 128, one-hot smoothed targets, Model.fit in graph mode and under XLA, the better one
counts; greedy decoding runs the whole model for each new piece. Where torch is installed,
`nn.Transformer` on our batches is a second reference of the training. Ours is the recipe's model in
the engine of `toolkit fit` in graph mode, with batches of 4,096 pieces of like lengths, and without
BPE-dropout, so that both see the same pieces. They run in turn, each in a process of its own with
its own threads: the reference has TensorFlow's default. Prints a line of JSON each: target
pieces a second, padding not counted, and seconds for the 1,000 sentences of the test. `beam`
searches the test sentences of a trained Transformer's run with its beam, ours and CTranslate2 with
the same weights in float32.
"""

import argparse
import importlib.util
import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # torch's threads spin into others' time

import keras
import keras_nlp
import numpy as np
import tensorflow as tf
from timing import Apart, in_turn, rates_in_turn, report

import toolkit
import toolkit.api.fitting as fitting
from toolkit.text.subwords import END, START
from toolkit.training.distribution import distribute
from toolkit.training.engine import Engine
from toolkit.training.evaluation import Evaluator
from toolkit.training.fit import build
from toolkit.training.optimizers import UpdateRule, make_optimizer
from toolkit.training.settings import settle

LENGTH, BATCH, LAYERS, WIDTH, INNER, HEADS, DROPOUT = 40, 128, 4, 128, 256, 4, 0.3
STRETCH = 10  # steps timed at a time


def recipe() -> dict:
    folder = os.path.join(os.environ["TOOLKIT_DATA"], "multi30k")
    files = {"train": "train", "validation": "val", "test": "test_2016_flickr"}
    return {
        "task": {"type": "translation", "beam_size": 1},
        "data": {
            **{
                name: {
                    "source": f"{folder}/{file}.lc.norm.tok.en",
                    "target": f"{folder}/{file}.lc.norm.tok.de",
                }
                for name, file in files.items()
            },
            "vocabulary": {"size": 10_000, "shared": True, "dropout": 0.0, "unicode": "none"},
        },
        "train": {"batch_tokens": 4096, "compile": "none"},
    }


def reference_model(size: int, xla: bool) -> keras.Model:
    """KerasHub's layers as in its translation tutorial."""
    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="before")
    embed = keras_nlp.layers.TokenAndPositionEmbedding(size, LENGTH, WIDTH, mask_zero=True)
    x = embed(source)
    for _ in range(LAYERS):
        x = keras_nlp.layers.TransformerEncoder(INNER, HEADS, dropout=DROPOUT)(x)
    y = embed(target)
    for _ in range(LAYERS):
        y = keras_nlp.layers.TransformerDecoder(INNER, HEADS, dropout=DROPOUT)(y, x)
    outputs = keras.layers.Dense(size, activation="softmax")(keras.layers.Dropout(DROPOUT)(y))
    model = keras.Model({"source": source, "before": target}, outputs)
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=0.1)
    model.compile(keras.optimizers.Adam(1e-3), loss, jit_compile=xla)
    return model


class Reference:
    """The script a Keras user writes."""

    def __init__(self, prepared: fitting.Prepared, xla: bool) -> None:
        self.size = len(prepared.task.fitted.target)
        self.model = reference_model(self.size, xla)
        rows = np.random.default_rng(0).permutation(len(prepared.train))[: 40 * BATCH]
        source, target = (self._padded(prepared.train, side, rows) for side in ("source", "target"))
        before = np.concatenate([np.full((len(rows), 1), START), target[:, :-1]], 1)
        data = tf.data.Dataset.from_tensor_slices(
            ({"source": source, "before": before.astype(np.int32)}, target)
        )
        data = data.batch(BATCH, drop_remainder=True).repeat()
        size = self.size
        self.batches = iter(
            data.map(lambda x, y: (x, tf.one_hot(y, size), tf.cast(y != 0, tf.float32))).prefetch(2)
        )
        self.pieces = STRETCH * BATCH * float((target != 0).mean()) * LENGTH
        self.step = tf.function(lambda inputs: self.model(inputs, training=False))

    @staticmethod
    def _padded(examples, side: str, rows) -> np.ndarray:
        return examples.inputs[side].padded(rows, LENGTH)

    def train(self) -> float:
        """Train on a stretch of batches and say on how many target pieces."""
        for _ in range(STRETCH):
            self.model.train_on_batch(*next(self.batches))
        return self.pieces

    def translate(self, source: np.ndarray) -> None:
        """Greedy, the whole model for each piece, as the tutorial does."""
        for rows in np.array_split(source, max(1, len(source) // BATCH)):
            before = np.zeros((len(rows), LENGTH), np.int32)
            before[:, 0] = START
            for place in range(LENGTH - 1):
                given = {"source": tf.constant(rows), "before": tf.constant(before)}
                found = self.step(given).numpy()[:, place].argmax(-1)
                before[:, place + 1] = found
                if (before == END).any(1).all():
                    break


class Ours:
    """The recipe and the engine of `toolkit fit`."""

    def __init__(self) -> None:
        self.distribution = distribute()
        prepared = self.prepared = fitting.prepare(recipe())
        self.task = prepared.task
        options = prepared.recipe.options.train
        settings = settle(options, self.task, prepared.train, 0)
        self.model = build(self.task.build_model, self.distribution)
        weights = self.model.trainable_variables
        rule = UpdateRule(make_optimizer(options.optimizer), weights, clip_norm=options.clip_norm)
        self.plan, self.examples = settings.plan, prepared.train
        self.engine = Engine(
            self.task, self.model, rule, prepared.train, settings.plan, self.distribution
        )
        self.step = 0

    def train(self) -> float:
        """Train on a stretch of batches and say on how many target pieces."""
        rates = np.full(STRETCH, 1e-3, np.float32)
        self.engine.take(self.step, rates, np.zeros(1, np.float32))
        rows = [self.plan.batch(self.step + n).rows for n in range(STRETCH)]
        self.step += STRETCH
        return float(sum(self.examples.weights[part[part >= 0]].sum() for part in rows))

    def batches(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The same batches as ids, padded to their own longest row."""
        for step in itertools.count():
            rows = self.plan.batch(step).rows.ravel()
            rows = rows[rows >= 0]
            ids = [self.examples.inputs[side].padded(rows, 256) for side in ("source", "target")]
            yield tuple(side[:, (side != 0).any(0)] for side in ids)


def ours_training() -> Callable[[], float]:
    """Ours, in the process that this is called in; so are the next ones."""
    return Ours().train


def reference_training(xla: bool) -> Callable[[], float]:
    """The reference, in graph mode or under XLA."""
    return Reference(fitting.prepare(recipe()), xla).train


def torch_training() -> Callable[[], float]:
    """The same network from `nn.Transformer`, trained on the same batches."""
    from torch_references import TranslationTraining, Translator

    ours = Ours()
    size = len(ours.task.fitted.target)
    model = Translator(size, LAYERS, WIDTH, INNER, HEADS, DROPOUT)
    return TranslationTraining(model, ours.batches(), START, STRETCH)


def train(repeats: int, xla: bool) -> None:
    runs = {"ours_graph": Apart(ours_training)}
    for mode in ("graph", "xla") if xla else ("graph",):
        runs[f"reference_{mode}"] = Apart(reference_training, mode == "xla")
    report_rates("train", rates_in_turn(runs, repeats, warm_up=1))
    if importlib.util.find_spec("torch"):
        runs = {"ours_graph": runs["ours_graph"], "torch": Apart(torch_training)}
        report_rates("train, torch", rates_in_turn(runs, repeats, warm_up=1))


def report_rates(case: str, rates: dict[str, float]) -> None:
    """A line of target pieces a second, and of ours by the best of the others."""
    ours = rates["ours_graph"]
    best = max(rate for name, rate in rates.items() if name != "ours_graph")
    figures = {name: round(rate) for name, rate in rates.items()}
    report(case, "target pieces per second", **figures, ratio=round(ours / best, 2))


def ours_greedy() -> Callable[[], None]:
    """A fresh network seldom ends by itself, so both are told how long answers are."""
    ours = Ours()
    examples = ours.task.examples(ours.prepared.splits.test, targets=False)
    evaluator = Evaluator(ours.task, ours.model, ours.distribution)
    return lambda: evaluator(examples, batch_size=BATCH) and None


def reference_greedy() -> Callable[[], None]:
    """The reference without a cache."""
    prepared = fitting.prepare(recipe())
    examples = prepared.task.examples(prepared.splits.test, targets=False)
    source = examples.inputs["source"].padded(np.arange(len(examples)), LENGTH)
    return partial(Reference(prepared, False).translate, source)


def greedy(repeats: int) -> None:
    runs = {"ours": Apart(ours_greedy), "reference": Apart(reference_greedy)}
    medians = in_turn(runs, repeats, warm_up=1)
    figures = {name: round(value / 1e3, 2) for name, value in medians.items()}
    ratio = round(medians["reference"] / medians["ours"], 1)
    report("greedy", "seconds for the test", **figures, ratio=ratio)


def ours_beam(path: str) -> Callable[[], list[str]]:
    """The beam of a trained run."""
    from ctranslate2_weights import names

    run = toolkit.load_run(path)
    distribution = distribute()
    examples = run.task.examples(run.splits().test, targets=False)
    pieces = np.array(names(run.task.fitted.source), object)
    evaluator = Evaluator(run.task, run.model, distribution)

    def search() -> list[str]:
        answers, _ = evaluator(examples, batch_size=BATCH)
        return [" ".join(pieces[row[row != 0]]) for row in answers["tokens"][:, 0]]

    return search


def ctranslate2_beam(path: str, threads: int) -> Callable[[], list[str]]:
    """CTranslate2's beam of the same width over the same weights."""
    from ctranslate2_weights import names, translator, write

    run = toolkit.load_run(path)
    ids = run.task.examples(run.splits().test, targets=False).inputs["source"]
    pieces = np.array(names(run.task.fitted.source), object)
    tokens = [pieces[ids.values[a:b]].tolist() for a, b in itertools.pairwise(ids.splits)]
    width = run.options.task.beam_size
    options = {"beam_size": width, "length_penalty": 1.0, "max_batch_size": BATCH}
    with tempfile.TemporaryDirectory() as folder:
        write(run.task, run.model, Path(folder) / "model")
        theirs = translator(Path(folder) / "model", threads)
    return lambda: [
        " ".join(each.hypotheses[0]) for each in theirs.translate_batch(tokens, **options)
    ]


def beam(path: str, repeats: int, threads: int) -> None:
    """The same weights and beam in both; how many of the texts are the same is told too."""
    width = toolkit.load_run(path).options.task.beam_size
    runs = {
        "ours": Apart(ours_beam, path),
        "ctranslate2": Apart(ctranslate2_beam, path, threads),
    }
    medians = in_turn(runs, repeats, warm_up=1)
    same = np.mean([a == b for a, b in zip(runs["ours"](), runs["ctranslate2"](), strict=True)])
    figures = {name: round(value / 1e3, 2) for name, value in medians.items()}
    ratio = round(medians["ctranslate2"] / medians["ours"], 2)
    report(f"beam {width}", "seconds for the test", **figures, ratio=ratio, same=round(same, 3))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=["train", "greedy"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-xla", action="store_true", help="leave the reference under XLA out")
    parser.add_argument("--run", help="a trained Transformer's run, for beam")
    parser.add_argument("--threads", type=int, default=2, help="of CTranslate2")
    arguments = parser.parse_args()
    if "beam" in arguments.parts:
        beam(arguments.run, arguments.repeats, arguments.threads)
        return
    if "train" in arguments.parts:
        train(arguments.repeats, not arguments.no_xla)
    if "greedy" in arguments.parts:
        greedy(arguments.repeats)


if __name__ == "__main__":
    main()
