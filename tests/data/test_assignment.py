"""Which part a row goes to: proportions, whole groups, order of time."""

import numpy as np
import pandas as pd
import pytest

from toolkit.data.assignment import TEST, TRAIN, VALIDATION, by_group, by_share, by_time, from_dates
from toolkit.data.hashing import frame_sha256, row_hashes

ROWS = 1000
RANDOM = np.random.default_rng(0)
HASHES = RANDOM.integers(0, 2**63, ROWS).astype(np.uint64)
CLASSES = np.sort(RANDOM.choice(3, ROWS, p=[0.7, 0.28, 0.02]))


def test_shares_keep_the_proportions() -> None:
    parts = by_share(HASHES, CLASSES, (100, 200), seed=0)
    assert np.bincount(parts).tolist() == [700, 100, 200]
    for label in range(3):
        here = np.bincount(parts[label == CLASSES], minlength=3)
        assert np.allclose(here, np.array([0.7, 0.1, 0.2]) * here.sum(), atol=1)


def test_shares_do_not_depend_on_the_order_but_on_the_seed() -> None:
    order = RANDOM.permutation(ROWS)
    parts = by_share(HASHES, CLASSES, (100, 100), seed=3)
    shuffled = by_share(HASHES[order], CLASSES[order], (100, 100), seed=3)
    assert np.array_equal(parts[order], shuffled)
    assert not np.array_equal(parts, by_share(HASHES, CLASSES, (100, 100), seed=4))


def test_equal_rows_stay_together_whatever_their_class() -> None:
    hashes = HASHES[np.arange(ROWS) // 4]
    parts = by_share(hashes, CLASSES, (100, 100), seed=0).reshape(-1, 4)
    assert (parts == parts[:, :1]).all()


def test_a_rare_class_stays_in_train() -> None:
    classes = np.array([0] * 8 + [1, 2])
    parts = by_share(HASHES[:10], classes, (4, 4), seed=0)
    assert parts[8:].tolist() == [TRAIN, TRAIN]


@pytest.mark.parametrize("count", [6, 30, 400])
def test_groups_stay_whole_and_no_part_is_empty(count: int) -> None:
    group = RANDOM.integers(0, count, ROWS)
    groups = row_hashes(pd.DataFrame({"speaker": group.astype(str)}))
    parts = by_group(groups, CLASSES, (100, 100), seed=0)
    assert all(len(set(parts[group == one])) <= 1 for one in range(count))
    sizes = np.bincount(parts, minlength=3)
    assert sizes.min() > 0
    assert np.abs(sizes - [800, 100, 100]).max() <= max(ROWS // count, 8)


def test_time_comes_in_order_and_moments_stay_whole() -> None:
    moments = np.repeat(np.arange(10.0), 3)
    parts = by_time(moments, (4, 5))
    assert parts.tolist() == [TRAIN] * 21 + [VALIDATION] * 3 + [TEST] * 6
    assert by_time(moments, (0, 3)).tolist() == [TRAIN] * 27 + [TEST] * 3


def test_dates_begin_their_part() -> None:
    days = pd.date_range("2017-06-29", periods=6).to_numpy()
    parts = from_dates(days, np.datetime64("2017-07-01"), np.datetime64("2017-07-03"))
    assert parts.tolist() == [TRAIN, TRAIN, VALIDATION, VALIDATION, TEST, TEST]


def test_a_row_hash_is_that_of_its_text() -> None:
    numbers, text = pd.DataFrame({"a": [1, 2.5]}), pd.DataFrame({"a": ["1", "2.5"]})
    assert np.array_equal(row_hashes(numbers), row_hashes(text))
    assert frame_sha256(numbers) == frame_sha256(text)
    assert frame_sha256(numbers) != frame_sha256(numbers.rename(columns={"a": "b"}))
