"""What a clock and a calendar say of a moment, in the graph."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from toolkit.data.frequency import SECOND, Frequency

DAY = 86_400
MONDAY = 3  # days from a Monday to the first of January 1970
FEATURES = ("time of day", "day of week", "day of month", "month")


def phase(seconds: Any, frequency: Frequency, season: int) -> Any:
    """The place within a season, 0 to ``season - 1``, of wall-clock seconds since 1970."""
    if frequency.kind == "month":
        year, month, _ = civil(seconds // DAY)
        steps = (year * 12 + month - 1) // int(frequency.step)
    elif frequency.kind == "weekday":
        days = seconds // DAY + MONDAY
        steps = (days // 7 * 5 + tf.minimum(days % 7, 4)) // int(frequency.step)
    elif frequency.kind == "time":
        steps = seconds // max(int(frequency.step // SECOND), 1)
    else:
        steps = seconds // max(int(frequency.step), 1)
    return tf.math.floormod(steps, season)


def calendar(seconds: Any) -> Any:
    """``(..., 4)``: time of day, weekday, day of the month and month, each from -0.5 to 0.5."""
    days = seconds // DAY
    _, month, day = civil(days)
    parts = [
        tf.cast(tf.math.floormod(seconds, DAY), tf.float32) / DAY,
        tf.cast(tf.math.floormod(days + MONDAY, 7), tf.float32) / 6,
        tf.cast(day - 1, tf.float32) / 30,
        tf.cast(month - 1, tf.float32) / 11,
    ]
    return tf.stack(parts, axis=-1) - 0.5


def civil(days: Any) -> tuple[Any, Any, Any]:
    """Year, month and day of days since 1970, in the Gregorian calendar.

    Counted in eras of 400 years that begin on 1 March, so that the leap day is a year's last.
    """
    shifted = days + 719_468
    era = shifted // 146_097
    within = shifted - era * 146_097
    year = (within - within // 1460 + within // 36_524 - within // 146_096) // 365
    day_of_year = within - (365 * year + year // 4 - year // 100)
    shifted_month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * shifted_month + 2) // 5 + 1
    month = tf.where(shifted_month < 10, shifted_month + 3, shifted_month - 9)
    return year + era * 400 + tf.cast(month <= 2, days.dtype), month, day
