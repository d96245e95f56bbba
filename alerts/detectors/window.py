"""What a detector is given: a zone's readings within a time, and the ratings of its assets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gateway.model import Flag
from ingest.readings import AssetRow, FloatArray, Series, Window


@dataclass(frozen=True, slots=True)
class ZoneWindow:
    """A zone's window [start_s, end_s) and where it lies."""

    zone_id: str
    latitude: float
    longitude: float
    assets: Mapping[str, AssetRow]
    series: Window
    start_s: float
    end_s: float

    def rating(self, asset: str, name: str) -> float | None:
        """One number of an asset's plate, None when the zone file does not say it."""
        row = self.assets.get(asset)
        return None if row is None else row.rating.get(name)

    def good(self, asset: str, channel: str) -> tuple[FloatArray, FloatArray]:
        """Times and values of a channel without what is missing or flagged bad; empty when there is none."""
        series: Series | None = self.series.get((asset, channel))
        if series is None:
            return np.empty(0), np.empty(0)
        usable = np.isfinite(series.value) & (series.flag != Flag.BAD) & (series.flag != Flag.MISSING)
        return series.t_s[usable], series.value[usable]

    def on(self, t_s: FloatArray, asset: str, channel: str, *, max_age_s: float = 900.0) -> FloatArray:
        """A channel at the times (n,) of another: its newest good reading, NaN where that is older than `max_age_s`."""
        times, values = self.good(asset, channel)
        if not len(times):
            return np.full(len(t_s), np.nan)
        index = np.searchsorted(times, t_s, side="right") - 1
        found = values[np.maximum(index, 0)]
        return np.where((index >= 0) & (t_s - times[np.maximum(index, 0)] <= max_age_s), found, np.nan)

    def sun_elevation_deg(self, t_s: FloatArray) -> FloatArray:
        """Height of the sun at times (n,) [degrees]; see `sun_elevation_deg`."""
        return sun_elevation_deg(t_s, self.latitude, self.longitude)


def sun_elevation_deg(t_s: FloatArray, latitude: float, longitude: float) -> FloatArray:
    """Height of the sun above the horizon, without refraction [degrees].

    Parameters
    ----------
    t_s : (n,) [s since 1970-01-01 UTC]
    latitude, longitude : [degrees, north and east positive]

    Source: J. W. Spencer, Fourier series representation of the position of the sun, Search 2 (1971) 172;
    declination within 0.04°, equation of time within 35 s.
    """
    day = t_s / 86_400.0
    days_of_year = (day - np.floor((day + 0.5) / 365.2425) * 365.2425) % 365.2425
    g = 2 * np.pi * days_of_year / 365.2425
    declination = (
        0.006918 - 0.399912 * np.cos(g) + 0.070257 * np.sin(g) - 0.006758 * np.cos(2 * g)
        + 0.000907 * np.sin(2 * g) - 0.002697 * np.cos(3 * g) + 0.00148 * np.sin(3 * g)
    )  # fmt: skip
    equation_min = 229.18 * (
        0.000075 + 0.001868 * np.cos(g) - 0.032077 * np.sin(g) - 0.014615 * np.cos(2 * g) - 0.040849 * np.sin(2 * g)
    )
    solar_h = (t_s % 86_400.0) / 3600.0 + longitude / 15.0 + equation_min / 60.0
    hour_angle = np.radians(15.0 * (solar_h - 12.0))
    phi = np.radians(latitude)
    sine = np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.cos(hour_angle)
    return np.asarray(np.degrees(np.arcsin(np.clip(sine, -1.0, 1.0))))
