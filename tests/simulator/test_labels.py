"""The truth that is told beside the readings: when a fault begins, when it shows, and states that are no faults."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest

from gateway.model import Fault, State
from simulator.faults import CATALOGUE, Broken
from simulator.fiction import zones_with_fiction
from simulator.history import live_through
from simulator.labels import Label, TrueState, Witness
from simulator.village import Village
from simulator.watch import watch
from tests.simulator.days import DAWN, ZONES

MIDNIGHT = datetime(2026, 2, 4, tzinfo=UTC)


def truth(
    broken: Sequence[Broken] = (), *, hours: float = 24, start: datetime = MIDNIGHT, clear: bool = True
) -> tuple[list[Label], list[TrueState]]:
    village, witness = Village(ZONES, seed=1, clear_from=date(2000, 1, 1) if clear else None), Witness()
    for _ in live_through(
        village, start=start, end=start + timedelta(hours=hours), broken=broken, folder=None, witness=witness
    ):
        pass
    return witness.labels, witness.take_states()


def label(fault: Fault, size: str = "M", *, begins_h: float = 0.5, hours: float = 30, **more: str) -> Label:
    one = Broken("zone-3", fault, size, MIDNIGHT.timestamp() + 3600 * begins_h, **more)  # type: ignore[arg-type]
    labels, _ = truth([one], hours=hours)
    (found,) = [label for label in labels if (label.zone, label.fault) == (one.zone, one.fault)]
    assert (found.zone, found.fault, found.size) == ("zone-3", fault, size)
    assert found.severity == CATALOGUE[fault].severity
    assert found.onset == MIDNIGHT + timedelta(hours=begins_h)
    assert found.end is None
    return found


# Hours after midnight between which each fault, that begins at 00:30, can first be seen by someone who sees all.
SHOWS = {
    Fault.INVERTER_TRIP: (6.9, 8.0), Fault.PUMP_NOT_RUNNING: (7.5, 9.5), Fault.FLOAT_STUCK_FULL: (6.9, 9.5),
    Fault.DRY_RUNNING: (8.0, 10.0), Fault.PUMP_CLOGGED: (8.0, 9.5), Fault.PV_STRING_LOSS: (7.5, 9.5),
    Fault.CHECK_VALVE_LEAK: (0.5, 0.6), Fault.TOWER_LEAK: (0.5, 0.6), Fault.PIPE_BURST: (0.5, 0.6),
    Fault.NIGHT_LEAK: (0.5, 0.6), Fault.TAP_LEFT_OPEN: (0.5, 0.6), Fault.TAP_CLOSED: (4.0, 6.5),
    Fault.TOWER_OVERFLOW: (11.0, 16.0), Fault.FLOW_METER_STOPPED: (8.0, 9.5), Fault.CLOCK_ERROR: (0.5, 0.6),
    Fault.COMMS_OUTAGE: (0.5, 0.6), Fault.SENSOR_STUCK: (4.0, 10.0), Fault.SENSOR_OUT_OF_RANGE: (0.5, 0.7),
    Fault.SENSOR_SPIKES: (0.5, 6.0), Fault.LOW_CHLORINE: (4.0, 7.0), Fault.TURBIDITY_HIGH: (0.6, 1.5),
    Fault.PV_SOILING: (7.5, 10.0), Fault.YIELD_DROP: (8.0, 16.0),
}  # fmt: skip


@pytest.mark.parametrize("fault", sorted(SHOWS))
def test_a_fault_that_begins_at_night_shows_when_it_can_and_no_sooner(fault: Fault) -> None:
    found = label(fault)
    assert found.start is not None
    low, high = SHOWS[fault]
    assert MIDNIGHT + timedelta(hours=low) <= found.start <= MIDNIGHT + timedelta(hours=high)


@pytest.mark.parametrize("fault", [Fault.PUMP_WEAR, Fault.SENSOR_DRIFT, Fault.GATEWAY_BATTERY_LOW])
def test_what_grows_slowly_does_not_show_on_its_first_day(fault: Fault) -> None:
    slow = label(fault, hours=7)
    assert slow.start is None
    shown = label(fault, "L", hours=24 * 5)
    assert shown.start is not None
    assert timedelta(hours=5) < shown.start - shown.onset < timedelta(days=5)


def test_every_fault_has_a_test_of_when_it_shows() -> None:
    slow = {Fault.PUMP_WEAR, Fault.SENSOR_DRIFT, Fault.GATEWAY_BATTERY_LOW}
    assert set(SHOWS) | slow == set(Fault)


def test_a_fault_that_is_over_before_it_could_be_seen_has_no_start() -> None:
    begin = MIDNIGHT.timestamp()
    labels, _ = truth([Broken("zone-2", Fault.INVERTER_TRIP, "L", begin, begin + 3600)], hours=12)
    assert [label for label in labels if label.fault is not Fault.PV_SOILING] == [
        Label("zone-2", Fault.INVERTER_TRIP, "pump", 3, "L", MIDNIGHT, None, MIDNIGHT + timedelta(hours=1))
    ]


def faults_and_readings_of_zone_3(*broken: tuple[Fault, float, float], days: float) -> tuple[list[Label], list[float]]:
    """Each fault (L) of zone-3 with the hours after midnight of its beginning and its end; hours of all readings."""
    begin_s, witness = MIDNIGHT.timestamp(), Witness()
    faults = [Broken("zone-3", fault, "L", begin_s + 3600 * a, begin_s + 3600 * b) for fault, a, b in broken]
    blocks = live_through(
        Village(ZONES[2:3], seed=1), start=MIDNIGHT, end=MIDNIGHT + timedelta(days=days), broken=faults, folder=None,
        witness=witness,
    )  # fmt: skip
    hours = sorted({(t_s - begin_s) / 3600 for block in blocks for t_s in block.t_s.tolist()})
    return [label for label in witness.labels if label.fault is not Fault.PV_SOILING], hours


def test_what_breaks_and_is_mended_while_the_box_is_off_never_shows() -> None:
    labels, hours = faults_and_readings_of_zone_3(
        (Fault.COMMS_OUTAGE, 6, 18), (Fault.PUMP_NOT_RUNNING, 8, 16), (Fault.SENSOR_OUT_OF_RANGE, 8, 16),
        (Fault.PIPE_BURST, 17, 20), days=1,
    )  # fmt: skip
    assert [hour for hour in hours if 6 <= hour < 18] == []
    assert {label.fault: label.start for label in labels} == {
        Fault.COMMS_OUTAGE: MIDNIGHT + timedelta(hours=6, minutes=1), Fault.PUMP_NOT_RUNNING: None,
        Fault.SENSOR_OUT_OF_RANGE: None, Fault.PIPE_BURST: MIDNIGHT + timedelta(hours=18),
    }  # fmt: skip


def test_what_breaks_and_is_mended_while_the_battery_is_empty_never_shows() -> None:
    _, hours = faults_and_readings_of_zone_3((Fault.GATEWAY_BATTERY_LOW, 0, 200), days=6)
    gaps = [(a, b) for a, b in pairwise(hours) if b - a > 2]
    assert gaps, "the box was dark"
    dark, lit = gaps[0]
    labels, _ = faults_and_readings_of_zone_3(
        (Fault.GATEWAY_BATTERY_LOW, 0, 200), (Fault.TOWER_LEAK, dark + 0.5, lit - 0.5), days=6
    )
    faded, leak = labels
    assert (faded.start is not None, leak.start) == (True, None)


def test_a_box_with_a_wrong_clock_is_off_at_the_true_time() -> None:
    _, hours = faults_and_readings_of_zone_3((Fault.CLOCK_ERROR, 0, 24), (Fault.COMMS_OUTAGE, 6, 18), days=1)
    since_boot = [(hour * 3600 + MIDNIGHT.timestamp()) / 3600 for hour in hours]  # it counts from 1970
    assert [hour for hour in since_boot if 6 <= hour < 18] == []


def test_dust_of_the_season_is_soiling_until_somebody_washes_it_off() -> None:
    """A wash every two to eight weeks: in the harmattan some panels want one sooner, and their labels say so."""
    witness = Witness()
    days = [0.05, 0.074, 0.08, 0.13, 0.19, 0.22, 0.0, 0.02, 0.075, 0.0]
    for number, share in enumerate(days):
        witness.see_dust("zone-1", share, MIDNIGHT.timestamp() + 86_400 * number)
        witness.see_dust("zone-2", 0.2, MIDNIGHT.timestamp() + 86_400 * number)
    third, ninth = MIDNIGHT + timedelta(days=2), MIDNIGHT + timedelta(days=8)
    assert witness.labels == [
        Label(
            "zone-1", Fault.PV_SOILING, "pv", 2, "M", third, third + timedelta(days=2.6), third + timedelta(days=4)
        ),
        Label("zone-1", Fault.PV_SOILING, "pv", 2, "S", ninth, None, ninth + timedelta(days=1)),
    ], "zone-2 was never seen clean"  # fmt: skip


def test_a_fault_of_a_named_tap_is_that_taps() -> None:
    assert label(Fault.TAP_LEFT_OPEN, at="tap-07").asset == "tap-07"
    assert label(Fault.SENSOR_STUCK, at="borehole/water_depth_m").asset == "borehole"


def test_nights_and_full_towers_are_states_with_an_end() -> None:
    _, states = truth(hours=30)
    nights = [one for one in states if (one.zone, one.state) == ("zone-3", State.NIGHT)]
    first, second = nights[0], nights[1]
    assert first.start == MIDNIGHT
    assert timedelta(hours=7.2) < first.end - MIDNIGHT < timedelta(hours=7.6)
    assert timedelta(hours=18.4) < second.start - MIDNIGHT < timedelta(hours=19.1)
    assert second.end == MIDNIGHT + timedelta(hours=30), "what goes on ends with the run"
    full = [one for one in states if one.state is State.TOWER_FULL]
    assert full
    assert all(timedelta(0) < one.end - one.start < timedelta(hours=24) for one in full)
    assert not [one for one in states if one.state is State.CLOUD], "the sky is clear"


def test_a_burst_empties_the_tower_and_the_state_says_until_when() -> None:
    burst = Broken("zone-3", Fault.PIPE_BURST, "L", MIDNIGHT.timestamp(), MIDNIGHT.timestamp() + 10 * 3600)
    _, states = truth([burst], hours=30)
    empty = [one for one in states if (one.zone, one.state) == ("zone-3", State.TOWER_EMPTY)]
    assert len(empty) == 1
    assert MIDNIGHT < empty[0].start < MIDNIGHT + timedelta(hours=4)
    assert timedelta(hours=10) < empty[0].end - MIDNIGHT < timedelta(hours=16)


def test_a_rainy_season_has_clouds_stops_and_towers_that_are_washed() -> None:
    village, witness = Village(zones_with_fiction(ZONES, 40), seed=1), Witness()
    state, start = village.first_state(), datetime(2026, 7, 1, tzinfo=UTC)
    for piece in range(4 * 12):
        moved = village.move(state, start.timestamp() + 6 * 3600 * piece, [], 360)
        watch(witness, village, moved, [], is_off=np.zeros_like(moved.battery, dtype=bool))
    witness.finish(start.timestamp() + 12 * 86_400)
    states = witness.take_states()
    found = {state: [one for one in states if one.state is state] for state in State}
    assert len(found[State.CLOUD]) > 100
    washing = found[State.WASHING]
    assert {one.end - one.start for one in washing} == {timedelta(hours=2)}
    assert 2 <= len(washing) <= 14
    stops = [(one.end - one.start) / timedelta(minutes=1) for one in found[State.PLANNED_STOP]]
    assert 10 <= len(stops) <= 45
    assert 20 <= min(stops) <= max(stops) <= 40
    assert all(9 <= one.start.hour < 15 for one in found[State.PLANNED_STOP])


def test_states_that_were_taken_are_forgotten() -> None:
    village, witness = Village(ZONES[:1], seed=1), Witness()
    taken = 0
    for _ in live_through(village, start=DAWN, end=DAWN + timedelta(days=3), broken=[], folder=None, witness=witness):
        taken += len(witness.take_states())
    taken += len(witness.take_states())
    assert taken >= 6
    assert witness.take_states() == []
