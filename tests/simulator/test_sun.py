"""The sky over Labé: months as they are known, days that differ, dust and rain, and chance that has no memory."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from gateway.zones import Zone
from simulator.chance import keys, normal, uniform
from simulator.sun import Sun, SunDay
from simulator.weather import MOST_SOIL, RAIN_MM, STICKS, WET_MM, Weather
from tests.simulator.days import ZONES

# DOMAIN §2.2, all-sky irradiation on level ground by month, and that of a clear sky [kWh/m² and day]
ALL_SKY = (5.4, 6.0, 6.3, 6.2, 5.7, 5.1, 4.6, 4.4, 4.8, 5.2, 5.3, 5.1)
CLEAR = (6.10, 6.66, 7.15, 7.26, 7.28, 7.12, 7.10, 7.25, 7.01, 6.58, 6.17, 5.86)
YEARS = 4


def on_level_ground(zone: Zone) -> Zone:
    pv = zone.asset("pv")
    level = replace(pv, rating={**pv.rating, "tilt_deg": 0.0})
    return replace(zone, assets=tuple(level if asset is pv else asset for asset in zone.assets))


@pytest.fixture(scope="module")
def years() -> dict[date, SunDay]:
    sun = Sun([on_level_ground(ZONES[0]), on_level_ground(ZONES[3])], seed=1)
    days = (date(2025, 1, 1) + timedelta(days=4 * n) for n in range(YEARS * 91))
    return {day: sun.day(day) for day in days}


def kwh(day: SunDay) -> float:
    return float(day.irradiance_w_m2.mean() * 24 / 1000)


@pytest.mark.parametrize("month", range(1, 13))
def test_the_sun_of_labe_is_as_strong_as_its_months_say(month: int, years: dict[date, SunDay]) -> None:
    found = [kwh(sky) for day, sky in years.items() if day.month == month]
    clear = [sky.clear_w_m2.mean() * 24 / 1000 for day, sky in years.items() if day.month == month]
    assert np.mean(found) == pytest.approx(ALL_SKY[month - 1], rel=0.1)
    assert np.mean(clear) == pytest.approx(CLEAR[month - 1], rel=0.02)


def test_days_of_the_rains_differ_more_than_those_of_the_dry_season(years: dict[date, SunDay]) -> None:
    spread = {
        name: np.std(found) / np.mean(found)
        for name, months in (("dry", (12, 1, 2)), ("rains", (7, 8, 9)))
        if (found := [kwh(sky) for day, sky in years.items() if day.month in months])
    }
    assert 0.04 < spread["dry"] < 0.15
    assert 0.18 < spread["rains"] < 0.35


def test_clouds_pass_within_the_hour_in_the_rains_and_hardly_in_january(years: dict[date, SunDay]) -> None:
    def unrest(month: int) -> float:
        noon = slice(11 * 60, 15 * 60, 5)
        steps = [
            np.abs(np.diff(sky.irradiance_w_m2[:, noon] / sky.clear_w_m2[:, noon], axis=1)).mean()
            for day, sky in years.items()
            if day.month == month
        ]
        return float(np.mean(steps))

    assert unrest(8) > 1.5 * unrest(1) > 0


def test_neighbours_share_most_of_their_weather(years: dict[date, SunDay]) -> None:
    rains = np.array([sky.irradiance_w_m2.sum(axis=1) for day, sky in years.items() if day.month in (7, 8, 9)])
    assert 0.5 < np.corrcoef(rains.T)[0, 1] < 0.95


def test_rain_falls_as_its_months_say_and_on_dark_days() -> None:
    weather = Weather(("a", "b"), seed=2)
    days = [date(2024, 8, 1) + timedelta(days=n) for year in range(6) for n in range(366 * year, 366 * year + 31)]
    august = np.array([weather.day(day).rain_mm for day in days])
    assert august.mean() * 31 == pytest.approx(RAIN_MM[7], rel=0.3)
    through = np.array([weather.day(day).through.mean() for day in days[:31]])
    wet = august[:31, 0] > 20
    assert through[wet].mean() < through[august[:31, 0] == 0].mean()


def test_what_fell_between_two_moments_adds_up_to_the_days_and_falls_after_noon() -> None:
    weather, day_s = Weather(("a", "b"), seed=2), 86_400.0
    first = date(2026, 8, 1)
    midnights = (first - date(1970, 1, 1)).days * day_s + day_s * np.arange(11)
    days = np.array([weather.day(first + timedelta(days=n)).rain_mm for n in range(10)])
    assert days.sum() > 50, "it rains in August"
    np.testing.assert_allclose(weather.fallen_mm(midnights[:-1], midnights[1:]), days)
    morning, evening = midnights[:-1] + 7 * 3600, midnights[:-1] + 20 * 3600
    assert weather.fallen_mm(midnights[:-1], morning).sum() == 0
    np.testing.assert_allclose(weather.fallen_mm(morning, evening), days)
    np.testing.assert_allclose(weather.fallen_mm(morning, morning + 10 * 3600), days / 2, err_msg="half of it by 17:00")


def test_dust_settles_until_somebody_washes_or_rain_does() -> None:
    weather = Weather(tuple(f"zone-{n}" for n in range(20)), seed=1)
    found = np.array([weather.soiled(date(2026, 1, 1) + timedelta(days=n)) for n in range(90)])
    assert (found >= 0).all()
    assert 0.15 < found.max() <= MOST_SOIL
    grows = np.diff(found, axis=0)
    assert np.isclose(grows[(grows > 0)].max(), 0.005), "0.5 % a day in harmattan"
    washed = grows < -0.01
    assert washed.any(axis=0).all(), "each village washes its panels every two to eight weeks"
    august = [date(2026, 8, 1) + timedelta(days=n) for n in range(10)]
    wet = np.array([weather.day(day).rain_mm > WET_MM for day in august])
    assert wet.any()
    assert np.array([weather.soiled(day) for day in august])[wet].max() <= STICKS


def test_solar_noon_is_at_about_ten_to_one() -> None:
    day = Sun([on_level_ground(ZONES[0])], seed=1, clear_from=date(2000, 1, 1)).day(date(2026, 3, 4))
    assert 12 * 60 + 30 <= day.irradiance_w_m2[0].argmax() <= 13 * 60 + 15
    light = np.flatnonzero(day.clear_w_m2[0] > 5)
    assert 7 * 60 <= light[0] + 5 <= 7 * 60 + 25, "sunrise on 21 March is at 06:52 (DOMAIN §2.1)"


def test_modules_are_hotter_than_air_by_what_the_sun_gives() -> None:
    day = Sun(ZONES[:1], seed=1, clear_from=date(2000, 1, 1)).day(date(2026, 3, 4))
    assert (day.module_c >= day.air_c - 1e-9).all()
    assert 15 < (day.module_c - day.air_c)[0, 13 * 60] < 40


def test_chance_is_even_normal_and_the_same_in_any_order() -> None:
    key, count = keys(["a", "b"], seed=1, purpose="test"), np.arange(100_000)
    even, bell = uniform(key[:, None], count), normal(key[:, None], count)
    assert even.mean() == pytest.approx(0.5, abs=0.005)
    assert 0 < even.min() < even.max() < 1
    assert np.histogram(even, bins=10)[0] == pytest.approx(20_000, rel=0.03)
    assert (bell.mean(), bell.std()) == (pytest.approx(0, abs=0.01), pytest.approx(1, abs=0.01))
    assert abs(np.corrcoef(bell)[0, 1]) < 0.01
    assert abs(np.corrcoef(bell[0, 1:], bell[0, :-1])[0, 1]) < 0.01
    np.testing.assert_array_equal(bell[:, 40:50], normal(key[:, None], count[40:50]))
