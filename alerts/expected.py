"""How much water a day's sun should have brought, from the zone's own good past days. Pure."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ingest.readings import FloatArray

MIN_DAYS = 7
BAND = 0.15  # DASHBOARD §1.2 plot 4: ±15 %
NEARLY_ALL = 0.95  # of what a tower could take: the day's volume tells of the tower, not of the sun


class Expected(NamedTuple):
    """Expected volume of a day and its band [m³]."""

    volume_m3: float
    low_m3: float
    high_m3: float


def expected_daily_volume(
    insolation_kwh_m2: FloatArray,
    volume_m3: FloatArray,
    insolation_of_day: float,
    *,
    room_m3: FloatArray | None = None,
    room_of_day: float = np.inf,
) -> Expected | None:
    """The volume that a day of this sun brings in this zone.

    A robust line through the zone's past days: the median of the slopes between pairs of days (Theil-Sen), and the
    median offset, so that a week with a broken pump does not teach it that little water is normal.

    Parameters
    ----------
    insolation_kwh_m2, volume_m3 : (n,) past days, NaN where one of them is not known [kWh/m², m³]
    insolation_of_day : of the day in question [kWh/m²]
    room_m3, room_of_day : what the tower could take on each past day and on the day in question: its free room at
        midnight and what was drawn since (see `room_of`); NaN or infinite where nobody knows [m³]. Days that filled it
        say nothing about the sun and do not teach, as long as seven others are there; no day can bring more than that

    Returns
    -------
    the expectation, or None with fewer than seven usable days

    Source: P. K. Sen, Estimates of the regression coefficient based on Kendall's tau, JASA 63 (1968) 1379-1389.
    """
    usable = np.isfinite(insolation_kwh_m2) & np.isfinite(volume_m3) & (volume_m3 > 0)
    if usable.sum() < MIN_DAYS or not np.isfinite(insolation_of_day):
        return None
    if room_m3 is not None:
        had_room = usable & ~(volume_m3 >= NEARLY_ALL * room_m3)
        usable = had_room if had_room.sum() >= MIN_DAYS else usable
    sun, volume = insolation_kwh_m2[usable], volume_m3[usable]
    first, second = np.triu_indices(len(sun), k=1)
    apart = np.abs(sun[second] - sun[first]) > 0.1
    slope = 0.0
    if apart.any():
        rise = (volume[second] - volume[first])[apart] / (sun[second] - sun[first])[apart]
        slope = max(0.0, float(np.median(rise)))
    offset = float(np.median(volume - slope * sun))
    expected = max(0.0, offset + slope * insolation_of_day)
    room = max(0.0, room_of_day) if np.isfinite(room_of_day) else np.inf
    return Expected(min(expected, room), min(expected * (1 - BAND), room), min(expected * (1 + BAND), room))


def room_of(level_m: float | None, drawn_m3: float | None, *, full_level_m: float, full_m3: float) -> float:
    """What a tower could take on a day: its free room when the day began, and what was drawn since [m³].

    Straight walls are assumed. NaN when level or draw is not known.
    """
    if level_m is None or drawn_m3 is None or not full_level_m > 0:
        return float("nan")
    return full_m3 * (1 - min(1.0, max(0.0, level_m / full_level_m))) + max(0.0, drawn_m3)
