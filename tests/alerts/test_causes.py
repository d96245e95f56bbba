"""Only the cause is told: what leads to what, what rests on a broken sensor, what a whole network does."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.causes import (
    EXPLAINED_BY,
    MANY_ZONES,
    SENSOR_FAULTS,
    Known,
    Silence,
    cause_of,
    is_outlived,
    shared_outages,
)
from gateway.model import Fault, State

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
LEVEL, FLOW = "tower/level_m", "pump/flow_m3_h"


def known(
    fault: Fault | State, first: datetime = NOON, cleared: datetime | None = None, channels: tuple[str, ...] = ()
) -> Known:
    return Known(7, fault, "pump", first, cleared, channels)


def explains(cause: Known, fault: Fault | State, *, hours: float = 3, rests_on: tuple[str, ...] = ()) -> bool:
    first = NOON + timedelta(hours=hours)
    return cause_of(fault, first, first + HOUR, [cause], rests_on=rests_on) is cause


@pytest.mark.parametrize(
    ("cause", "effect"),
    [
        pytest.param(Fault.PUMP_NOT_RUNNING, State.TOWER_EMPTY, id="pump-stops-tower-empties"),
        pytest.param(Fault.INVERTER_TRIP, Fault.TAP_CLOSED, id="pump-stops-taps-are-silent"),
        pytest.param(Fault.DRY_RUNNING, Fault.PUMP_NOT_RUNNING, id="dry-well-pump-stands"),
        pytest.param(Fault.DRY_RUNNING, Fault.YIELD_DROP, id="dry-well-gives-less"),
        pytest.param(Fault.PIPE_BURST, Fault.NIGHT_LEAK, id="a-burst-runs-at-night-too"),
        pytest.param(Fault.TAP_LEFT_OPEN, Fault.NIGHT_LEAK, id="an-open-tap-runs-at-night-too"),
        pytest.param(Fault.GATEWAY_BATTERY_LOW, Fault.COMMS_OUTAGE, id="battery-then-silence"),
        pytest.param(Fault.CLOCK_ERROR, Fault.COMMS_OUTAGE, id="a-clock-that-jumps-leaves-a-hole"),
        pytest.param(Fault.CLOCK_ERROR, Fault.TAP_LEFT_OPEN, id="by-a-wrong-clock-people-draw-at-night"),
        pytest.param(Fault.CLOCK_ERROR, Fault.SENSOR_SPIKES, id="two-hours-in-one-jump"),
        pytest.param(Fault.CLOCK_ERROR, Fault.PV_STRING_LOSS, id="the-sun-of-another-hour"),
        pytest.param(Fault.CLOCK_ERROR, Fault.NIGHT_LEAK, id="by-a-wrong-clock-their-evening-is-a-night"),
        pytest.param(Fault.CLOCK_ERROR, Fault.TOWER_LEAK, id="by-a-wrong-clock-the-tower-loses-what-they-draw"),
        pytest.param(Fault.CLOCK_ERROR, Fault.CHECK_VALVE_LEAK, id="or-the-valve-does"),
        pytest.param(Fault.CHECK_VALVE_LEAK, Fault.TOWER_LEAK, id="what-runs-back-leaves-the-tower-too"),
        pytest.param(Fault.PIPE_BURST, Fault.TOWER_LEAK, id="what-a-pipe-loses-leaves-the-tower-too"),
        pytest.param(Fault.CHECK_VALVE_LEAK, Fault.YIELD_DROP, id="what-runs-back-fills-the-well"),
    ],
)
def test_a_cause_explains_what_follows_from_it_and_never_the_other_way_round(
    cause: Fault, effect: Fault | State
) -> None:
    assert explains(known(cause), effect)
    assert not explains(known(effect), cause)


def test_a_burst_does_not_wait_until_somebody_puts_the_clock_right() -> None:
    assert not explains(known(Fault.CLOCK_ERROR), Fault.PIPE_BURST)


def test_a_cause_that_was_over_or_came_later_explains_nothing() -> None:
    assert not explains(known(Fault.PUMP_NOT_RUNNING, cleared=NOON + HOUR), State.TOWER_EMPTY)
    assert explains(known(Fault.PUMP_NOT_RUNNING, cleared=NOON + 2 * HOUR), State.TOWER_EMPTY), "but for an hour"
    assert not explains(known(Fault.PUMP_NOT_RUNNING, first=NOON + 9 * HOUR), State.TOWER_EMPTY)


def test_of_the_day_on_which_a_clock_was_put_right_no_figure_holds() -> None:
    """Put right at one in the afternoon; what its day counted is told at midnight, another day's is not its doing."""
    clock = known(Fault.CLOCK_ERROR, cleared=NOON + HOUR)
    assert explains(clock, Fault.SENSOR_SPIKES, hours=12)
    assert not explains(clock, Fault.SENSOR_SPIKES, hours=36)
    assert not explains(known(Fault.DRY_RUNNING, cleared=NOON + HOUR), Fault.PUMP_CLOGGED, hours=12)


