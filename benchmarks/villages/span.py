"""The minutes of a season."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
DAY_MIN = 1440


@dataclass(frozen=True, slots=True)
class Span:
    """So many days from the midnight (UTC, as in Guinea) that begins `start`; minutes are counted from it."""

    start: date
    days: int

    @property
    def minutes(self) -> int:
        """How many there are."""
        return self.days * DAY_MIN

    @property
    def start_s(self) -> int:
        """The beginning [s since 1970-01-01 UTC]."""
        return int(datetime(self.start.year, self.start.month, self.start.day, tzinfo=UTC).timestamp())

    @property
    def hour(self) -> FloatArray:
        """The hour of the day of each minute (m,)."""
        return np.tile(np.arange(DAY_MIN) / 60, self.days)

    @property
    def dates(self) -> list[date]:
        """Its days."""
        return [self.start + timedelta(days=day) for day in range(self.days)]

    def at(self, minute: int) -> datetime:
        """The instant at which a minute begins."""
        return datetime.fromtimestamp(self.start_s + 60 * minute, UTC)


def by_minute(by_day: NDArray[np.generic]) -> NDArray[np.generic]:
    """What holds for days (d, …), for each of their minutes (m, …)."""
    return np.repeat(by_day, DAY_MIN, axis=0)
