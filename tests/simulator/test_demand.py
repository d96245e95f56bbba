"""What people fetch: litres, hours, calendar, rain, and taps that share it."""

from datetime import date, timedelta

import numpy as np
import pytest

from simulator.calendar import by_month, is_feast, is_ramadan, is_school_day
from simulator.demand import CAN_M3, LITRES_A_DAY, Demand
from tests.simulator.days import ZONES

DRY = np.zeros(len(ZONES))
PEOPLE = np.array([zone.people for zone in ZONES])


@pytest.fixture(scope="module")
def demand() -> Demand:
    return Demand(ZONES, seed=1)


def litres(demand: Demand, day: date, rain_mm: float = 0.0) -> float:
    return float((demand.day(day, DRY + rain_mm).wanted_m3_h.mean(axis=1) * 24_000 / PEOPLE).mean())


def test_people_fetch_eight_to_twelve_litres_a_day_over_the_year(demand: Demand) -> None:
    found = [litres(demand, date(2026, 1, 1) + timedelta(days=n)) for n in range(0, 365, 5)]
    assert np.mean(found) == pytest.approx(LITRES_A_DAY, rel=0.05)
    assert 5 < min(found) < max(found) < 15


def test_water_is_drawn_in_cans_in_a_small_peak_at_seven_and_a_larger_one_at_five(demand: Demand) -> None:
    days = [demand.day(date(2026, 4, 6) + timedelta(days=n), DRY).wanted_m3_h for n in range(20)]
    quarters = 4 * np.array(days)[:, :, ::5] * 5 / 60 / CAN_M3
    assert quarters == pytest.approx(np.rint(quarters), abs=1e-9)
    hourly = np.array(days).reshape(20, 6, 24, 60).mean(axis=(0, 1, 3))
    assert hourly[:12].argmax() in (7, 8)
    assert hourly.argmax() in (16, 17)
    assert hourly[np.r_[0:4, 22:24]].max() == 0, "taps are locked at night"


def test_rain_markets_fridays_and_feasts_have_their_share(demand: Demand) -> None:
    def mean(days: list[date], rain_mm: float = 0.0) -> float:
        return float(np.mean([litres(demand, day, rain_mm) for day in days]))

    mondays = [date(2026, 6, 1) + timedelta(days=7 * n) for n in range(12)]
    fridays = [day + timedelta(days=4) for day in mondays]
    assert mean(mondays, rain_mm=10) == pytest.approx(0.82 * mean(mondays), rel=0.05)
    assert mean(mondays, rain_mm=40) < mean(mondays, rain_mm=10)
    assert mean(fridays) < mean(mondays)
    tabaski = date(2026, 5, 27)
    assert litres(demand, tabaski) > 1.2 * litres(demand, tabaski + timedelta(days=3))
    noon = slice(13 * 60, 14 * 60)
    prayer = np.mean([demand.day(day, DRY).wanted_m3_h[:, noon].mean() for day in fridays])
    usual = np.mean([demand.day(day, DRY).wanted_m3_h[:, noon].mean() for day in mondays])
    assert prayer < 0.6 * usual


def test_in_ramadan_people_fetch_before_dawn_and_after_sunset(demand: Demand) -> None:
    inside, outside = date(2026, 3, 4), date(2026, 4, 1)
    assert (is_ramadan(inside), is_ramadan(outside)) == (True, False)
    before_dawn, evening = slice(3 * 60, 5 * 60), slice(19 * 60, 20 * 60)
    for hours in (before_dawn, evening):
        assert (
            demand.day(inside, DRY).wanted_m3_h[:, hours].mean() > demand.day(outside, DRY).wanted_m3_h[:, hours].mean()
        )


def test_there_are_two_feasts_a_year_and_their_eves() -> None:
    feasts = [
        date(2026, 1, 1) + timedelta(days=n) for n in range(365) if is_feast(date(2026, 1, 1) + timedelta(days=n))
    ]
    assert feasts == [date(2026, 3, 19), date(2026, 3, 20), date(2026, 5, 26), date(2026, 5, 27)]


def test_school_is_out_on_sundays_and_in_august() -> None:
    assert is_school_day(date(2026, 11, 25))
    assert not any(map(is_school_day, (date(2026, 11, 29), date(2026, 8, 12), date(2026, 12, 25), date(2026, 4, 3))))


def test_months_pass_into_each_other() -> None:
    values = list(range(12))
    assert by_month(values, date(2026, 7, 16)) == pytest.approx(6, abs=0.05)
    steps = [by_month(values, date(2026, 2, 1) + timedelta(days=n)) for n in range(300)]
    assert np.abs(np.diff(steps)).max() < 0.05


def test_taps_share_the_water_unevenly_and_all_of_it(demand: Demand) -> None:
    shares = demand.day(date(2026, 4, 6), DRY).shares
    assert shares.sum(axis=2) == pytest.approx(1.0)
    assert (shares[~np.broadcast_to(demand.has_tap[:, None], shares.shape)] == 0).all()
    one = shares[2, :, :20]
    assert 0.3 < np.std(one / one.mean(axis=0)) < 1.0, "a tap's share changes from quarter to quarter"
    assert abs(np.corrcoef(one[:, 3], one[:, 4])[0, 1]) < 0.4
