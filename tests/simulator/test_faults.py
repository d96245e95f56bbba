"""Each fault of the catalogue changes what it should, only where it should, and only while it lasts."""

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pytest

from gateway.model import Fault, PumpState
from simulator.faults import CATALOGUE, SIZES, Broken
from simulator.village import Truth
from tests.simulator.days import DAWN, Lived, live

BEGINS_H = 6.0  # after dawn: at 11:00
BEGINS_BEFORE = {Fault.PV_STRING_LOSS: -3.0, Fault.PV_SOILING: -24.0}  # at noon there is sun enough for either
SEEN_BY_SENSORS = (Fault.SENSOR_STUCK, Fault.COMMS_OUTAGE)  # the water does not know of them: test_history, test_feed
LEAKS = (Fault.TOWER_LEAK, Fault.NIGHT_LEAK, Fault.PIPE_BURST, Fault.TAP_LEFT_OPEN)


def broken(fault: Fault, size: str = "M", *, begins_h: float = BEGINS_H, lasts_h: float | None = None) -> Broken:
    start_s = DAWN.timestamp() + begins_h * 3600
    return Broken("zone-3", fault, size, start_s, None if lasts_h is None else start_s + lasts_h * 3600)


@pytest.fixture(scope="module")
def calm() -> Lived:
    return live(24)


def test_the_catalogue_has_what_the_demo_promises() -> None:
    assert {
        "pump_not_running", "dry_running", "tower_overflow", "tower_leak", "night_leak", "comms_outage", "sensor_stuck",
        "pv_soiling", "pv_string_loss", "pipe_burst", "tap_left_open", "inverter_trip", "float_stuck_full",
        "gateway_battery_low",
    } <= set(CATALOGUE)  # fmt: skip
    for fault, entry in CATALOGUE.items():
        assert all((entry.fr, entry.en, entry.fr_hint, entry.en_hint)), fault
        assert tuple(entry.amount) == SIZES, fault


def after(lived: Lived, name: str, *, from_h: float = BEGINS_H, until_h: float = 24) -> np.ndarray:  # type: ignore[type-arg]
    return lived.of("zone-3", name, from_h=from_h, until_h=until_h)


def night(lived: Lived, name: str) -> np.ndarray:  # type: ignore[type-arg]
    return after(lived, name, from_h=20, until_h=23)  # 01:00 to 04:00


def sees_no_power(b: Lived, c: Lived) -> bool:
    return after(b, "pump_power_w").max() == 0 < after(c, "pump_power_w").max()


def sees_a_dry_well(b: Lived, c: Lived) -> bool:
    power, flow = after(b, "pump_power_w"), after(b, "inflow_m3_h")
    return (after(b, "state_code") == PumpState.STOPPED_DRY).sum() > 60 and (power[flow == 0] > 300).any()


def sees_a_leaking_tower(b: Lived, c: Lived) -> bool:
    level = night(b, "level_m")
    return b.state.leaked_m3[2] > 3 and night(b, "outflow_m3_h").max() == 0 and level[-1] < level[0] - 0.1


def sees_a_leaking_pipe(b: Lived, c: Lived) -> bool:
    flow, taps = night(b, "outflow_m3_h"), night(b, "taps_m3")
    return flow.min() == pytest.approx(0.35) and np.ptp(taps, axis=0).max() == 0


def sees_a_running_tap(b: Lived, c: Lived) -> bool:
    flow, taps = night(b, "outflow_m3_h"), night(b, "taps_m3")
    return flow.min() == pytest.approx(0.4) and list(np.flatnonzero(np.ptp(taps, axis=0))) == [0]


def sees_a_burst(b: Lived, c: Lived) -> bool:
    first = [after(lived, "network_bar", until_h=8).mean() for lived in (b, c)]
    lowest = [after(lived, "level_m", until_h=13).min() for lived in (b, c)]
    return first[0] < first[1] - 0.2 and lowest[0] < lowest[1] - 0.5


