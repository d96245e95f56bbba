"""Formulas of the plots against numbers worked out by hand, and their traps: gaps, full towers, exchanged meters."""

from __future__ import annotations

import numpy as np
import pytest

from web.measures import (
    KWH_PER_M3_M,
    autonomy_days,
    heard_share,
    level_of,
    line_of_medians,
    lowest_of_week,
    performance_ratio,
    pumping_share,
    room_by_hour,
    service_share,
    specific_energy_by_day,
    starting_sun,
    starts_in_hours,
    tower_days,
    weekly_median,
    wire_to_water,
    yield_m3_kwp_h,
)

NAN = float("nan")


def test_lifting_a_cubic_metre_by_a_metre_takes_9810_joules() -> None:
    assert pytest.approx(1000 * 9.81 / 3.6e6, rel=1e-4) == KWH_PER_M3_M


def test_a_line_goes_through_the_medians_and_a_cloud_does_not_turn_it() -> None:
    # Three readings in each of six steps of 25 W/m²; flow = 0.01 (sun - 260), as DASHBOARD §7.3 draws a threshold.
    sun = np.repeat(np.arange(312.5, 460.0, 25.0), 3)
    flow = 0.01 * (sun - 260.0)
    flow[4] = 0.0  # one of three under a cloud
    found = line_of_medians(sun, flow)
    assert found is not None
    assert found.slope == pytest.approx(0.01)
    assert found.at(360.0) == pytest.approx(1.0)
    assert (found.low, found.high) == (312.5, 437.5)
    assert np.isnan(found.at(500.0))


@pytest.mark.parametrize(
    ("sun", "flow"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([NAN] * 12, [1.0] * 12, id="no-sun-known"),
        pytest.param([300.0] * 12, [1.0] * 12, id="one-step-of-sun"),
        pytest.param([300.0, 400.0, 500.0, 600.0], [1.0, 2.0, 3.0, 4.0], id="one-reading-a-step"),
        pytest.param(np.repeat([300.0, 400.0, 500.0, 600.0], 3), np.repeat([4.0, 3.0, 2.0, 1.0], 3), id="falls"),
    ],
)
def test_no_line_is_drawn_where_there_is_none(sun: list[float], flow: list[float]) -> None:
    assert line_of_medians(np.array(sun, dtype=np.float64), np.array(flow, dtype=np.float64)) is None


def test_wire_to_water_of_a_sound_pump() -> None:
    # 3 m³/h over 60 m with 1 kW: 3 · 60 · 2.725 W of water = 490.5 W.
    found = wire_to_water(np.array([3.0, 3.0]), np.array([60.0, 60.0]), np.array([1000.0, 0.0]))
    assert found[0] == pytest.approx(0.4905)
    assert np.isnan(found[1])


def test_specific_energy_counts_only_hours_in_which_both_are_known() -> None:
    power, volume = np.zeros(72), np.zeros(72)
    power[8:12], volume[8:12] = 1200.0, 3.0  # 4.8 kWh for 12 m³
    power[32:36], volume[32:36] = 1200.0, 3.0
    power[33], volume[34] = NAN, NAN  # and into hour 35 the counter is unknown: 1.2 kWh for 3 m³ are left
    volume[60] = 0.3  # next to nothing
    found = specific_energy_by_day(power, volume)
    assert found[:2] == pytest.approx([0.4, 0.4])
    assert np.isnan(found[2])


def test_weeks_end_with_the_newest_day_and_need_three_days() -> None:
    days = np.array([9.0, *range(1, 8), NAN, NAN, NAN, NAN, NAN, 5.0, 6.0])
    found = weekly_median(days)
    assert found[0] == 4.0
    assert np.isnan(found[1])
    assert len(found) == 2


def test_performance_ratio_leaves_out_dusk_and_full_towers_and_says_what_is_left() -> None:
    sun = np.array([200.0, 500.0, 800.0, 1000.0, NAN])
    power = np.array([10.0, 700.0, 1120.0, 100.0, 500.0])
    room = np.array([True, True, True, False, True])
    found = performance_ratio(power, sun, room, peak_w=2000.0)
    assert found is not None
    # (700 + 1120) / 2000 over (500 + 800) / 1000; two of three sunny readings.
    assert found.value == pytest.approx(0.7)
    assert found.used_share == pytest.approx(2 / 3)
    assert performance_ratio(power, sun, np.zeros(5, dtype=bool), peak_w=2000.0) is None


def test_a_start_over_a_gap_is_none_and_an_hour_at_rest_is_not_counted() -> None:
    minute = np.array([0, 10, 20, 30, 40, 50, 130, 140, 250, 260]) * 60.0
    runs = np.array([0, 1, 0, 1, NAN, 1, 1, 0, 0, 0], dtype=np.float64)
    # The hour from 0: starts at 10 and 30; running at 130 (hour 2) came over a gap; hour 4 rests.
    assert starts_in_hours(minute, runs, max_gap_s=1200.0).tolist() == [2, 0]


def test_hours_of_a_full_and_of_an_empty_tower() -> None:
    t_s = 86_400.0 + 900.0 * np.arange(8)
    level = np.array([3.5, 3.45, 3.4, 0.175, 0.1, NAN, 1.0, 1.0])
    # Full from 3.43 m (98 % of 3.5), empty to 0.175 m (5 %); seven readings of a quarter of an hour.
    found = tower_days(t_s, level, full_level_m=3.5, interval_s=900.0)
    assert found == {1: (0.5, 0.5, 1.75)}


