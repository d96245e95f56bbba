"""A route is fed as fast as it allows and never faster; time is told, not waited for."""

import random

import pytest

from alerts.carriers.pace import FIRST_REST_S, Pace


def departures(per_s: float, number: int, lateness: random.Random, most_late_s: float) -> list[float]:
    """When each of `number` leaves that are all there at once, with timers that fire late."""
    pace, now, left = Pace(per_s), 100.0, []
    while len(left) < number:
        if (wait_s := pace.wait_s(now)) > 0:
            now += wait_s + lateness.uniform(0, most_late_s)
            continue
        pace.left(now)
        left.append(now)
    return left


@pytest.mark.parametrize("per_s", [0.25, 1.0, 7.5, 20.0, 333.0])
@pytest.mark.parametrize("most_late_s", [0.0, 0.01, 0.3])
def test_no_second_holds_more_than_the_limit(per_s: float, most_late_s: float) -> None:
    left = departures(per_s, 400, random.Random(7), most_late_s)
    most = max(1, int(per_s))
    spans = [late - early for early, late in zip(left, left[most:], strict=False)]
    assert min(spans) >= most / per_s / 0.97 - 1e-9


@pytest.mark.parametrize("per_s", [20.0, 50.0, 333.0])
def test_all_left_within_a_twentieth_more_than_the_limit_needs(per_s: float) -> None:
    left = departures(per_s, 600, random.Random(7), most_late_s=0.005)
    assert left[-1] - left[0] <= 1.05 * 600 / per_s


def test_after_a_quiet_hour_there_is_no_burst() -> None:
    pace = Pace(10.0)
    pace.left(0.0)
    pace.left(3600.0)
    assert pace.wait_s(3600.0) == pytest.approx(1 / 9.7)  # ten a second with the headroom of 3 %


def test_too_fast_rests_the_whole_route_once_and_longer_each_time() -> None:
    pace = Pace(100.0)
    pace.left(0.0)
    assert pace.refused(0.1) == FIRST_REST_S
    assert pace.refused(0.3) == pytest.approx(0.8), "under way when the rest began: the same rest"
    assert pace.wait_s(0.3) == pytest.approx(0.8)
    assert pace.wait_s(1.1) == 0
    assert pace.refused(1.2) == 2 * FIRST_REST_S
    pace.took()
    assert pace.refused(4.0) == FIRST_REST_S


def test_a_limit_of_many_minutes_lets_some_leave_at_once_and_no_span_holds_more() -> None:
    pace = Pace(25 / 1800, at_once=25)  # 25 in half an hour
    for _ in range(25):
        assert pace.wait_s(60.0) == 0
        pace.left(60.0)
    assert pace.wait_s(61.0) == pytest.approx(1800 / 0.97 - 1)
    assert pace.room(61.0, waiting=0) == 0
    assert pace.room(61.0 + 1800 / 0.97, waiting=0) == 1


def test_of_a_slow_route_nothing_waits_where_the_more_urgent_cannot_pass() -> None:
    pace = Pace(0.25)
    assert pace.room(100.0, waiting=0) == 1
    assert pace.room(100.0, waiting=1) == 0
    pace.left(100.0)
    assert pace.room(100.1, waiting=0) == 0
    assert pace.room(103.7, waiting=0) == 1, "half a second before its turn"