def sees_less_of_the_sun(b: Lived, c: Lived) -> bool:
    morning = [lived.of("zone-3", "pv_power_w", from_h=3, until_h=5) for lived in (b, c)]
    return morning[0].sum() < 0.9 * morning[1].sum()


SIGNS: dict[Fault, Callable[[Lived, Lived], bool]] = {
    Fault.PUMP_NOT_RUNNING: sees_no_power,
    Fault.INVERTER_TRIP: lambda b, c: sees_no_power(b, c) and set(after(b, "state_code")) == {PumpState.TRIPPED},
    Fault.FLOAT_STUCK_FULL: lambda b, c: sees_no_power(b, c) and after(b, "level_m")[-1] < after(c, "level_m")[-1],
    Fault.DRY_RUNNING: sees_a_dry_well,
    Fault.TOWER_OVERFLOW: lambda b, c: b.state.spilled_m3[2] > 1 and c.state.spilled_m3[2] == 0,
    Fault.TOWER_LEAK: sees_a_leaking_tower,
    Fault.NIGHT_LEAK: sees_a_leaking_pipe,
    Fault.PIPE_BURST: sees_a_burst,
    Fault.TAP_LEFT_OPEN: sees_a_running_tap,
    Fault.PV_STRING_LOSS: sees_less_of_the_sun,
    Fault.PV_SOILING: sees_less_of_the_sun,
    Fault.GATEWAY_BATTERY_LOW: lambda b, c: b.battery[-1, 2] < 0.6 < c.battery[-1, 2],
}


def test_every_fault_of_the_physics_has_its_sign_here() -> None:
    assert set(SIGNS) <= set(CATALOGUE) - set(SEEN_BY_SENSORS)


@pytest.mark.parametrize("fault", sorted(SIGNS))
def test_a_fault_does_what_it_says_from_its_beginning_and_only_in_its_zone(fault: Fault, calm: Lived) -> None:
    begins_h = BEGINS_H + BEGINS_BEFORE.get(fault, 0.0)
    lived = live(24, [broken(fault, begins_h=begins_h)])
    assert SIGNS[fault](lived, calm)
    elsewhere = [n for n, zone in enumerate(lived.village.zones) if zone.zone_id != "zone-3"]
    for name in Truth.__slots__:
        np.testing.assert_array_equal(lived.all(name)[:, elsewhere], calm.all(name)[:, elsewhere])
        before = slice(0, max(0, int(begins_h * 60)))
        np.testing.assert_array_equal(lived.of("zone-3", name)[before], calm.of("zone-3", name)[before])


@pytest.mark.parametrize("fault", sorted(SIGNS))
def test_what_is_repaired_works_again(fault: Fault) -> None:
    lived = live(9, [broken(fault, lasts_h=0.5)])
    assert (after(lived, "state_code", from_h=6.75) != PumpState.TRIPPED).all()
    assert after(lived, "inflow_m3_h", from_h=6.75).max() > 0.5 * lived.village.pump.flow_m3_h[2]


@pytest.mark.parametrize("fault", LEAKS)
def test_a_larger_leak_loses_more(fault: Fault) -> None:
    ends = [live(9, [broken(fault, size)]).state for size in SIZES]
    left_m3 = [state.drawn_m3[2] + state.leaked_m3[2] for state in ends]
    assert left_m3[0] < left_m3[1] < left_m3[2]


def test_a_dry_well_is_tried_again_every_ten_minutes(calm: Lived) -> None:
    code = after(live(9, [broken(Fault.DRY_RUNNING)]), "state_code")
    stops = np.flatnonzero((code[1:] == PumpState.STOPPED_DRY) & (code[:-1] == PumpState.RUNNING))
    assert len(stops) >= 5
    assert timedelta(minutes=10) <= timedelta(minutes=float(np.median(np.diff(stops)))) <= timedelta(minutes=15)


def test_a_fault_of_a_zone_that_is_not_here_is_nobodys() -> None:
    stranger = Broken("zone-99", Fault.PIPE_BURST, "L", DAWN.timestamp())
    assert live(2, [stranger]).state.as_json() == live(2).state.as_json()
