"""What a committee does on purpose: stops the pump for an inspection, and washes the tower. States, never faults.

How often is an assumption. A day depends on the seed, the zone and the date alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from simulator.chance import keys, uniform
from simulator.weather import MINUTES

STOPS_ONE_DAY_IN = 20
STOP_FROM_MIN, STOP_SPAN_MIN = 9 * 60, 6 * 60  # in daylight
STOP_MIN, STOP_MORE_MIN = 20, 20
WASHES_EVERY_DAYS = 60, 60  # least, and at most so many more
DRAINS_FROM, DRAINED_BY, WASHED_BY = 6 * 60, 7 * 60, 8 * 60  # minutes of the day


@dataclass(frozen=True, slots=True)
class HabitsDay:
    """One UTC day by minute, (n, 1440): the pump is stopped by hand; the tower is drained; its outlet is shut."""

    is_stopped: NDArray[np.bool_]
    is_washed: NDArray[np.bool_]  # from draining to filling: outlet shut and pump off
    is_drained: NDArray[np.bool_]


class Habits:
    """The habits of several zones; `calm_from` is the day from which nothing of the kind is done."""

    def __init__(self, zones: Sequence[str], *, seed: int, calm_from: date | None = None) -> None:
        self._calm_from = calm_from
        self._stops = keys(zones, seed=seed, purpose="planned stop")
        washes = keys(zones, seed=seed, purpose="the tower is washed")
        least, more = WASHES_EVERY_DAYS
        self._every = (least + np.floor(more * uniform(washes, np.array(0)))).astype(np.int64)
        self._phase = np.floor(1000 * uniform(washes, np.array(1))).astype(np.int64)

    def day(self, day: date) -> HabitsDay:
        """What is done on purpose on a UTC day."""
        minute, number = np.arange(MINUTES), np.array(4 * day.toordinal())
        is_calm = self._calm_from is not None and day >= self._calm_from
        stops = (uniform(self._stops, number) < 1 / STOPS_ONE_DAY_IN) & (not is_calm)
        begin = np.floor(STOP_FROM_MIN + STOP_SPAN_MIN * uniform(self._stops, number + 1))
        end = begin + np.floor(STOP_MIN + STOP_MORE_MIN * uniform(self._stops, number + 2))
        is_stopped = stops[:, None] & (minute >= begin[:, None]) & (minute < end[:, None])
        washes = ((day.toordinal() + self._phase) % self._every == 0)[:, None] & (not is_calm)
        is_washed = washes & (minute >= DRAINS_FROM) & (minute < WASHED_BY)
        return HabitsDay(is_stopped & ~is_washed, is_washed, washes & (minute >= DRAINS_FROM) & (minute < DRAINED_BY))
