"""What is done on purpose: stopping the pump to look at it, washing the tower, exchanging a meter. Never faults.

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
METERS = 2  # the pump's, and the tower's
METER_LASTS_DAYS = 6 * 365, 4 * 365  # least, and at most so many more
EXCHANGED_AT = 10 * 60


@dataclass(frozen=True, slots=True)
class HabitsDay:
    """One UTC day by minute, (n, 1440): the pump is stopped by hand; the tower is drained; its outlet is shut.

    `is_new_meter` (n, 1440, METERS): a meter that begins at zero takes the place of one.
    """

    is_stopped: NDArray[np.bool_]
    is_washed: NDArray[np.bool_]  # from draining to filling: outlet shut and pump off
    is_drained: NDArray[np.bool_]
    is_new_meter: NDArray[np.bool_]


class Habits:
    """The habits of several zones; `calm_from` is the day from which nothing of the kind is done."""

    def __init__(self, zones: Sequence[str], *, seed: int, calm_from: date | None = None) -> None:
        self._calm_from = calm_from
        self._stops = keys(zones, seed=seed, purpose="planned stop")
        washes = keys(zones, seed=seed, purpose="the tower is washed")
        least, more = WASHES_EVERY_DAYS
        self._every = (least + np.floor(more * uniform(washes, np.array(0)))).astype(np.int64)
        self._phase = np.floor(1000 * uniform(washes, np.array(1))).astype(np.int64)
        meters, meter = keys(zones, seed=seed, purpose="meters are exchanged")[:, None], np.arange(METERS)
        least, more = METER_LASTS_DAYS
        self._lasts = (least + np.floor(more * uniform(meters, meter))).astype(np.int64)
        self._age = np.floor(self._lasts * uniform(meters, METERS + meter)).astype(np.int64)

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
        is_drained = washes & (minute >= DRAINS_FROM) & (minute < DRAINED_BY)
        exchanged = ((day.toordinal() + self._age) % self._lasts == 0) & (not is_calm)
        is_new_meter = exchanged[:, None, :] & (minute == EXCHANGED_AT)[:, None]
        return HabitsDay(is_stopped & ~is_washed, is_washed, is_drained, is_new_meter)
