import math

import numpy as np
import pytest

from toolkit.recipe import optimization
from toolkit.training.schedules import make_course, rates

TOTAL, WARM = 100, 10
HALF = 0.5 * (1 + math.cos(math.pi * 0.5))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (optimization.Constant(), {0: 1.0, 99: 1.0}),
        (optimization.Constant(warmup_steps=WARM), {0: 0.1, 4: 0.5, 9: 1.0, 10: 1.0}),
        (optimization.Constant(cooldown=0.2), {0: 1.0, 79: 1.0, 80: 1.0, 90: 0.5, 99: 0.05}),
        (optimization.Linear(final=0.2), {0: 1.0, 50: 0.6, 100: 0.2, 200: 0.2}),
        (optimization.Linear(warmup_steps=WARM), {9: 1.0, 10: 1.0, 55: 0.5, 100: 0.0}),
        (optimization.Cosine(), {0: 1.0, 50: HALF, 100: 0.0}),
        (optimization.Cosine(warmup_steps=WARM, final=0.1), {55: 0.1 + 0.9 * HALF, 100: 0.1}),
        (optimization.OneCycle(rise=0.5, initial=0.0, final=0.0), {0: 0.0, 25: 0.5, 50: 1.0}),
        (optimization.OneCycle(rise=0.5, initial=0.0, final=0.2), {75: 0.6, 100: 0.2}),
        (optimization.Plateau(), {0: 1.0, 99: 1.0}),
    ],
)
def test_course(options: optimization.Schedule, expected: dict[int, float]) -> None:
    course = make_course(options, TOTAL)
    for step, value in expected.items():
        assert course(step) == pytest.approx(value, abs=1e-12)


def test_inverse_sqrt_is_the_formula_of_the_paper() -> None:
    course = make_course(optimization.InverseSqrt(warmup_steps=40), TOTAL)
    for step in (1, 20, 39, 40, 41, 1000):
        paper = min(step**-0.5, step * 40**-1.5)  # the paper counts steps from 1
        assert course(step - 1) == pytest.approx(paper * 40**0.5)


def test_inverse_sqrt_with_a_cooldown() -> None:
    plain = make_course(optimization.InverseSqrt(warmup_steps=40), TOTAL)
    course = make_course(optimization.InverseSqrt(warmup_steps=40, cooldown=0.25), TOTAL)
    assert [course(step) for step in range(75)] == [plain(step) for step in range(75)]
    assert course(75) == plain(75)
    assert course(90) == pytest.approx(plain(75) * 10 / 25)


def test_rates_of_successive_calls_join() -> None:
    course = make_course(optimization.Cosine(warmup_steps=3), TOTAL)
    parts = [rates(course, 0.5, first, 10) for first in range(0, 30, 10)]
    np.testing.assert_array_equal(np.concatenate(parts), rates(course, 0.5, 0, 30))
    assert parts[0].dtype == np.float32
