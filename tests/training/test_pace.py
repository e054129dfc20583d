import pytest

from toolkit.training.pace import Pace


def test_the_first_call_says_nothing() -> None:
    pace = Pace()
    pace.measured(1, 30.0)
    assert pace.seconds_per_step == pace.average == 0


def test_the_average_follows_the_last_minute_and_not_the_last_step() -> None:
    pace = Pace()
    pace.measured(1, 30.0)
    for seconds in (1.0, 3.0) * 100:
        pace.measured(1, seconds)
    assert pace.seconds_per_step == 3.0
    assert pace.average == pytest.approx(2.0, rel=0.03)
    for _ in range(200):
        pace.measured(10, 1.0)
    assert pace.average == pytest.approx(0.1, rel=0.3)
