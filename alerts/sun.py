"""Where the sun stands: all that a detector must know of the sky. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def sun_elevation_deg(t_s: FloatArray, latitude: float | FloatArray, longitude: float | FloatArray) -> FloatArray:
    """Height of the sun above the horizon, without refraction [degrees].

    Parameters
    ----------
    t_s : (m,) [s since 1970-01-01 UTC]
    latitude, longitude : numbers, or (n, 1) for many places at once [degrees, north and east positive]

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


def clear_sky_w_m2(elevation_deg: FloatArray) -> FloatArray:
    """Irradiance on level ground under a sky without clouds, the sun so high; nothing below the horizon [W/m²].

    Below 3° it is more than the formula gives, as twilight is.

    Source: B. Haurwitz, Insolation in relation to cloudiness and cloud density, Journal of Meteorology 2 (1945) 154.
    """
    sine = np.sin(np.radians(np.maximum(elevation_deg, 0.0)))
    return np.asarray(1098.0 * sine * np.exp(-0.057 / np.maximum(sine, 0.05)))
