"""Which part each row goes to, as pure functions of the rows' content.

Rows go by a hash of what they hold and a seed, so that the order of rows and files does not
matter. Parts are numbered: 0 train, 1 validation, 2 test.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.data.hashing import shuffled_order

PARTS = ("train", "validation", "test")
TRAIN, VALIDATION, TEST = range(3)

Parts = NDArray[np.int8]
Hashes = NDArray[np.uint64]


def by_share(
    hashes: Hashes, strata: NDArray[np.int64], counts: tuple[int, int], seed: int
) -> Parts:
    """Draws rows, each stratum in proportion; rows of one hash stay in one part.

    Args:
        hashes: (rows,) content of each row.
        strata: (rows,) number of each row's class; all 0 for none.
        counts: Rows wanted for validation and test.
        seed: Draws other rows.
    """
    unique, unit = np.unique(hashes, return_inverse=True)
    sizes = np.bincount(unit)
    # Rows that are the same but for their class go by the lowest class.
    unit_stratum = np.full(len(unique), strata.max(initial=0))
    np.minimum.at(unit_stratum, unit, strata)
    order = np.lexsort((shuffled_order(unique, seed), unit_stratum))
    bounds = np.flatnonzero(np.diff(unit_stratum[order])) + 1
    parts = np.zeros(len(unique), np.int8)
    done = 0
    for units in np.split(order, bounds):
        size = int(sizes[units].sum())
        quotas = [_quota(done, size, count, len(hashes)) for count in counts]
        parts[units] = _cut(sizes[units], *quotas)
        done += size
    return parts[unit]


def _quota(done: int, size: int, count: int, total: int) -> int:
    """A stratum's part of `count`; rounding the running sum makes the whole come out right."""
    return round((done + size) * count / total) - round(done * count / total)


def _cut(sizes: NDArray[np.int64], validation: int, test: int) -> Parts:
    """Fills test, then validation; the last unit always stays in train."""
    before = np.cumsum(sizes) - sizes
    parts = np.where(before < test, TEST, np.where(before < test + validation, VALIDATION, TRAIN))
    parts[-1] = TRAIN
    return parts.astype(np.int8)


def by_group(
    groups: Hashes, strata: NDArray[np.int64], counts: tuple[int, int], seed: int
) -> Parts:
    """Draws whole groups, so that sizes and classes come near those asked for.

    Large groups first, each goes to the part that lacks most of what the group holds (after
    Sechidis et al. 2011, "On the stratification of multi-label data", for groups of rows).

    Args:
        groups: (rows,) hash of each row's group.
        strata: (rows,) number of each row's class; all 0 for none.
        counts: Rows wanted for validation and test.
        seed: Breaks ties between groups of one size.
    """
    unique, unit = np.unique(groups, return_inverse=True)
    held = np.zeros((len(unique), int(strata.max(initial=0)) + 1))  # (groups, classes)
    np.add.at(held, (unit, strata), 1)
    total = len(groups)
    shares = np.array([total - sum(counts), *counts]) / total
    wanted = shares[:, None] * held.sum(axis=0)  # (parts, classes)
    lacking = wanted.copy()
    per_row = 1 / np.maximum(wanted, 1e-9)
    parts = np.zeros(len(unique), np.int8)
    allowed = shares > 0
    for group in np.lexsort((shuffled_order(unique, seed), -held.sum(axis=1))):
        need = (held[group] * lacking * per_row).sum(axis=1)
        part = int(np.argmax(np.where(allowed, need, -np.inf)))
        lacking[part] -= held[group]
        parts[group] = part
    return parts[unit]


def by_time(times: NDArray[Any], counts: tuple[int, int]) -> Parts:
    """Takes the last rows for the test and those before them for validation.

    Rows of one moment stay together, in the later part.
    """
    ordered = np.sort(times)
    starts = (len(ordered) - sum(counts), len(ordered) - counts[1])
    moments = [ordered[s] if n else None for s, n in zip(starts, counts, strict=True)]
    return from_dates(times, *moments)


def from_dates(times: NDArray[Any], validation: Any | None, test: Any | None) -> Parts:
    """Rows from `validation` on are for validation, those from `test` on for the test.

    Args:
        times: (rows,) the moment of each row.
        validation: The first moment of the validation rows; None: there are none.
        test: The first moment of the test rows; None: there are none.
    """
    parts = np.zeros(len(times), np.int8)
    if validation is not None:
        parts[times >= validation] = VALIDATION
    if test is not None:
        parts[times >= test] = TEST
    return parts
