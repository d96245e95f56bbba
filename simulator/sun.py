"""The sun over a zone, minute by minute: clear sky by pvlib, clouds from a seeded process.

A day depends on the seed, the zone and the date alone, so history and live run agree and it does not matter in which
pieces a time is simulated.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from gateway.zones import Zone

FloatArray = NDArray[np.float64]

MINUTES = 1440
KNOT_MIN = 5  # the sun is computed every five minutes and joined by straight lines
# DOMAIN §2.2: all-sky over clear-sky irradiation, and mean daily minimum and maximum of the air [°C], by month.
CLEARNESS = (0.89, 0.90, 0.88, 0.85, 0.78, 0.72, 0.65, 0.61, 0.68, 0.79, 0.86, 0.87)
AIR_MIN_C = (12, 14, 16, 18, 18, 18, 17, 17, 17, 17, 14, 12)
AIR_MAX_C = (30, 32, 33, 33, 30, 27, 26, 25, 26, 27, 28, 29)
DAY_TO_DAY = 0.11  # spread of a day's clearness around the month's
HAZE_FREE = 0.97  # what the clearest sky lets through of the clear-sky model
COOLING_C_M2_W = 0.03  # free-standing modules: NOCT 45 °C at 800 W/m² is 0.031 °C per W/m²


@dataclass(frozen=True, slots=True)
class SunDay:
    """One UTC day over one zone: arrays (1440,), a value per minute."""

    irradiance_w_m2: FloatArray
    air_c: FloatArray
    module_c: FloatArray


def sun_day(zone: Zone, day: date, *, seed: int, is_clear: bool) -> SunDay:
    """Sun and air of a UTC day; `is_clear` takes the clouds away."""
    return _sun_day(
        zone.latitude, zone.longitude, zone.altitude_m, _plane(zone), day, zone_seed(zone.zone_id, seed), is_clear
    )


def zone_seed(zone_id: str, seed: int) -> int:
    """A seed of the zone's own, like no other zone's."""
    return int.from_bytes(sha256(f"{seed}/{zone_id}".encode()).digest()[:8], "big")


def day_rng(seed: int, day: date, purpose: int) -> np.random.Generator:
    """The source of chance for one purpose of one zone and day."""
    return np.random.default_rng([seed, day.toordinal(), purpose])


def _plane(zone: Zone) -> tuple[float, float]:
    try:
        rating = zone.asset("pv").rating
    except KeyError:
        return 12.0, 180.0
    return rating["tilt_deg"], rating["azimuth_deg"]


@lru_cache(maxsize=4096)
def _sun_day(
    latitude: float,
    longitude: float,
    altitude_m: float,
    plane: tuple[float, float],
    day: date,
    seed: int,
    is_clear: bool,
) -> SunDay:
    month = _clear_month(latitude, longitude, altitude_m, plane, day.year, day.month)
    knots = month[(day.day - 1) * 288 : day.day * 288 + 1]
    minute = np.arange(MINUTES)
    clear = np.interp(minute, np.arange(len(knots)) * KNOT_MIN, knots)
    through = np.full(MINUTES, HAZE_FREE) if is_clear else _clouds(day, seed)
    irradiance = clear * through
    low, high = AIR_MIN_C[day.month - 1], AIR_MAX_C[day.month - 1]
    warmth = np.clip(np.sin((minute / 60 - 8.5) / 13.5 * np.pi), -0.15, 1.0)  # warmest at about 15:15
    air = low + (high - low) * np.maximum(warmth, 0.0) + day_rng(seed, day, 3).normal(0, 0.8)
    return SunDay(irradiance, air, air + COOLING_C_M2_W * irradiance)


def _clouds(day: date, seed: int) -> FloatArray:
    """Share of the clear sky that comes through, (1440,): a level for the day and an AR(1) process within it."""
    today, before = (day_rng(seed, day - timedelta(days=n), 1).normal() for n in (0, 1))
    level = CLEARNESS[day.month - 1] + DAY_TO_DAY * (0.8 * today + 0.6 * before)
    level = float(np.clip(level, 0.2, HAZE_FREE))
    unrest = 0.9 * (1.0 - level)  # a bright day is a steady one
    steps = day_rng(seed, day, 2).normal(size=MINUTES // KNOT_MIN + 1)
    process = np.empty(len(steps))
    value = 0.0
    for n, step in enumerate(steps):
        value = 0.9 * value + 0.436 * step  # keeps a spread of 1
        process[n] = value
    knots = np.clip(level + unrest * process * 0.6, 0.08, 1.05)
    return np.interp(np.arange(MINUTES), np.arange(len(knots)) * KNOT_MIN, knots)


@lru_cache(maxsize=512)
def _clear_month(
    latitude: float, longitude: float, altitude_m: float, plane: tuple[float, float], year: int, month: int
) -> FloatArray:
    """Clear-sky irradiance in the plane of the array every five minutes of a month and the knot after it [W/m²].

    Source: P. Ineichen, R. Perez, Solar Energy 73 (2002) 151, with pvlib's climatological Linke turbidity; isotropic
    diffuse sky, for a plane that is nearly flat.
    """
    import pandas as pd
    import pvlib

    begin = datetime(year, month, 1, tzinfo=UTC)
    end = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    times = pd.date_range(begin, end, freq=f"{KNOT_MIN}min")
    place = pvlib.location.Location(latitude, longitude, "UTC", altitude_m)
    position = place.get_solarposition(times, method="nrel_numpy")
    sky = place.get_clearsky(times, model="ineichen", solar_position=position)
    tilt, azimuth = plane
    total = pvlib.irradiance.get_total_irradiance(
        tilt, azimuth, position["apparent_zenith"], position["azimuth"], sky["dni"], sky["ghi"], sky["dhi"]
    )
    plane_of_array: FloatArray = np.nan_to_num(total["poa_global"].to_numpy(dtype=np.float64))
    return plane_of_array.clip(min=0.0)
