"""The Islamic calendar, by which Guinea fasts and feasts.

Dates are those of the tabular (civil) calendar with leap years 2, 5, 7, 10, 13, 16, 18, 21, 24, 26 and 29 of 30
(E. M. Reingold, N. Dershowitz, Calendrical Calculations, 4th ed. 2018, ch. 7); the moon that is seen in Conakry may
come a day earlier or later.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache

EPOCH = 227_015  # the ordinal (of `date.toordinal`) of 1 Muharram 1: 16 July 622, Julian
RAMADAN, SHAWWAL, DHU_AL_HIJJA = 9, 10, 12
FEASTS = ((SHAWWAL, 1), (DHU_AL_HIJJA, 10))  # Korité and Tabaski


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


def is_near_feast(day: date) -> bool:
    """Whether it is Korité or Tabaski, its eve, or one of the two days after it: who sees the moon when, nobody knows.

    People wash and cook on the eve, and go on visiting on the day after.
    """
    near = (islamic_date(day - timedelta(days=back)) for back in (-1, 0, 1, 2))
    return any((month, number) in FEASTS for _, month, number in near)


def is_near_fast(day: date) -> bool:
    """Whether people fast, or may: in Ramadan, and on the day before and after it by the tabular calendar."""
    near = (islamic_date(day + timedelta(days=apart)) for apart in (-1, 0, 1))
    return any(month == RAMADAN for _, month, _ in near)
