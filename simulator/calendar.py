"""What day it is in a village: Ramadan and the two feasts, school days and months that pass into each other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np

from gateway.calendar import DHU_AL_HIJJA, RAMADAN, SHAWWAL, islamic_date

MID_MONTH = np.array([-15.5, 15.5, 45, 74.5, 105, 135.5, 166, 196.5, 227.5, 258, 288.5, 319, 349.5, 380.5])


def is_ramadan(day: date) -> bool:
    """Whether people fast by day."""
    return islamic_date(day)[1] == RAMADAN


def is_feast(day: date) -> bool:
    """Whether it is Korité or Tabaski, or the day before, when everybody washes and cooks."""
    _, month, number = islamic_date(day)
    eve_of_korite = month == RAMADAN and islamic_date(date.fromordinal(day.toordinal() + 1))[1] == SHAWWAL
    return eve_of_korite or (month == SHAWWAL and number == 1) or (month == DHU_AL_HIJJA and number in (9, 10))


def is_school_day(day: date) -> bool:
    """Monday to Friday from October to June, without the ten days from Christmas and the first ten of April.

    The ministry fixes the days each year; these are the usual ones.
    """
    holiday = day.month in (7, 8, 9) or (day.month, day.day) >= (12, 24) or (day.month, day.day) <= (1, 2)
    return day.weekday() < 5 and not holiday and not (day.month == 4 and day.day <= 10)


def by_month(values: Sequence[float], day: date) -> float:
    """One of twelve monthly values, joined by straight lines from mid-month to mid-month."""
    ends = [values[-1], *values, values[0]]
    return float(np.interp(day.timetuple().tm_yday, MID_MONTH, ends))
