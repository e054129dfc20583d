"""Short trials before training whose effects are undone: the learning rate, and XLA or not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from toolkit.tasks.base import Decision
from toolkit.training.engine import Engine
from toolkit.training.state import capture, restore

LOWEST_RATE, HIGHEST_RATE, RANGE_STEPS, STEPS_PER_RATE_CALL = 1e-6, 1.0, 60, 10
SECONDS_TO_COMPILE, LEAST_GAIN, TIMED_CALLS = 6.0, 1.15, 5


@contextmanager
def undone(engine: Engine) -> Iterator[None]:
    """Put every variable back to what it was, and the engine to no position."""
    before = capture(engine.model, engine.rule)
    try:
        yield
    finally:
        restore(engine.model, engine.rule, before)
        engine.reset()


def find_learning_rate(engine: Engine) -> Decision:
    """Choose a learning rate by a range test (Smith 2017, section 3.3).

    The rate rises geometrically over a few dozen steps; chosen is a tenth of where the smoothed
    loss is lowest, before it blows up. Weights and optimizer are put back.
    """
    learning_rates = np.geomspace(LOWEST_RATE, HIGHEST_RATE, RANGE_STEPS).astype(np.float32)
    losses: list[float] = []
    quiet = np.zeros(3, np.float32)
    with undone(engine):
        for first in range(0, RANGE_STEPS, STEPS_PER_RATE_CALL):
            taken = engine.take(first, learning_rates[first : first + STEPS_PER_RATE_CALL], quiet)
            losses += taken.losses.tolist()
            if _blown_up(losses):
                break
    best = lowest_smoothed(losses)
    rate = float(f"{learning_rates[best] / 10:.1e}")
    reason = f"range test: the loss is lowest at {learning_rates[best]:.1e}, a tenth of it is safe"
    return Decision(rate, reason)


def _blown_up(losses: list[float]) -> bool:
    return not np.isfinite(losses).all() or losses[-1] > 4 * min(losses)


def lowest_smoothed(losses: list[float]) -> int:
    """Return where the exponentially smoothed loss is lowest, up to the first non-number."""
    values = np.array(losses)
    bad = np.flatnonzero(~np.isfinite(values))
    values = values[: bad[0]] if len(bad) else values
    smoothed: list[float] = []
    mean = 0.0
    for index, value in enumerate(values):
        mean = 0.8 * mean + 0.2 * float(value)
        smoothed.append(mean / (1.0 - 0.8 ** (index + 1)))
    return int(np.argmin(smoothed)) if smoothed else 0


def choose_xla(engine: Engine, steps_left: int, seconds_per_step: float) -> Decision:
    """Compile by XLA if, measured on a real batch, it wins back the time of compiling.

    Times the loss and gradients of the longest batch of the first few, compiled and not; all
    that this changes (random states, statistics) is put back.
    """
    if engine.distribution.num_replicas > 1:
        return Decision(False, "XLA is chosen on one device only")
    if engine.distribution.lanes > 1:
        return Decision(False, "XLA would compute the parts of a batch one after the other")
    if not engine.task.keeps_shapes:
        return Decision(False, "augmentation makes ever new shapes, which XLA compiles one by one")
    shapes, left = len(engine.plan.shapes), steps_left * seconds_per_step
    if left * (1 - 1 / LEAST_GAIN) < shapes * SECONDS_TO_COMPILE:
        return Decision(False, f"about {left:.0f} s are left: too short to compile")
    with undone(engine):
        share = _longest_share(engine)
        plain, _ = _measure(engine, share, xla=False)
        try:
            fast, compiling = _measure(engine, share, xla=True)
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError):
            return Decision(False, "XLA knows not every operation of the loss and the model")
    saved = left * (1 - fast / plain) - (shapes - 1) * compiling
    times = f"{fast * 1e3:.1f} ms with XLA, {plain * 1e3:.1f} ms without"
    reason = f"{times}, {compiling:.1f} s to compile one of {shapes} shapes, {left:.0f} s left"
    return Decision(plain / fast >= LEAST_GAIN and saved > 0, reason)


def _longest_share(engine: Engine) -> Any:
    shares = list(engine.stream(0).take(4))
    share = max(shares, key=lambda share: sum(int(tf.size(x)) for x in share[0].values()))
    return share[:3]


def _measure(engine: Engine, share: Any, *, xla: bool) -> tuple[float, float]:
    """Return the seconds of the quickest call, and of the first."""
    steps = engine.make_steps(xla=xla)
    function = tf.function(steps.gradients, jit_compile=xla or None, autograph=False)
    first = _seconds(lambda: function(*share))
    return min(_seconds(lambda: function(*share)) for _ in range(TIMED_CALLS)), first


def _seconds(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    loss, gradients = call()
    _wait_for(loss, gradients)
    return time.perf_counter() - began


def _wait_for(loss: Any, gradients: Any) -> NDArray[Any]:
    parts = [g.values if isinstance(g, tf.IndexedSlices) else g for g in gradients]
    for part in parts[-1:]:
        tf.reduce_sum(part).numpy()
    return np.asarray(loss.numpy())