def test_the_night_of_a_burst_that_was_told_is_not_told_as_a_leak_the_next_day() -> None:
    """The broken pipe drained the tower until it was closed at six in the morning; nights are judged at two."""
    burst = known(Fault.PIPE_BURST, cleared=NOON - 6 * HOUR)
    for leak in (Fault.TOWER_LEAK, Fault.NIGHT_LEAK):
        assert explains(burst, leak, hours=2)
        assert not explains(burst, leak, hours=26), "the next night was whole"
    assert not explains(burst, Fault.SENSOR_DRIFT, hours=2)


def test_what_rests_on_a_sensor_that_is_not_believed_is_explained_by_it() -> None:
    stuck = known(Fault.SENSOR_STUCK, channels=(LEVEL,))
    assert explains(stuck, Fault.FLOAT_STUCK_FULL, rests_on=("pump/power_w", LEVEL))
    assert explains(stuck, Fault.SENSOR_DRIFT, rests_on=(LEVEL,))
    assert not explains(stuck, Fault.FLOAT_STUCK_FULL, rests_on=("pump/power_w",))
    assert not explains(stuck, Fault.COMMS_OUTAGE, rests_on=(LEVEL,)), "silence is no conclusion from a level"
    repaired = known(Fault.SENSOR_STUCK, cleared=NOON, channels=(LEVEL,))
    assert explains(repaired, Fault.SENSOR_DRIFT, hours=30, rests_on=(LEVEL,)), "it stays in figures of days"
    assert not explains(repaired, Fault.SENSOR_DRIFT, hours=60, rests_on=(LEVEL,))


def test_of_an_alert_whose_evidence_is_not_at_hand_the_asset_counts() -> None:
    meter = known(Fault.FLOW_METER_STOPPED)
    assert explains(meter, Fault.PUMP_CLOGGED, rests_on=("pv/power_w", FLOW))
    assert not explains(meter, Fault.TOWER_LEAK, rests_on=(LEVEL,))


@pytest.mark.parametrize("urgent", [Fault.PUMP_NOT_RUNNING, Fault.INVERTER_TRIP, Fault.PIPE_BURST, Fault.DRY_RUNNING])
def test_a_sensor_that_drifts_never_keeps_back_that_there_is_no_water(urgent: Fault) -> None:
    assert not explains(known(Fault.SENSOR_DRIFT, channels=(LEVEL,)), urgent, rests_on=(LEVEL, FLOW))


@given(st.sampled_from(SENSOR_FAULTS), st.sampled_from(SENSOR_FAULTS))
def test_of_two_alerts_about_one_sensor_at_most_one_explains_the_other(one: Fault, other: Fault) -> None:
    forth = explains(known(one, channels=(LEVEL,)), other, rests_on=(LEVEL,))
    back = explains(known(other, channels=(LEVEL,)), one, rests_on=(LEVEL,))
    assert not (forth and back)


def test_no_fault_explains_itself_by_way_of_others() -> None:
    def causes(fault: Fault | State, seen: frozenset[Fault | State]) -> None:
        assert fault not in seen, f"{fault} goes round in a circle"
        for cause in EXPLAINED_BY.get(fault, ()):
            causes(cause, seen | {fault})

    for fault in EXPLAINED_BY:
        causes(fault, frozenset())


