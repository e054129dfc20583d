"""Courses of the learning rate: plain functions of the step, on the host."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Course = Callable[[int], float]


def make_course(options: Any, total_steps: int) -> Course:
    """Return the share of the peak learning rate at each step, counted from 0.

    Args:
        options: a recipe's ``train.schedule``; its type chooses the course.
        total_steps: steps of the whole training, which cosine, linear and one_cycle end with.
    """
    warmup = options.warmup_steps
    last = max(1, total_steps - warmup)
    courses: dict[str, Callable[[], Course]] = {
        "constant": lambda: lambda step: 1.0,
        "plateau": lambda: lambda step: 1.0,
        "inverse_sqrt": lambda: inverse_sqrt(warmup),
        "cosine": lambda: cosine(last, options.final),
        "linear": lambda: linear(last, options.final),
        "one_cycle": lambda: one_cycle(total_steps, options.rise, options.initial, options.final),
    }
    course = warm_up(courses[options.type](), warmup)
    return cool_down(course, total_steps, getattr(options, "cooldown", 0.0))


def warm_up(course: Course, steps: int) -> Course:
    """Rise linearly for ``steps``, reaching the peak at the last of them, then ``course``."""

    def rate(step: int) -> float:
        return (step + 1) / steps if step < steps else course(step - steps)

    return rate


def cool_down(course: Course, steps: int, share: float) -> Course:
    """``course``, and for the last share of the steps a line from where it is to nothing.

    As good as a course that falls all along (Hägele et al. 2024, arXiv 2405.18392), and a training
    that is to be longer goes on from before the fall.
    """
    first = steps - round(share * steps)

    def rate(step: int) -> float:
        if step < first:
            return course(step)
        return course(first) * (steps - step) / max(1, steps - first)

    return rate if share else course


def inverse_sqrt(warmup_steps: int) -> Course:
    """``sqrt(warmup / (step + 1))`` after the warm-up (Vaswani et al. 2017, section 5.3)."""
    return lambda step: math.sqrt(max(1, warmup_steps) / (max(1, warmup_steps) + step + 1))


def cosine(steps: int, final: float) -> Course:
    """Half a cosine from 1 to ``final`` (Loshchilov and Hutter 2017, equation 5)."""

    def rate(step: int) -> float:
        part = min(1.0, step / steps)
        return final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * part))

    return rate


def linear(steps: int, final: float) -> Course:
    """A line from 1 to ``final``."""
    return lambda step: 1.0 + (final - 1.0) * min(1.0, step / steps)


def one_cycle(steps: int, rise: float, initial: float, final: float) -> Course:
    """Half a cosine up from ``initial`` to 1, half a cosine down to ``final``."""
    top = max(1, round(rise * steps))
    fall = cosine(max(1, steps - top), final)

    def rate(step: int) -> float:
        if step >= top:
            return fall(step - top)
        return 1.0 - (1.0 - initial) * 0.5 * (1.0 + math.cos(math.pi * step / top))

    return rate


def rates(course: Course, peak: float, first_step: int, count: int) -> NDArray[np.float32]:
    """Return the learning rates of ``count`` steps from ``first_step``, ``(count,)``."""
    steps = range(first_step, first_step + count)
    return np.array([peak * course(step) for step in steps], dtype=np.float32)
