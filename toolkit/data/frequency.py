"""The step of a regular grid of times: found in the times, or given by the recipe."""

import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Kind = Literal["time", "weekday", "month", "number"]
Times = NDArray[Any]

SECOND = 10**9  # nanoseconds
DAY = 86_400 * SECOND
UNITS: dict[str, tuple[Kind, int]] = {
    "s": ("time", SECOND),
    "min": ("time", 60 * SECOND),
    "h": ("time", 3600 * SECOND),
    "d": ("time", DAY),
    "b": ("weekday", 1),
    "w": ("time", 7 * DAY),
    "mo": ("month", 1),
    "q": ("month", 3),
    "y": ("month", 12),
}
FEW = 10  # days in a row that tell nothing of weekends
NEAR = {1: (28, 31), 3: (89, 92), 12: (365, 366)}  # days of so many months


@dataclass(frozen=True)
class Frequency:
    """How far it is from one step of a series to the next.

    Attributes:
        kind: ``time`` counts nanoseconds, ``weekday`` the days from Monday to Friday, ``month``
            months, ``number`` the numbers of a column.
        step: So many of them.
    """

    kind: Kind
    step: float

    @classmethod
    def parse(cls, text: str) -> "Frequency":
        """Reads ``15min``, ``h``, ``1d``, ``b`` (Monday to Friday), ``w``, ``mo``, ``q``, ``y``.

        Raises:
            ValueError: It is none of these.
        """
        match = re.fullmatch(r"(\d*)\s*(s|min|h|d|b|w|mo|q|y)", text.strip().lower())
        if match is None or match[1] == "0":
            raise ValueError(
                "a frequency such as 15min, 1h, 1d, 1b (Monday to Friday), 1w, 1mo, 1q or 1y"
            )
        kind, size = UNITS[match[2]]
        return cls(kind, size * int(match[1] or 1))

    def __str__(self) -> str:
        if self.kind == "number":
            return f"{self.step:g}"
        for name, (kind, size) in reversed(UNITS.items()):
            if kind == self.kind and self.step % size == 0:
                return f"{int(self.step // size)}{name}"
        return f"{self.step / SECOND:g}s"

    def positions(self, times: Times, origin: Times) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Steps from `origin` to each time, and whether the time lies on the grid.

        Args:
            times: (rows,) ``datetime64[ns]``, or numbers.
            origin: (rows,) the first time of each row's series.
        """
        if self.kind == "month":
            count = _months(times) - _months(origin)
            ends = _is_month_end(times) & _is_month_end(origin)
            same = (_day(times) == _day(origin)) | ends
            return count // int(self.step), (count % int(self.step) == 0) & same
        if self.kind == "weekday":
            days, first = times.astype("datetime64[D]"), origin.astype("datetime64[D]")
            count = np.busday_count(first, days)
            same = np.is_busday(days) & (times - days == origin - first)
            return count // int(self.step), (count % int(self.step) == 0) & same
        if self.kind == "time":
            apart = (times - origin).astype("timedelta64[ns]").astype(np.int64)
            return apart // int(self.step), apart % int(self.step) == 0
        exact = (times - origin) / self.step
        nearest = np.rint(exact)
        return nearest.astype(np.int64), np.abs(exact - nearest) < 1e-6

    def at(self, origin: Any, positions: NDArray[np.int64]) -> Times:
        """The times so many steps after `origin`, one time or as many as there are positions."""
        if self.kind == "number":
            return np.asarray(origin + self.step * positions)
        if self.kind == "time":
            step = (positions * int(self.step)).astype("timedelta64[ns]")
            return np.asarray(np.asarray(origin, "datetime64[ns]") + step)
        start = np.broadcast_to(np.asarray(origin, "datetime64[ns]"), positions.shape)
        within = start - start.astype("datetime64[D]").astype("datetime64[ns]")
        if self.kind == "weekday":
            days = np.busday_offset(start.astype("datetime64[D]"), positions * int(self.step))
            return np.asarray(days.astype("datetime64[ns]") + within)
        month = (_months(start) + positions * int(self.step)).astype("datetime64[M]")
        last = ((month + 1).astype("datetime64[D]") - month.astype("datetime64[D]")).astype(int)
        day = np.where(_is_month_end(start), last, np.minimum(_day(start), last))
        days = month.astype("datetime64[D]") + (day - 1)
        return np.asarray(days.astype("datetime64[ns]") + within)


def infer_frequency(times: Times, same: NDArray[np.bool_]) -> Frequency | None:
    """The commonest step from a row to the next of its series; None where there is none.

    Args:
        times: (rows,) in order within each series.
        same: (rows - 1,) whether a row and the next are of one series.
    """
    apart = np.diff(times)[same]
    if apart.dtype.kind == "m":
        apart = apart.astype("timedelta64[ns]").astype(np.int64)
    apart = apart[apart > 0]
    if not len(apart):
        return None
    values, counts = np.unique(apart, return_counts=True)
    common = values[np.argmax(counts)]
    if times.dtype.kind != "M":
        return Frequency("number", float(common))
    middle = float(np.median(apart)) / DAY
    for months, (low, high) in NEAR.items():
        if low <= middle <= high and _day_kept(times):
            return Frequency("month", months)
    if (
        common == DAY
        and len(times) > FEW
        and bool(np.is_busday(times.astype("datetime64[D]")).all())
    ):
        return Frequency("weekday", 1)
    return Frequency("time", int(common))


def _day_kept(times: Times) -> bool:
    """Whether the dates are those of whole months: one day of the month, or each month's last."""
    return len(np.unique(_day(times))) == 1 or bool(_is_month_end(times).all())


def _months(times: Times) -> NDArray[np.int64]:
    return np.asarray(times.astype("datetime64[M]").astype(np.int64))


def _day(times: Times) -> NDArray[np.int64]:
    days = times.astype("datetime64[D]") - times.astype("datetime64[M]").astype("datetime64[D]")
    return np.asarray(days.astype(np.int64) + 1)


def _is_month_end(times: Times) -> NDArray[np.bool_]:
    days = times.astype("datetime64[D]")
    return np.asarray((days + 1).astype("datetime64[M]") != days.astype("datetime64[M]"))


def wall_seconds(times: Times, zone: str | None) -> NDArray[np.int64]:
    """Seconds since 1970 that a clock of `zone` shows; numbers rounded down, as they are."""
    if times.dtype.kind != "M":
        return np.floor(times).astype(np.int64)
    if zone is not None:
        local = pd.DatetimeIndex(times).tz_localize("UTC").tz_convert(zone).tz_localize(None)
        times = local.to_numpy("datetime64[ns]")
    return np.asarray(times.astype("datetime64[s]").astype(np.int64))
