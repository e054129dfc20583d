from datetime import date, datetime
from typing import Any

import pandas as pd
import pytest

from toolkit.recipe import Every, Share, SplitOptions


@pytest.mark.parametrize(
    ("written", "share", "count", "plain"),
    [
        ("10%", 0.1, None, "10%"),
        (0.1, 0.1, None, "10%"),
        ("12.5 %", 0.125, None, "12.5%"),
        (1 / 3, 1 / 3, None, 1 / 3),
        (500, None, 500, 500),
    ],
)
def test_share(written: Any, share: float | None, count: int | None, plain: Any) -> None:
    parsed = Share.parse(written)

    assert (parsed.share, parsed.count, parsed.plain()) == (share, count, plain)
    assert Share.parse(parsed.plain()) == parsed


@pytest.mark.parametrize("written", [0, -1, True, 1.5, "0%", "110%", "ten", None, "10"])
def test_no_share(written: object) -> None:
    with pytest.raises(ValueError, match="a share"):
        Share.parse(written)


def test_share_of_a_total() -> None:
    assert Share.parse("10%").of(99) == 10
    assert Share.parse(500).of(99) == 99


@pytest.mark.parametrize(
    ("written", "value", "unit", "plain"),
    [
        (500, 500, "steps", 500),
        ("500 steps", 500, "steps", 500),
        ("10m", 600, "seconds", "10m"),
        ("90 s", 90, "seconds", "90s"),
        ("2h", 7200, "seconds", "2h"),
        ("1 epoch", 1, "epochs", "1 epoch"),
        ("2epochs", 2, "epochs", "2 epochs"),
    ],
)
def test_every(written: Any, value: int, unit: str, plain: Any) -> None:
    parsed = Every.parse(written)

    assert (parsed.value, parsed.unit, parsed.plain()) == (value, unit, plain)
    assert Every.parse(parsed.plain()) == parsed


@pytest.mark.parametrize("written", [0, True, 1.5, "10 days", "often", None, "0m"])
def test_not_every(written: object) -> None:
    with pytest.raises(ValueError, match="steps"):
        Every.parse(written)


@pytest.mark.parametrize(
    "written",
    ["2017-07-01", "2017-07", date(2017, 7, 1), pd.Timestamp("2017-07-01"), "2017-07-01 00:00"],
)
def test_dates(written: object) -> None:
    split = SplitOptions.model_validate({"validation": written})

    assert split.validation == datetime(2017, 7, 1)