@pytest.mark.parametrize(
    ("cause", "fault", "hours"),
    [
        pytest.param(Fault.PUMP_NOT_RUNNING, State.TOWER_EMPTY, 1, id="a-tower-has-an-hour-to-fill"),
        pytest.param(Fault.COMMS_OUTAGE, Fault.COMMS_OUTAGE, 1, id="a-zone-has-an-hour-to-be-heard"),
        pytest.param(Fault.PIPE_BURST, Fault.NIGHT_LEAK, 24, id="a-night-that-was-half-a-burst-is-no-leak-yet"),
        pytest.param(Fault.CLOCK_ERROR, Fault.SENSOR_SPIKES, 24, id="of-that-day-no-figure-holds"),
        pytest.param(Fault.SENSOR_STUCK, Fault.SENSOR_DRIFT, 48, id="a-repaired-sensor-stays-in-figures-of-days"),
        pytest.param(Fault.SENSOR_STUCK, Fault.PUMP_NOT_RUNNING, 1, id="and-not-in-what-is-seen-at-once"),
    ],
)
def test_what_is_seen_again_long_after_its_cause_was_over_has_another(
    cause: Fault, fault: Fault | State, hours: int
) -> None:
    ended, wait, moment = NOON, timedelta(hours=hours), timedelta(seconds=1)
    assert not is_outlived(cause, ended, fault, NOON - HOUR, ended + wait - moment)
    assert is_outlived(cause, ended, fault, NOON - HOUR, ended + wait)
    later = ended + HOUR / 2
    assert not is_outlived(cause, ended, fault, later, ended + wait), "what began later has as long"
    assert is_outlived(cause, ended, fault, later, later + wait)


def silences(*minutes: float) -> list[Silence]:
    return [
        Silence(key, f"zone-{key}", NOON + timedelta(minutes=minute)) for key, minute in enumerate(minutes, start=1)
    ]


def test_five_zones_silent_in_the_same_hour_are_one_outage_of_the_operator() -> None:
    (group,) = shared_outages(silences(0, 10, 25, 40, 59))
    assert [one.key for one in group] == [1, 2, 3, 4, 5]
    assert shared_outages(silences(0, 10, 25, 40)) == [], "four may be chance"
    assert shared_outages(silences(0, 30, 61, 90, 120)) == [], "and so may five that are spread over hours"
    again = [one._replace(zone="zone-1") for one in silences(0, 1, 2, 3, 4)]
    assert shared_outages(again) == [], "one zone that comes and goes is no network"


@given(st.lists(st.floats(0, 600), max_size=30))
def test_groups_do_not_overlap_and_the_first_to_fall_silent_stands_first(minutes: list[float]) -> None:
    groups = shared_outages(silences(*minutes))
    members = [one for group in groups for one in group]
    assert len(members) == len(set(members))
    for group in groups:
        assert len(group) >= MANY_ZONES
        assert group[0].began == min(one.began for one in group)
        assert max(one.began for one in group) - group[0].began <= HOUR


@given(st.lists(st.tuples(st.floats(0, 90), st.booleans(), st.booleans()), min_size=5, max_size=12))
def test_the_cause_of_a_group_is_one_that_is_told_itself(zones: list[tuple[float, bool, bool]]) -> None:
    asked = [
        one._replace(is_explained=is_explained, is_told=is_told)
        for one, (_, is_explained, is_told) in zip(silences(*(at for at, *_ in zones)), zones, strict=True)
    ]
    plain = shared_outages([one._replace(is_explained=False, is_told=False) for one in asked])
    found = shared_outages(asked)
    assert [{one.key for one in group} for group in found] == [{one.key for one in group} for group in plain]
    for first, *others in found:
        for other in others:
            assert other.is_explained >= first.is_explained
            if not (first.is_explained or other.is_explained):
                assert first.is_told >= other.is_told
                assert first.began <= other.began or first.is_told > other.is_told
