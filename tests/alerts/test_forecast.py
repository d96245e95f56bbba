"""How long the water lasts, with numbers that can be worked out on paper."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.expected import expected_daily_volume, room_of
from alerts.forecast import CannotTell, Forecast, hours_left, sun_factor
from web.charts.bars import DayBar

WEEK = 168


def told(volume_m3: float, use_m3: np.ndarray, **more: object) -> Forecast:
    found = hours_left(volume_m3, 20.0, use_m3, **more)  # type: ignore[arg-type]
    assert isinstance(found, Forecast)
    return found


def test_a_cubic_metre_an_hour_empties_seven_and_a_half_in_as_many_hours() -> None:
    found = told(7.5, np.ones(4 * WEEK))
    assert (found.hours, found.low_h, found.high_h) == (7.5, 7.5, 7.5)
    assert (found.by_weeks, found.stretches, found.refilled_h) == (True, 4, None)


def test_the_band_is_what_past_weeks_would_have_made_of_it() -> None:
    # Five weeks that drew 1, 2, 3, 4 and 6 m³/h: 12 m³ last 12, 6, 4, 3 and 2 hours. The middle is 4; of five the
    # first decile lies at place 0.4 and the last at 3.6, and the smaller neighbour counts: 2 h and 6 h.
    use = np.concatenate([np.full(WEEK, float(rate)) for rate in (4, 1, 6, 2, 3)])
    found = told(12.0, use)
    assert (found.hours, found.low_h, found.high_h) == (4.0, 2.0, 6.0)


def test_the_hour_of_the_week_matters() -> None:
    # Nothing but two hours, the third and the fourth from now, in which 3 m³ are drawn each: 4.5 m³ last 3.5 h.
    use = np.zeros(WEEK)
    use[2:4] = 3.0
    assert told(4.5, np.tile(use, 3)).hours == 3.5
    assert told(6.5, np.tile(use, 3)).hours == np.inf, "more than is ever drawn within three days"


def test_with_less_than_three_weeks_days_are_asked_and_with_less_than_five_days_nobody() -> None:
    found = told(3.0, np.ones(6 * 24))
    assert (found.hours, found.by_weeks, found.stretches) == (3.0, False, 6)
    assert hours_left(3.0, 20.0, np.ones(4 * 24)) is CannotTell.NO_PAST
    assert hours_left(3.0, 20.0, np.array([])) is CannotTell.NO_PAST
    assert hours_left(np.nan, 20.0, np.ones(4 * WEEK)) is CannotTell.NO_LEVEL
    assert hours_left(3.0, 20.0, np.full(4 * WEEK, np.nan)) is CannotTell.NO_PAST


def test_hours_that_are_not_known_are_taken_from_the_other_weeks() -> None:
    use = np.ones(4 * WEEK)
    use[WEEK : WEEK + 10] = np.nan
    found = told(5.0, use)
    assert (found.hours, found.low_h, found.stretches) == (5.0, 5.0, 4)


def test_a_pump_that_brings_more_than_is_drawn_keeps_the_tower_from_running_empty() -> None:
    use, day = np.ones(4 * WEEK), np.full(4 * WEEK, 1.5)
    assert told(5.0, use, inflow_m3=day).refilled_h == np.inf
    assert told(5.0, use, inflow_m3=np.full(4 * WEEK, 0.5)).refilled_h == 10.0, "half of it comes back: twice as long"
    # A dark day brings a tenth: 0.15 m³/h against 1 m³/h draws 0.85 an hour from 5 m³: 5.88 h.
    dark = told(5.0, use, inflow_m3=day, sun_factor=0.1).refilled_h
    assert dark == pytest.approx(5 / 0.85)


def test_a_full_tower_takes_no_more_than_it_holds() -> None:
    # 10 m³ an hour come for twelve hours into 20 m³, then nothing, and 2 m³/h are drawn all the time. After twelve
    # hours the tower is full, so that it lasts ten hours more.
    inflow = np.tile(np.concatenate([np.full(12, 10.0), np.zeros(12)]), 28)
    assert told(5.0, np.full(4 * WEEK, 2.0), inflow_m3=inflow).refilled_h == 22.0


def test_todays_sun_against_other_days_at_this_hour() -> None:
    usual = np.array([3.0, 3.2, 2.8, 3.0, 3.1])
    assert sun_factor(1.5, usual) == 0.5
    assert sun_factor(0.0, usual) == 0.1, "the darkest day brings something"
    assert sun_factor(0.1, np.full(9, 0.2)) == 1.0, "the morning says nothing yet"
    assert sun_factor(np.nan, usual) == 1.0
    assert sun_factor(1.5, usual[:4]) == 1.0, "too few days"


@given(
    st.floats(0, 30), st.lists(st.one_of(st.just(np.nan), st.floats(0, 5)), min_size=504, max_size=504),
    st.integers(0, 23),
)  # fmt: skip
def test_less_water_never_lasts_longer_and_the_band_is_in_order(volume: float, use: list[float], hour: int) -> None:
    found = hours_left(volume, 30.0, np.array(use), inflow_m3=np.array(use), hour_of_day=hour)
    if isinstance(found, Forecast):
        assert 0 <= found.low_h <= found.hours <= found.high_h
        less = told(volume / 2, np.array(use))
        assert less.hours <= found.hours
        assert found.refilled_h is not None
        assert found.refilled_h >= 0


def test_what_a_tower_could_take_on_a_day() -> None:
    # A quarter full of 20 m³: 15 m³ of room; 8 m³ were drawn meanwhile: 23 m³ could be lifted.
    level_m, drawn_m3 = np.array([0.75, 3.2, np.nan, 0.75]), np.array([8.0, 0.0, 8.0, np.nan])
    room = room_of(level_m, drawn_m3, full_level_m=np.array(3.0), full_m3=np.array(20.0))
    np.testing.assert_array_equal(room, [23.0, 0.0, np.nan, np.nan])
    assert np.isnan(room_of(level_m, drawn_m3, full_level_m=np.array(np.nan), full_m3=np.array(20.0))).all()


def test_a_day_brings_no_more_than_the_tower_can_take() -> None:
    sun = np.array([3.0, 4.0, 5.0, 6.0, 3.5, 4.5, 5.5])
    free = expected_daily_volume(sun, 5 * sun, 6.0)
    assert free is not None
    assert free.volume_m3 == pytest.approx(30.0)
    full = expected_daily_volume(sun, 5 * sun, 6.0, room_of_day=12.0)
    assert full is not None
    assert full == pytest.approx((12.0, 10.2, 12.0)), "what is drawn in the evening nobody lifts again before midnight"
    unknown = expected_daily_volume(sun, 5 * sun, 6.0, room_of_day=np.nan)
    assert unknown == free


def test_a_day_that_filled_the_tower_again_is_not_called_short() -> None:
    """14 m³ in a tower that is full at 3.0 m: 2.8 m at both midnights, 27 m³ drawn and 27 m³ lifted, under a sun for
    which cloudier days teach 40 m³. The 0.9 m³ that were free are what people drew in the evening."""
    sun = np.array([3.0, 4.0, 5.0, 6.0, 3.5, 4.5, 5.5])
    room = room_of(np.array([2.8]), np.array([27.0]), full_level_m=np.array(3.0), full_m3=np.array(14.0))
    told = expected_daily_volume(sun, 40 / 7 * sun, 7.0, room_of_day=room[0])
    assert told is not None
    assert told.volume_m3 == pytest.approx(27.93, abs=0.01)
    assert not DayBar("1", 27.0, told.low_m3, told.high_m3, "").is_short
    assert DayBar("1", 20.0, told.low_m3, told.high_m3, "").is_short, "a quarter of it is missing"


def test_days_that_filled_the_tower_do_not_teach_that_sun_is_worth_little() -> None:
    # Seven days at 5 m³ for each kWh/m², and seven bright ones that ended at a full tower with 20 m³.
    sun = np.concatenate([np.linspace(2, 4, 7), np.full(7, 7.0)])
    volume, room = np.where(sun < 5, 5 * sun, 20.0), np.where(sun < 5, 40.0, 20.0)
    naive = expected_daily_volume(sun, volume, 7.0)
    told = expected_daily_volume(sun, volume, 7.0, room_m3=room)
    assert naive is not None
    assert told is not None
    assert told.volume_m3 == pytest.approx(35.0)
    assert naive.volume_m3 < 30.0
