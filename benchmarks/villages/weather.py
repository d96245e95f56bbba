"""The sky over the villages, by the minute: one sky for all, and what each village has of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from benchmarks.villages.chance import rng_for
from benchmarks.villages.span import DAY_MIN, BoolArray, Float32Array, FloatArray, Span
from benchmarks.villages.village import Village

# Of the twelve months, for the Fouta Djallon: mean share of cloud, and chance of rain on a day. Our guesses.
CLOUD = (0.12, 0.12, 0.18, 0.25, 0.38, 0.5, 0.6, 0.65, 0.5, 0.35, 0.18, 0.12)
RAIN = (0.01, 0.02, 0.05, 0.15, 0.35, 0.6, 0.75, 0.8, 0.7, 0.4, 0.08, 0.02)
HAZY_MONTHS = (12, 1, 2, 3)  # harmattan
CLOUD_LASTS_MIN = 25.0


@dataclass(frozen=True, slots=True)
class Weather:
    """sun_w_m2 and air_c are (minutes, villages), rains (days, villages)."""

    sun_w_m2: Float32Array
    air_c: Float32Array
    rains: BoolArray


def draw_weather(seed: int, span: Span, villages: Sequence[Village]) -> Weather:
    """The weather of a season."""
    rng = rng_for(seed, "sky")
    months = [day.month for day in span.dates]
    haze = np.empty(span.days)
    today = 0.9
    for number, month in enumerate(months):
        usual = 0.89 if month in HAZY_MONTHS else 0.97
        today = float(np.clip(usual + 0.85 * (today - usual) + rng.normal(0, 0.04), 0.6, 1))
        haze[number] = today
    cloud = np.array([rng.beta(0.8, 0.8 * (1 - CLOUD[month - 1]) / CLOUD[month - 1]) for month in months])
    rain = rng.random(span.days) < [RAIN[month - 1] for month in months]
    found = [_over(seed, span, village, haze, cloud, rain) for village in villages]
    sun, air, rains = (np.stack(column, axis=1) for column in zip(*found, strict=True))
    return Weather(sun, air, rains)


def _over(
    seed: int, span: Span, village: Village, haze: FloatArray, cloud: FloatArray, rain: BoolArray
) -> tuple[Float32Array, Float32Array, BoolArray]:
    rng = rng_for(seed, "sky", village.number)
    days = span.days
    rains = rain & (rng.random(days) < 0.7)
    clear = np.clip(haze + rng.normal(0, 0.015, days), 0.55, 1.02)
    covered = np.clip(cloud + rng.normal(0, 0.1, days) + 0.2 * rains, 0, 1)
    storm = np.ones(span.minutes)
    for day in np.flatnonzero(rains):
        begins = day * DAY_MIN + int(60 * rng.uniform(12, 18))
        storm[begins : begins + int(60 * rng.uniform(0.7, 3))] = 0.2
    noise = rng.normal(0, np.sqrt(2 / CLOUD_LASTS_MIN), span.minutes)
    passing = lfilter([1.0], [1.0, 1 / CLOUD_LASTS_MIN - 1], noise)
    share = np.repeat(covered, DAY_MIN)
    shade = 1 / (1 + np.exp(-4 * (passing - 2.2 + 4.4 * share)))
    light = (1 - shade * (0.45 + 0.4 * share)) * storm
    light[(shade > 0.2) & (shade < 0.5) & (storm == 1)] *= 1.06  # a cloud's edge reflects
    sun = clear_sky_w_m2(span, village.latitude, village.longitude) * np.repeat(clear, DAY_MIN) * light
    of_day = rng.normal(0, 1.5, days) - 4.0 * rains
    air = 26 + 7 * np.sin(2 * np.pi * (span.hour - 9) / 24) + np.repeat(of_day, DAY_MIN)
    return sun.astype(np.float32), air.astype(np.float32), rains


def clear_sky_w_m2(span: Span, latitude: float, longitude: float) -> FloatArray:
    """Light on a flat place under a clear sky (m,): Haurwitz, J. Meteorology 2 (1945), from the sun's height alone."""
    day_of_year = np.repeat([day.timetuple().tm_yday for day in span.dates], DAY_MIN) + span.hour / 24
    turn = 2 * np.pi * (day_of_year - 81) / 364
    equation_h = (9.87 * np.sin(2 * turn) - 7.53 * np.cos(turn) - 1.5 * np.sin(turn)) / 60
    declination = np.radians(23.45 * np.sin(2 * np.pi * (284 + day_of_year) / 365))  # Cooper 1969
    angle = np.radians(15 * (span.hour + longitude / 15 + equation_h - 12))
    place = np.radians(latitude)
    height = np.sin(place) * np.sin(declination) + np.cos(place) * np.cos(declination) * np.cos(angle)
    up = np.clip(height, 1e-3, None)
    return np.asarray(np.where(height > 0, 1098 * up * np.exp(-0.057 / up), 0.0))
