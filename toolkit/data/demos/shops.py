"""Generated daily sales of goods in shops: many series, with prices known ahead.

A series is a good in a shop: a level of its own, a week of the shop's shape, a slow year, sales
that answer to the price (an elasticity of -2 in the logarithm) and to a promotion (half as many
again), and counts drawn from a Poisson distribution around all that. Prices and promotions are
planned, so they are known ahead; the number of visitors is only known afterwards. No forecast can
have a smaller squared error than the expected sales themselves, which is what a Poisson count
varies by.
"""

import numpy as np
import pandas as pd

SHOPS, GOODS = 4, 6
DAYS = 500
HELD = 28  # last days of each series for the test, and as many before for validation
ELASTICITY, PROMOTION = -2.0, 0.4


def generate(seed: int = 0) -> dict[str, pd.DataFrame]:
    """Makes 24 series of 200 to 500 days.

    Args:
        seed: Draws other shops.

    Returns:
        ``train``, ``validation`` and ``test``, the last days of each series, with the columns
        ``item``, ``date``, ``sold``, ``price``, ``promotion``, ``visitors`` and ``expected``, the
        mean that the sales were drawn around.
    """
    random = np.random.default_rng(seed)
    frames = [_series(random, shop, good) for shop in range(SHOPS) for good in range(GOODS)]
    cuts = {
        "train": slice(None, -2 * HELD),
        "validation": slice(-2 * HELD, -HELD),
        "test": slice(-HELD, None),
    }
    return {
        name: pd.concat([frame.iloc[cut] for frame in frames], ignore_index=True)
        for name, cut in cuts.items()
    }


def _series(random: np.random.Generator, shop: int, good: int) -> pd.DataFrame:
    days = int(random.integers(200, DAYS + 1))
    day = np.arange(DAYS - days, DAYS)
    week = 1 + 0.4 * np.sin(2 * np.pi * (day % 7 - shop) / 7)
    year = 1 + 0.2 * np.sin(2 * np.pi * day / 365 + good)
    usual = random.uniform(1, 10)
    price = usual * np.repeat(random.uniform(0.8, 1.2, days // 14 + 1), 14)[:days]
    promotion = np.repeat(random.random(days // 7 + 1) < 0.15, 7)[:days].astype(float)
    level = np.exp(random.uniform(1, 5))
    pull = np.exp(ELASTICITY * np.log(price / usual) + PROMOTION * promotion)
    expected = level * week * year * pull
    return pd.DataFrame(
        {
            "item": f"shop {shop} good {good}",
            "date": (pd.Timestamp("2023-01-01") + pd.to_timedelta(day, unit="D")).strftime(
                "%Y-%m-%d"
            ),
            "sold": random.poisson(expected),
            "price": np.round(price, 2),
            "promotion": promotion,
            "visitors": random.poisson(200 * week),
            "expected": np.round(expected, 3),
        }
    )
