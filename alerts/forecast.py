"""How long the tower's water lasts, from its level and from this zone's own past weeks. Pure.

Each past week is held against the tower as it stands now: had it held this much at this hour of the week, when would it
have been empty? The answers of all weeks are the forecast and its band; nothing is assumed about how people draw water.
A zone with too little past for that is told by its past days, and one with less still is not told at all.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ingest.readings import FloatArray

HORIZON_H = 72
WEEK_H, DAY_H = 168, 24
MIN_WEEKS, MIN_DAYS = 3, 5
BAND = (0.1, 0.9)
ENOUGH_HOURS = 0.8  # of a past stretch must be known; what is missing is taken from the other stretches
SUN_AT_LEAST_KWH_M2 = 0.5  # measured today, before today's sun is held against other days
SUN_BOUNDS = (0.1, 1.5)


class CannotTell(StrEnum):
    """Why there is no forecast."""

    NO_LEVEL = "no_level"
    NO_PAST = "no_past"


class Forecast(NamedTuple):
    """Hours until the tower is empty: the middle one and a band of 80 %; infinite beyond `HORIZON_H`.

    `hours` tells it if no water comes any more. `refilled_h` tells it with the water that pump and sun should bring
    (`inf`: it does not run empty), None where nobody knows what they bring. `stretches` says how many past weeks, or
    days when `by_weeks` is false, it rests on.
    """

    hours: float
    low_h: float
    high_h: float
    refilled_h: float | None
    by_weeks: bool
    stretches: int


def hours_left(
    volume_m3: float,
    full_m3: float,
    use_m3: FloatArray,
    *,
    inflow_m3: FloatArray | None = None,
    sun_factor: float = 1.0,
    hour_of_day: int = 0,
) -> Forecast | CannotTell:
    """How long `volume_m3` lasts.

    Parameters
    ----------
    volume_m3, full_m3 : what the tower holds now, and when full [m³]
    use_m3 : (k,) what was drawn in each past hour, the newest last, NaN where it is not known; an hour in which the
        tower was empty says nothing about what people wanted and must be NaN [m³]
    inflow_m3 : (k,) what the pump brought in each of these hours; None when the pump will bring nothing
    sun_factor : today's sun against other days', for what comes until midnight
    hour_of_day : of the hour that begins now, 0 to 23
    """
    if not np.isfinite(volume_m3) or not full_m3 > 0:
        return CannotTell.NO_LEVEL
    stretches, by_weeks = _stretches(use_m3)
    if stretches is None:
        return CannotTell.NO_PAST
    lasts = np.array([_lasts(volume_m3, stretch) for stretch in stretches])
    low_h, middle_h, high_h = (_quantile(lasts, share) for share in (BAND[0], 0.5, BAND[1]))
    refilled_h = None
    if inflow_m3 is not None:
        refilled_h = _refilled(volume_m3, full_m3, stretches, _usual_day(inflow_m3), sun_factor, hour_of_day)
    return Forecast(middle_h, low_h, high_h, refilled_h, by_weeks, len(stretches))


def sun_factor(today_kwh_m2: float, usual_kwh_m2: FloatArray) -> float:
    """Today's sun until now against what other days had until the same hour; 1 as long as it says too little."""
    known = usual_kwh_m2[np.isfinite(usual_kwh_m2)]
    usual = float(np.median(known)) if len(known) >= MIN_DAYS else np.nan
    if not (np.isfinite(today_kwh_m2) and usual >= SUN_AT_LEAST_KWH_M2):
        return 1.0
    return float(np.clip(today_kwh_m2 / usual, *SUN_BOUNDS))


def _stretches(use_m3: FloatArray) -> tuple[FloatArray | None, bool]:
    """(s, HORIZON_H) what was drawn from this hour of the week on in past weeks; else from this hour on past days."""
    weeks = _cut(use_m3, WEEK_H, HORIZON_H)
    if len(weeks) >= MIN_WEEKS:
        return weeks, True
    days = _cut(use_m3, DAY_H, DAY_H)
    if len(days) >= MIN_DAYS:
        return np.asarray(np.tile(days, HORIZON_H // DAY_H)), False
    return None, False


def _cut(use_m3: FloatArray, period: int, length: int) -> FloatArray:
    """The stretches that begin whole periods ago, as far as enough of them is known."""
    starts = np.arange(len(use_m3) - period, -1, -period)
    found = np.array([use_m3[start : start + length] for start in starts]).reshape(len(starts), length)
    known = np.asarray(found[np.isfinite(found).mean(axis=1) >= ENOUGH_HOURS], dtype=np.float64)
    if not len(known):
        return known
    usual = _column_median(known)
    filled = np.where(np.isfinite(known), known, np.where(np.isfinite(usual), usual, np.nanmedian(known)))
    return np.asarray(np.maximum(filled, 0.0))


def _column_median(value: FloatArray) -> FloatArray:
    """(k,) the median of what is known in each column, NaN where nothing is."""
    ordered = np.sort(value, axis=0)
    count = np.isfinite(value).sum(axis=0)
    at = [np.maximum(count - 1, 0) // 2, np.maximum(count, 1) // 2]
    low, high = (np.take_along_axis(ordered, np.minimum(place, len(value) - 1)[None], axis=0)[0] for place in at)
    return np.asarray((low + high) / 2)


def _usual_day(inflow_m3: FloatArray) -> FloatArray:
    """(24,) the median of each hour of the day of past days; the hour that begins now comes first."""
    days = len(inflow_m3) // DAY_H
    if not days:
        return np.zeros(DAY_H)
    return np.nan_to_num(_column_median(inflow_m3[-days * DAY_H :].reshape(days, DAY_H)))


def _lasts(volume_m3: float, use_m3: FloatArray) -> float:
    """Hours until this use has drawn `volume_m3`; infinite when it does not."""
    drawn = np.cumsum(use_m3)
    place = int(np.searchsorted(drawn, volume_m3))
    if place == len(drawn):
        return np.inf
    before = drawn[place - 1] if place else 0.0
    return float(place + (volume_m3 - before) / use_m3[place]) if use_m3[place] > 0 else float(place)


def _refilled(
    volume_m3: float, full_m3: float, stretches: FloatArray, day_m3: FloatArray, factor: float, hour_of_day: int
) -> float:
    """The middle of the stretches' hours, with what the pump brings as long as the tower has room for it."""
    left = np.full(len(stretches), min(volume_m3, full_m3))
    empty_h = np.full(len(stretches), np.inf)
    for hour in range(stretches.shape[1]):
        today = hour < DAY_H - hour_of_day
        brings = day_m3[hour % DAY_H] * (factor if today else 1.0)
        change = brings - stretches[:, hour]
        is_dry = np.isinf(empty_h) & (left + change <= 0) & (stretches[:, hour] > 0)
        empty_h = np.where(is_dry, hour + np.divide(left, -change, out=np.zeros_like(left), where=change < 0), empty_h)
        left = np.clip(left + change, 0.0, full_m3)
    return _quantile(empty_h, 0.5)


def _quantile(value: FloatArray | NDArray[np.float64], share: float) -> float:
    """A quantile of numbers that may be infinite: the nearest of them, of two the smaller."""
    ordered = np.sort(value)
    return float(ordered[int(np.floor(share * (len(ordered) - 1) + 1e-9))])
