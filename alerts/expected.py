"""How much water a day's sun should have brought, from the zone's own good past days. Pure."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ingest.readings import FloatArray

MIN_DAYS = 7
BAND = 0.15  # DASHBOARD §1.2 plot 4: ±15 %
LEAST_APART_KWH_M2 = 0.1  # of the suns of two days between which a slope says anything
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
    """`expected_daily_volumes` of one zone; None where nothing can be expected."""
    room = np.full(len(volume_m3), np.nan) if room_m3 is None else room_m3
    found = expected_daily_volumes(
        insolation_kwh_m2[None], volume_m3[None], np.array([insolation_of_day]), room_m3=room[None],
        room_of_day=np.array([room_of_day]),
    )[0]  # fmt: skip
    return Expected(*found.tolist()) if np.isfinite(found[0]) else None


def expected_daily_volumes(
    insolation_kwh_m2: FloatArray,
    volume_m3: FloatArray,
    insolation_of_day: FloatArray,
    *,
    room_m3: FloatArray,
    room_of_day: FloatArray,
) -> FloatArray:
    """The volume that a day of this sun brings in each of many zones.

    A robust line through the zone's past days: the median of the slopes between pairs of days (Theil-Sen), and the
    median offset, so that a week with a broken pump does not teach it that little water is normal.

    Parameters
    ----------
    insolation_kwh_m2, volume_m3 : (z, n) past days, NaN where one of them is not known [kWh/m², m³]
    insolation_of_day : (z,) of the day in question [kWh/m²]
    room_m3, room_of_day : (z, n) and (z,) what the tower could take on each past day and on the day in question: its
        free room at midnight and what was drawn since (see `room_of`); NaN or infinite where nobody knows [m³]. Days
        that filled it say nothing about the sun and do not teach, as long as seven others are there; no day can bring
        more than that, and few bring all of it: what is drawn after the sun has gone is not lifted again

    Returns
    -------
    (z, 3) expectation and its band [m³], NaN with fewer than seven usable days

    Source: P. K. Sen, Estimates of the regression coefficient based on Kendall's tau, JASA 63 (1968) 1379-1389.
    """
    usable = np.isfinite(insolation_kwh_m2) & np.isfinite(volume_m3) & (volume_m3 > 0)
    had_room = usable & ~(volume_m3 >= NEARLY_ALL * room_m3)
    teaches = np.where((had_room.sum(axis=1) >= MIN_DAYS)[:, None], had_room, usable)
    sun, volume = np.where(teaches, insolation_kwh_m2, np.nan), np.where(teaches, volume_m3, np.nan)
    first, second = np.triu_indices(sun.shape[1], k=1)
    sun_step, volume_step = sun[:, second] - sun[:, first], volume[:, second] - volume[:, first]
    apart = np.abs(sun_step) > LEAST_APART_KWH_M2
    rises = np.full(apart.shape, np.nan)
    np.divide(volume_step, sun_step, out=rises, where=apart)
    slope = np.maximum(0.0, np.nan_to_num(_medians(rises)))
    offset = _medians(volume - slope[:, None] * sun)
    expected = np.maximum(0.0, offset + slope * insolation_of_day)
    expected[(usable.sum(axis=1) < MIN_DAYS) | ~np.isfinite(insolation_of_day)] = np.nan
    room = np.where(np.isfinite(room_of_day), np.maximum(0.0, room_of_day), np.inf)
    middle = np.minimum(expected, room)
    return np.stack([middle, (1 - BAND) * middle, np.minimum((1 + BAND) * expected, room)], axis=1)


def _medians(rows: FloatArray) -> FloatArray:
    """(z,) medians of what is known of each row (z, n), NaN where nothing is, many times faster than `np.nanmedian`."""
    if not rows.shape[1]:
        return np.full(len(rows), np.nan)
    ordered = np.sort(rows, axis=1)  # NaN last
    known = np.isfinite(ordered).sum(axis=1)
    at, low, high = np.arange(len(rows)), np.maximum(known - 1, 0) // 2, np.minimum(known // 2, rows.shape[1] - 1)
    middle: FloatArray = (ordered[at, low] + ordered[at, high]) / 2
    return np.where(known > 0, middle, np.nan)


def room_of(level_m: FloatArray, drawn_m3: FloatArray, *, full_level_m: FloatArray, full_m3: FloatArray) -> FloatArray:
    """What towers could take on a day: their free room when the day began, and what was drawn since [m³].

    Straight walls are assumed. NaN when level, draw or the tower's size is not known.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(full_level_m > 0, np.clip(level_m / full_level_m, 0.0, 1.0), np.nan)
    return np.asarray(full_m3 * (1 - share) + np.maximum(0.0, drawn_m3))
