"""What day it is in a village: Ramadan and the two feasts, school days and months that pass into each other.

Dates of the Islamic calendar are those of the tabular (civil) calendar with leap years 2, 5, 7, 10, 13, 16, 18, 21, 24,
26 and 29 of 30 (E. M. Reingold, N. Dershowitz, Calendrical Calculations, 4th ed. 2018, ch. 7); the moon that is seen in
Conakry may come a day earlier or later.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import lru_cache

import numpy as np

EPOCH = 227_015  # the ordinal (of `date.toordinal`) of 1 Muharram 1: 16 July 622, Julian
RAMADAN, SHAWWAL, DHU_AL_HIJJA = 9, 10, 12
MID_MONTH = np.array([-15.5, 15.5, 45, 74.5, 105, 135.5, 166, 196.5, 227.5, 258, 288.5, 319, 349.5, 380.5])


def islamic_ordinal(year: int, month: int, day: int) -> int:
    """The ordinal of a day of the tabular Islamic calendar."""
    return EPOCH - 1 + (year - 1) * 354 + (3 + 11 * year) // 30 + 29 * (month - 1) + month // 2 + day


@lru_cache(maxsize=512)
def islamic_date(day: date) -> tuple[int, int, int]:
    """Year, month and day in the tabular Islamic calendar."""
    ordinal = day.toordinal()
    year = (30 * (ordinal - EPOCH) + 10_646) // 10_631
    month = next(m for m in range(12, 0, -1) if islamic_ordinal(year, m, 1) <= ordinal)
    return year, month, ordinal - islamic_ordinal(year, month, 1) + 1


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