def test_a_tower_that_speaks_more_often_than_agreed_is_not_empty_for_longer() -> None:
    # A minute's readings of a tower that was to speak every 15 minutes: two hours, one of them empty; then silence.
    level = np.repeat([2.0, 0.1], 60)
    found = tower_days(60.0 * np.arange(120), level, full_level_m=3.5, interval_s=900.0)
    assert found[0] == pytest.approx((0.0, 1.0 + 14 / 60, 2.0 + 14 / 60))


def test_autonomy_is_evening_stock_over_usual_use() -> None:
    stock, drawn = np.full(72, 10.0), np.full(72, 0.5)
    stock[24 + 18], stock[48 + 18] = 6.0, NAN
    drawn[48:60] = NAN  # half a day: no day
    found = autonomy_days(stock, drawn)
    assert found[:2] == pytest.approx([10 / 12, 0.5])
    assert np.isnan(found[2])
    assert np.isnan(autonomy_days(stock, np.full(72, NAN))).all()


def test_lowest_of_a_week_forgets_after_seven_days_and_skips_what_is_unknown() -> None:
    found = lowest_of_week(np.array([1.0, NAN, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]))
    assert found.tolist() == [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 3.0]
    assert np.isnan(lowest_of_week(np.array([NAN]))[0])


def test_pumping_is_judged_only_when_sun_and_room_let_a_sound_pump_run() -> None:
    sun, room, power = np.zeros(24), np.ones(24, dtype=bool), np.zeros(24)
    sun[8:16] = 600.0
    room[14:16] = False
    power[8:11] = 900.0
    power[11] = NAN
    # Hours 8 to 13 without 11 are five, of which three ran.
    assert pumping_share(sun, room, power, rated_w=1000.0).tolist() == [pytest.approx(0.6)]
    assert np.isnan(pumping_share(np.zeros(24), room, power, rated_w=1000.0)[0])


def test_a_float_lets_the_pump_start_only_below_its_start_level() -> None:
    high = np.array([3.0, 2.6, 3.2, 3.4, 3.2, 2.9, 2.8, 3.0, NAN, 3.0])
    low = np.array([2.9, 2.5, 2.6, 3.2, 2.9, 2.8, 2.6, 2.7, NAN, 2.9])
    # Full from 3.325 m (95 % of 3.5), started again below 2.7: known from hour 1 on, full in hour 3, free in hour 6.
    found = room_by_hour(low, high, full_level_m=3.5, start_level_m=2.7)
    assert np.flatnonzero(found).tolist() == [2, 7, 9]
    # Without a start level it is free as soon as it is not full.
    assert np.flatnonzero(room_by_hour(low, high, full_level_m=3.5, start_level_m=NAN)).tolist() == [1, 2, 5, 6, 7, 9]


def test_service_is_water_in_the_tower_between_six_and_twenty() -> None:
    level = np.full(48, 1.0)
    level[:6] = 0.0  # the night does not count
    level[6:13] = 0.1
    level[24:34] = NAN  # ten of 24, four of them within the service
    found = service_share(level, full_level_m=3.5)
    assert found.tolist() == [0.5, 1.0]
    level[24:46] = NAN
    assert np.isnan(service_share(level, full_level_m=3.5)[1])


def test_a_day_without_a_word_was_heard_for_nothing_but_not_before_the_first_word() -> None:
    found = heard_share(np.array([NAN, 144.0, NAN, 300.0]), due=np.full(4, 288.0))
    assert np.isnan(found[0])
    assert found[1:].tolist() == [0.5, 0.0, 1.0]
    assert np.isnan(heard_share(np.full(2, NAN), due=288.0)).all()


def test_yield_leaves_out_hours_in_which_the_tower_was_full() -> None:
    volume, sun = np.array([3.0, 3.0, 0.0, NAN]), np.array([500.0, 700.0, 900.0, 900.0])
    # 6 m³ for 2 kWp and 1.2 kWh/m².
    assert yield_m3_kwp_h(volume, sun, np.array([1, 1, 0, 1], dtype=bool), peak_w=2000.0) == pytest.approx(2.5)
    assert np.isnan(yield_m3_kwp_h(volume, sun, np.zeros(4, dtype=bool), peak_w=2000.0))


@pytest.mark.parametrize(
    ("share", "level"), [(NAN, None), (0.0, 0), (0.049, 0), (0.05, 1), (0.749, 1), (0.75, 2), (0.95, 3), (1.0, 3)]
)
def test_levels_of_the_calendar(share: float, level: int | None) -> None:
    assert level_of(share) == level


def test_water_starts_at_the_sun_between_two_readings_unless_the_tower_says_so() -> None:
    sun = np.array([100.0, 200.0, 300.0, 600.0, 600.0, 500.0, 260.0, 180.0])
    flow = np.array([0.0, 0.0, 0.5, 3.0, 0.0, 3.0, 0.5, 0.0])
    room = np.array([1, 1, 1, 1, 0, 1, 1, 1], dtype=bool)
    # It came between 200 and 300 and went between 260 and 180: the median of 250 and 220.
    assert starting_sun(sun, flow, room, least_m3_h=0.2) == pytest.approx(235.0)
    assert np.isnan(starting_sun(sun, np.full(8, NAN), room, least_m3_h=0.2))
