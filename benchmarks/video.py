"""Training on videos: from the cache, decoding each epoch, and a hand-written script.

    python benchmarks/video.py [speed] [disk] [memory]

On the fight clips below $TOOLKIT_DATA where they are, else on clips that are generated (640 x 360,
two seconds, MPEG-4). `speed` trains the default model in three ways, in turn, clips a second of
each: from the cache; decoding what a batch needs each time; and as one would write it by hand,
`TimeDistributed(CNN)` and a bidirectional LSTM of the same sizes in plain Keras, videos decoded
by OpenCV in `tf.data` (needs opencv-python-headless). `disk` compares the cache with the frames in
it. `memory` is the peak resident set of a fresh process that decodes and reads 100 clips, and
1,000.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pandas as pd
from timing import in_process, peak_memory, report

CLIPS, FRAMES, SIZE, BATCH, STEPS = 96, 16, 80, 16, 3
FILTERS = (16, 32, 64, 128)


def manifest(folder: Path, clips: int) -> pd.DataFrame:
    """Paths and labels of `clips` videos."""
    table = Path(os.environ.get("TOOLKIT_DATA", "")) / "fight" / "clips.csv"
    if table.is_file() and clips <= CLIPS:
        frame = pd.read_csv(table).sample(clips, random_state=0)
        return frame.assign(path=[str(table.parent / path) for path in frame["path"]])
    first = _written(folder / "0.mp4", 0)
    paths = [first]
    for number in range(1, clips):  # of other content, for the price of a copy
        path = folder / f"{number}.mp4"
        path.write_bytes(first.read_bytes() + f"free{number}".encode())
        paths.append(path)
    labels = [("fight", "noFight")[number % 2] for number in range(clips)]
    return pd.DataFrame({"path": [str(path) for path in paths], "label": labels})


def _written(path: Path, seed: int) -> Path:
    import av

    random = np.random.default_rng(seed)
    still = random.integers(0, 256, (45, 80, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=30)
        stream.height, stream.width, stream.pix_fmt = 360, 640, "yuv420p"
        for number in range(60):
            frame = av.VideoFrame.from_ndarray(np.roll(still, 4 * number, axis=1), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def prepared(frame: pd.DataFrame) -> Any:
    """The default task on all clips."""
    import toolkit

    return toolkit.prepare(
        task={"type": "video", "num_frames": FRAMES},
        data={"train": frame, "validation": frame, "test": frame, "frame_size": SIZE},
        train={"batch_size": BATCH},
    )


class Engine:
    """Steps of the toolkit's own training."""

    def __init__(self, ready: Any, examples: Any) -> None:
        from toolkit.data.batches import BatchPlan
        from toolkit.training import engine
        from toolkit.training.distribution import distribute
        from toolkit.training.fit import build
        from toolkit.training.session import make_rule

        options = ready.recipe.options
        where = distribute("cpu", "one_device", lanes=1)
        model = build(ready.task.build_model, where)
        plan = BatchPlan(examples.lengths, batch_size=BATCH)
        rule = make_rule(model, options.train, where)
        self.engine = engine.Engine(ready.task, model, rule, examples, plan, where)
        self.step = 0

    def __call__(self) -> None:
        """Take some steps."""
        rates = np.full(STEPS, 1e-3, np.float32)
        self.engine.take(self.step, rates, np.zeros(1, np.float32))
        self.step += STEPS


def decoding_each_time(examples: Any) -> Any:
    """The same examples, decoded whenever they are read."""
    from toolkit.data.video_files import decode

    class Decoding:
        def frames(self, number: int) -> Any:
            clip = examples.store.clips[number]
            return decode(clip.video, examples.store.decoding)

        def __len__(self) -> int:
            return len(examples.store)

    return type(examples)(Decoding(), examples.sampler, 1, examples.targets, speed=examples.speed)


class ByHand:
    """What one would write without the toolkit."""

    def __init__(self, frame: pd.DataFrame) -> None:
        import keras
        import tensorflow as tf

        labels = (frame["label"] == "fight").astype(int).to_numpy()
        paths = frame["path"].to_numpy()

        def load(path: Any, label: Any) -> Any:
            (frames,) = tf.numpy_function(_opencv, [path], [tf.uint8])
            frames.set_shape((FRAMES, SIZE, SIZE, 3))
            return tf.cast(frames, tf.float32) / 127.5 - 1, label

        data = tf.data.Dataset.from_tensor_slices((paths, labels)).shuffle(len(paths)).repeat()
        data = data.map(load, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH)
        self.data = iter(data.prefetch(tf.data.AUTOTUNE))
        frames = keras.Input((FRAMES, SIZE, SIZE, 3))
        changes = frames[:, 1:] - frames[:, :-1]
        changes = keras.ops.concatenate([keras.ops.zeros_like(frames[:, :1]), changes], axis=1)
        both = keras.ops.concatenate([frames, changes], axis=-1)
        vectors = keras.layers.TimeDistributed(_cnn(keras))(both)
        states = keras.layers.Bidirectional(keras.layers.LSTM(64, return_sequences=True))(vectors)
        weights = keras.layers.Softmax(axis=1)(keras.layers.Dense(1)(states))
        pooled = keras.ops.sum(weights * states, axis=1)
        logits = keras.layers.Dense(2)(keras.layers.Dropout(0.5)(pooled))
        self.model = keras.Model(frames, logits)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.model.compile("adam", loss)

    def __call__(self) -> None:
        """Take some steps."""
        for _ in range(STEPS):
            self.model.train_on_batch(*next(self.data))


