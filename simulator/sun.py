"""The sun over many zones, minute by minute: position and clear sky by pvlib, clouds and dust from `weather`.

A day depends on the seed, the zone and the date alone, so history and live run agree and it does not matter in which
pieces a time is simulated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from gateway.zones import Zone
from simulator.chance import FloatArray as FloatArray
from simulator.weather import KNOT_MIN, KNOTS, Weather
from simulator.weather import MINUTES as MINUTES

CELL_SOILS = 0.3  # of the panels' dust lies on the reference cell too, which is wiped more often (DOMAIN §3.3)


@dataclass(frozen=True, slots=True)
class SunDay:
    """One UTC day over the zones: arrays (n, 1440), a value per minute, and of the day (n,)."""

    clear_w_m2: FloatArray  # in the plane of the array, had it no cloud
    irradiance_w_m2: FloatArray  # in the plane of the array
    air_c: FloatArray
    module_c: FloatArray
    rain_mm: FloatArray
    soiled: FloatArray

    @property
    def cell_sees(self) -> FloatArray:
        """Share of the light that the reference cell gets through its dust (n,)."""
        return 1 - CELL_SOILS * self.soiled


class Sun:
    """Sun and weather of several zones, a day at a time."""

    def __init__(self, zones: Sequence[Zone], *, seed: int, clear_from: date | None = None) -> None:
        self.weather = Weather(tuple(zone.zone_id for zone in zones), seed=seed, clear_from=clear_from)
        self._latitude = np.array([zone.latitude for zone in zones])[:, None]
        self._longitude = np.array([zone.longitude for zone in zones])[:, None]
        self._altitude_m = np.array([zone.altitude_m for zone in zones])[:, None]
        # The table's cells are a twelfth of a degree wide; neighbours share one.
        cells = [(round(zone.latitude * 12) / 12, round(zone.longitude * 12) / 12) for zone in zones]
        self._linke = np.array([_linke_year(*cell) for cell in cells])
        planes = [_plane(zone) for zone in zones]
        self._tilt = np.array([tilt for tilt, _ in planes])[:, None]
        self._azimuth = np.array([azimuth for _, azimuth in planes])[:, None]

    def day(self, day: date) -> SunDay:
        """Sun, air and dust of a UTC day.

        Source of the module temperature: D. Faiman, Prog. Photovolt. 16 (2008) 307, with the coefficients of pvlib.
        """
        from pvlib.temperature import faiman

        weather = self.weather.day(day)
        clear = self.clear_sky(day)
        sun = clear * weather.through
        module_c = faiman(sun, weather.air_c, weather.wind_m_s)
        return SunDay(
            _minutes(clear), _minutes(sun), _minutes(weather.air_c), _minutes(module_c), weather.rain_mm, weather.soiled
        )

    def clear_sky(self, day: date) -> FloatArray:
        """Clear-sky irradiance in the plane of the arrays at the knots of a day, (n, KNOTS) [W/m²].

        Sources: position I. Reda, A. Andreas, Solar Energy 76 (2004) 577 (NREL SPA); clear sky P. Ineichen, R. Perez,
        Solar Energy 73 (2002) 151, with pvlib's climatological Linke turbidity; transposition J. E. Hay, J. A. Davies
        (1980). Pressure is that of the altitude.
        """
        from pvlib import atmosphere, clearsky, irradiance, spa

        begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
        t_s = begin.timestamp() + 60.0 * KNOT_MIN * np.arange(KNOTS)
        pressure_pa = np.asarray(atmosphere.alt2pres(self._altitude_m))
        zenith, _, _, _, azimuth, _ = spa.solar_position_numpy(
            t_s, self._latitude, self._longitude, self._altitude_m, pressure_pa / 100, 20.0, 69.0, 0.5667, 1
        )
        extra = irradiance.get_extra_radiation(day.timetuple().tm_yday)
        with np.errstate(divide="ignore", invalid="ignore"):  # of a sun below the horizon
            airmass = atmosphere.get_absolute_airmass(atmosphere.get_relative_airmass(zenith), pressure_pa)
            linke = self._linke[:, [day.timetuple().tm_yday - 1]]
            sky = clearsky.ineichen(zenith, airmass, linke, self._altitude_m, extra)
            total = irradiance.get_total_irradiance(
                self._tilt, self._azimuth, zenith, azimuth, sky["dni"], sky["ghi"], sky["dhi"], extra, model="haydavies"
            )
        return np.asarray(np.nan_to_num(total["poa_global"]).clip(min=0.0))


@lru_cache(maxsize=512)
def _linke_year(latitude: float, longitude: float) -> FloatArray:
    """Climatological Linke turbidity by day of a year (366,)."""
    import pandas as pd
    from pvlib.clearsky import lookup_linke_turbidity

    days = pd.date_range("2024-01-01", periods=366, freq="D", tz="UTC")
    return np.asarray(lookup_linke_turbidity(days, latitude, longitude), dtype=np.float64)


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


def _minutes(knots: FloatArray) -> FloatArray:
    """Values at the knots (n, KNOTS), joined by straight lines, at the minutes (n, 1440)."""
    share = np.arange(KNOT_MIN) / KNOT_MIN
    steps = knots[:, :-1, None] + np.diff(knots, axis=1)[:, :, None] * share
    minutes: NDArray[np.float64] = steps.reshape(len(knots), MINUTES)
    return minutes
