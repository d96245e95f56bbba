"""How much water a day's sun should have brought, from the zone's own good past days. Pure."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ingest.readings import FloatArray

MIN_DAYS = 7
BAND = 0.15  # DASHBOARD §1.2 plot 4: ±15 %


class Expected(NamedTuple):
    """Expected volume of a day and its band [m³]."""

    volume_m3: float
    low_m3: float
    high_m3: float


def expected_daily_volume(
    insolation_kwh_m2: FloatArray, volume_m3: FloatArray, insolation_of_day: float
) -> Expected | None:
    """The volume that a day of this sun brings in this zone.

    A robust line through the zone's past days: the median of the slopes between pairs of days (Theil-Sen), and the
    median offset, so that a week with a broken pump does not teach it that little water is normal.

    Parameters
    ----------
    insolation_kwh_m2, volume_m3 : (n,) past days, NaN where one of them is not known [kWh/m², m³]
    insolation_of_day : of the day in question [kWh/m²]

    Returns
    -------
    the expectation, or None with fewer than seven usable days

    Source: P. K. Sen, Estimates of the regression coefficient based on Kendall's tau, JASA 63 (1968) 1379-1389.
    """
    usable = np.isfinite(insolation_kwh_m2) & np.isfinite(volume_m3) & (volume_m3 > 0)
    sun, volume = insolation_kwh_m2[usable], volume_m3[usable]
    if len(sun) < MIN_DAYS or not np.isfinite(insolation_of_day):
        return None
    first, second = np.triu_indices(len(sun), k=1)
    apart = np.abs(sun[second] - sun[first]) > 0.1
    slope = 0.0
    if apart.any():
        rise = (volume[second] - volume[first])[apart] / (sun[second] - sun[first])[apart]
        slope = max(0.0, float(np.median(rise)))
    offset = float(np.median(volume - slope * sun))
    expected = max(0.0, offset + slope * insolation_of_day)
    return Expected(expected, expected * (1 - BAND), expected * (1 + BAND))