def _opencv(path: bytes) -> Any:
    import cv2

    capture = cv2.VideoCapture(path.decode())
    frames = []
    while True:
        there, pixels = capture.read()
        if not there:
            break
        frames.append(cv2.cvtColor(cv2.resize(pixels, (SIZE, SIZE)), cv2.COLOR_BGR2RGB))
    places = np.linspace(0, len(frames) - 1, FRAMES).astype(int)
    return np.stack([frames[place] for place in places])


def _cnn(keras: Any) -> Any:
    """The residual network of the default model."""
    layers = keras.layers

    def convolution(x: Any, filters: int, size: int, stride: int) -> Any:
        x = layers.Conv2D(filters, size, strides=stride, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    image = keras.Input((SIZE, SIZE, 6))
    x = layers.ReLU()(convolution(image, FILTERS[0], 5, 2))
    for number, filters in enumerate(FILTERS):
        stride = 1 if number == 0 else 2
        inside = layers.ReLU()(convolution(x, filters, 3, stride))
        inside = convolution(inside, filters, 3, 1)
        skip = x
        if stride > 1:
            skip = layers.AveragePooling2D(stride, padding="same")(x)
            skip = layers.Conv2D(filters, 1, use_bias=False)(skip)
        x = layers.ReLU()(layers.Add()([inside, skip]))
    pools = [layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)]
    return keras.Model(image, layers.Concatenate()(pools))


def speed(folder: Path) -> None:
    """Clips a second of the three."""
    from timing import in_turn

    frame = manifest(folder, CLIPS)
    ready = prepared(frame)
    examples = ready.train
    begun = time.perf_counter()
    examples.short()  # waits until all are decoded
    first = len(examples) / (time.perf_counter() - begun)
    runs = {
        "cache": Engine(ready, examples),
        "decoding": Engine(ready, decoding_each_time(examples)),
        "by_hand": ByHand(frame),
    }
    medians = in_turn(runs, repeats=3, warm_up=1)
    rates = {name: STEPS * BATCH / (value / 1e3) for name, value in medians.items()}
    report(
        "training",
        "graph",
        first_decoding_clips_per_s=round(first, 1),
        **{f"{name}_clips_per_s": round(rate, 1) for name, rate in rates.items()},
        ratio_to_decoding=round(rates["cache"] / rates["decoding"], 2),
        ratio_to_by_hand=round(rates["cache"] / rates["by_hand"], 2),
    )


def disk(folder: Path) -> None:
    """Bytes of the cache by those of its frames."""
    examples = prepared(manifest(folder, CLIPS)).train
    frames = sum(examples.store.frames(row).nbytes for row in range(len(examples)))
    files = {examples.store.frames(row).filename for row in range(len(examples))}
    held = sum(Path(file).stat().st_size for file in files)
    report("cache", "disk", mib=round(held / 2**20, 1), ratio=round(held / frames, 4))


def memory(folder: Path) -> None:
    """Peak resident set of fresh processes."""
    for clips in (100, 1000):
        place = folder / str(clips)
        place.mkdir()
        figures = in_process(__file__, "measure", str(place), str(clips))
        report("memory", f"{clips} clips", **figures)


def measure(folder: Path, clips: int) -> None:
    """What the fresh process does: decode, then read three epochs of training batches."""
    from toolkit.data.batches import BatchPlan
    from toolkit.data.pipeline import make_dataset

    os.environ.pop("TOOLKIT_DATA", None)
    ready = prepared(manifest(folder, clips))
    plan = BatchPlan(ready.train.lengths, batch_size=BATCH)
    steps = 3 * plan.steps_per_epoch
    for _ in make_dataset(ready.train, plan, steps=steps, augment=ready.task.augment):
        pass
    print(json.dumps({"mib": round(peak_memory())}))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        os.environ["TOOLKIT_CACHE"] = str(Path(name) / "cache")
        if sys.argv[1:2] == ["measure"]:
            measure(Path(sys.argv[2]), int(sys.argv[3]))
            sys.exit()
        wanted = sys.argv[1:] or ["speed", "disk", "memory"]
        for case in wanted:
            {"speed": speed, "disk": disk, "memory": memory}[case](Path(name))
