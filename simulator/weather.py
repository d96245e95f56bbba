"""The weather of Labé over many zones, day by day: clouds, haze, rain, air, wind, and dust on the panels.

A day depends on the seed, the zone and the date alone: what lasts longer (wet spells, dust that settles) is told by
looking back over earlier days. Neighbours share most of their weather. Monthly means: DOMAIN §2.2 and §2.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import numpy as np
from scipy.special import ndtr, ndtri

from simulator.calendar import by_month
from simulator.chance import FloatArray, KeyArray, keys, normal, uniform

MINUTES = 1440
KNOT_MIN = 5  # computed every five minutes and joined by straight lines
KNOTS = MINUTES // KNOT_MIN + 1
# By month: all-sky over clear-sky irradiation, mean daily minimum and maximum of the air [°C], rain [mm], rainy days.
CLEARNESS = (0.89, 0.90, 0.88, 0.85, 0.78, 0.72, 0.65, 0.61, 0.68, 0.79, 0.86, 0.87)
AIR_MIN_C = (12, 14, 16, 18, 18, 18, 17, 17, 17, 17, 14, 12)
AIR_MAX_C = (30, 32, 33, 33, 30, 27, 26, 25, 26, 27, 28, 29)
RAIN_MM = (2, 3, 8, 40, 140, 235, 320, 340, 280, 145, 25, 3)
RAINY_DAYS = (0.3, 0.4, 1.2, 4, 11, 18, 24, 25, 22, 13, 3, 0.5)
# What harmattan dust takes beyond the Linke turbidity of the clear-sky model (§2.3: from the end of November to the
# middle of March, strongest from 15 December to 15 January).
HAZE = (0.07, 0.06, 0.03, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.015, 0.06)
HAZE_FREE = 0.97  # what the clearest sky lets through of the clear-sky model
LOOK_BACK = 7  # days over which a spell of weather is remembered
SHARED = 0.85  # of the weather's spread is shared by villages that lie within 35 km
# A cloud takes most of the beam: kt is bimodal, clear or covered, when seen minute by minute (H. Suehrcke, P. G.
# McCormick, Solar Energy 40 (1988) 413).
COVERED, OPEN = 0.25, 1.02
CLOUD_KEEPS = 0.9  # from one knot to the next: clouds pass in some 50 minutes
EDGE = 1.6  # how sharply clear passes into covered
WET_MM = 5.0  # of rain wash panels down to what sticks (§2.3)
STICKS = 0.02
SOILS, SOILS_IN_HARMATTAN = 0.002, 0.005  # share of the light a day (§2.3)
MOST_SOIL = 0.4
DAY_S, EPOCH_DAY = 86_400.0, date(1970, 1, 1).toordinal()
RAINS_FROM_S, RAINS_UNTIL_S = 14 * 3600.0, 20 * 3600.0  # of the day: convection builds up after noon
SOIL_DAYS = 120  # of looking back


@dataclass(frozen=True, slots=True)
class WeatherDay:
    """One UTC day: share of clear-sky light, air and wind by knot (n, KNOTS); rain and dust of the day (n,)."""

    through: FloatArray
    air_c: FloatArray
    wind_m_s: FloatArray
    rain_mm: FloatArray
    soiled: FloatArray  # share of the light that dust on the panels takes


class Weather:
    """The weather of several zones; `clear_from` takes clouds and rain away from a day on."""

    def __init__(self, zones: tuple[str, ...], *, seed: int, clear_from: date | None = None) -> None:
        self._clear_from = clear_from

        def made(purpose: str) -> KeyArray:
            return keys(zones, seed=seed, purpose=purpose)[:, None]

        def shared(purpose: str) -> KeyArray:
            return keys(["the Fouta"], seed=seed, purpose=purpose)[:, None]

        self._sky, self._sky_all = made("sky"), shared("sky")
        self._haze_all, self._air_all, self._rain, self._cloud = shared("haze"), shared("air"), made("rain"), made("c")
        self._wind = made("wind")
        washing = made("panels are washed")
        self._washed_every = (14 + np.floor(47 * uniform(washing, np.array(0)))).astype(np.int64)  # days
        self._washed_on = np.floor(1000 * uniform(washing, np.array(1))).astype(np.int64)

    def day(self, day: date) -> WeatherDay:
        """The weather of a UTC day."""
        number = np.array([day.toordinal()])
        mood = self._mood(number)
        rain_mm = self._rain_mm(number, mood)[:, 0]
        if self._is_clear(day.toordinal()):
            through = np.full((len(self._sky), KNOTS), HAZE_FREE)
        else:
            through = self._through(day, mood, rain_mm)
        hour = np.arange(KNOTS) * KNOT_MIN / 60
        warmth = np.clip(np.sin((hour - 8.5) / 13.5 * np.pi), 0.0, 1.0)  # warmest at about 15:15
        low = by_month(AIR_MIN_C, day) + 0.8 * normal(self._air_all, number)
        air_c = low + (by_month(AIR_MAX_C, day) - by_month(AIR_MIN_C, day)) * warmth - 2.0 * (rain_mm > 0)[:, None]
        gusts = np.exp(0.4 * normal(self._wind, number * 24 + np.arange(24)))
        wind = 0.6 + 1.4 * warmth * gusts[:, np.minimum(hour.astype(np.int64), 23)]
        return WeatherDay(through, air_c, wind, rain_mm, self.soiled(day))

    def fallen_mm(self, start_s: FloatArray, end_s: FloatArray) -> FloatArray:
        """The rain between each two moments (k,) [s since 1970-01-01 UTC], (k, n): evenly over its hours of the day."""
        moments = np.stack([start_s, end_s])
        day, of_day_s = (part.astype(np.int64) for part in np.divmod(moments, DAY_S))
        days = np.arange(day.min(), day.max() + 1)
        rain = self._rain_mm(days + EPOCH_DAY, self._mood(days + EPOCH_DAY))
        before, at = np.cumsum(rain, axis=1) - rain, day - days[0]
        share = np.clip((of_day_s - RAINS_FROM_S) / (RAINS_UNTIL_S - RAINS_FROM_S), 0.0, 1.0)
        by_then = before[:, at] + rain[:, at] * share
        return np.asarray((by_then[:, 1] - by_then[:, 0]).T)

    def soiled(self, day: date) -> FloatArray:
        """Share of the light that dust takes on a day (n,): it grows, rain washes it off, and so do people.

        Source: the model of DOMAIN §2.3; each village washes its panels every two to eight weeks.
        """
        numbers = day.toordinal() - np.arange(SOIL_DAYS, -1, -1)
        rain = self._rain_mm(numbers, self._mood(numbers))
        is_washed = (numbers + self._washed_on) % self._washed_every == 0
        soiled = np.full(len(self._sky), 0.03)
        for column, number in enumerate(numbers.tolist()):
            soiled = np.minimum(MOST_SOIL, soiled + _soiling_rate(number))
            soiled = np.where(rain[:, column] >= WET_MM, np.minimum(soiled, STICKS), soiled)
            soiled[is_washed[:, column]] = 0.0
        return soiled

    def _is_clear(self, ordinal: int) -> bool:
        return self._clear_from is not None and ordinal >= self._clear_from.toordinal()

    def _mood(self, numbers: np.ndarray[tuple[int], np.dtype[np.int64]]) -> FloatArray:
        """How bright days are against their season, standard normal and with a memory of days, (n, days)."""
        together = np.sqrt(SHARED) * _spell(self._sky_all, numbers) + np.sqrt(1 - SHARED) * _spell(self._sky, numbers)
        return np.asarray(together)

    def _rain_mm(self, numbers: np.ndarray[tuple[int], np.dtype[np.int64]], mood: FloatArray) -> FloatArray:
        """Rain (n, days): it falls on the darkest days of a season, and is exponentially distributed."""
        chance, amount = np.array([_rain_of(number) for number in numbers.tolist()]).T
        falls = mood < ndtri(chance)
        if self._clear_from is not None:
            falls = falls & (numbers < self._clear_from.toordinal())
        return np.where(falls, -np.log(uniform(self._rain, numbers)) * amount, 0.0)

    def _through(self, day: date, mood: FloatArray, rain_mm: FloatArray) -> FloatArray:
        """Share of the clear-sky light (n, KNOTS): haze of the day, and clouds that come and go around its mean."""
        number = np.array([day.toordinal()])
        haze = by_month(HAZE, day) * np.exp(0.5 * _spell(self._haze_all, number) - 0.125)
        mean = by_month(CLEARNESS, day) / (1 - by_month(HAZE, day))
        level = np.clip(mean + (0.02 + 0.32 * (1 - mean)) * mood, 0.12, 0.99)
        covered = np.minimum(COVERED, 0.6 * level)
        open_share = np.clip((level - covered) / (OPEN - covered), 0.005, 0.995)
        centre = ndtri(open_share) * np.sqrt(1 + EDGE**2) / EDGE  # E[Φ(k (x + c))] = Φ(k c / √(1 + k²))
        afternoon = np.clip((np.arange(KNOTS) * KNOT_MIN / 60 - 13) / 5, -1, 1)
        centre = centre - 0.35 * afternoon * (rain_mm > 0)[:, None]  # convection builds up after noon
        step = normal(self._cloud, number * 512 + np.arange(KNOTS))
        process = np.empty_like(step)
        value = process[:, 0] = step[:, 0]
        fresh = np.sqrt(1 - CLOUD_KEEPS**2)
        for knot in range(1, KNOTS):
            value = process[:, knot] = CLOUD_KEEPS * value + fresh * step[:, knot]
        return np.asarray((covered + (OPEN - covered) * ndtr(EDGE * (process + centre))) * (1 - haze))


def _spell(key: KeyArray, numbers: np.ndarray[tuple[int], np.dtype[np.int64]]) -> FloatArray:
    """Standard normal numbers by day (n, days) that keep half of a day's for the next."""
    weights = 0.5 ** np.arange(LOOK_BACK)
    first = numbers[0] - LOOK_BACK + 1
    days = normal(key, np.arange(first, numbers[-1] + 1))
    spell = sum(w * days[:, LOOK_BACK - 1 - k : days.shape[1] - k] for k, w in enumerate(weights))
    return np.asarray(spell / np.sqrt(np.sum(weights**2)))


@lru_cache(maxsize=1024)
def _rain_of(ordinal: int) -> tuple[float, float]:
    """Share of the days of this season on which it rains, and how much then [mm]."""
    day = date.fromordinal(ordinal)
    days, mm = by_month(RAINY_DAYS, day), by_month(RAIN_MM, day)
    return days / 30.4, mm / days


@lru_cache(maxsize=1024)
def _soiling_rate(ordinal: int) -> float:
    day = date.fromordinal(ordinal)
    is_harmattan = day.month in (12, 1, 2) or (day.month == 3 and day.day <= 15)
    return SOILS_IN_HARMATTAN if is_harmattan else SOILS
