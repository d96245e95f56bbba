"""Each fault of the catalogue changes what it should, only where it should, and only while it lasts."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from gateway.model import Fault, PumpState
from simulator.effects import ADDS, SETS, SPECIAL, is_on
from simulator.faults import CATALOGUE, DAY_S, SIZES, Broken
from simulator.sensor_faults import FAULTS_OF_SENSORS
from simulator.state import Truth
from tests.simulator.days import DAWN, Lived, live

BEGINS_H = 6.0  # after dawn: at 11:00
# What grows must have grown; at noon there is sun enough for a pump with one string less.
BEGINS_BEFORE_H = {
    Fault.PV_STRING_LOSS: 3.0, Fault.PV_SOILING: 30.0, Fault.YIELD_DROP: 130.0, Fault.PUMP_WEAR: 500.0,
    Fault.GATEWAY_BATTERY_LOW: 110.0, Fault.PUMP_CLOGGED: 3.0,
}  # fmt: skip
JOINTS = 0.02  # m³/h that always leave zone-3's old network
# The water does not know of them: test_sensors, test_history, test_feed.
SEEN_BY_SENSORS = {*FAULTS_OF_SENSORS, Fault.COMMS_OUTAGE, Fault.CLOCK_ERROR}
LEAKS = (Fault.TOWER_LEAK, Fault.NIGHT_LEAK, Fault.PIPE_BURST, Fault.TAP_LEFT_OPEN, Fault.CHECK_VALVE_LEAK)


def broken(fault: Fault, size: str = "M", *, begins_h: float = BEGINS_H, lasts_h: float | None = None) -> Broken:
    start_s = DAWN.timestamp() + begins_h * 3600
    return Broken("zone-3", fault, size, start_s, None if lasts_h is None else start_s + lasts_h * 3600)


@pytest.fixture(scope="module")
def calm() -> Lived:
    return live(24)


def test_the_catalogue_holds_every_fault_of_the_house_in_the_words_of_both_languages_and_three_sizes() -> None:
    assert set(CATALOGUE) == set(Fault)
    for fault, entry in CATALOGUE.items():
        assert all((entry.fr, entry.en, entry.fr_hint, entry.en_hint, entry.unit, entry.places)), fault
        assert tuple(entry.amount) == SIZES, fault
        assert 1 <= entry.severity <= 3


def test_every_fault_is_done_by_the_physics_or_by_the_sensors() -> None:
    assert set(ADDS) | set(SETS) | set(SPECIAL) | SEEN_BY_SENSORS == set(Fault)
    assert set(SIGNS) == set(Fault) - SEEN_BY_SENSORS


def after(lived: Lived, name: str, *, from_h: float = BEGINS_H, until_h: float = 24) -> np.ndarray:  # type: ignore[type-arg]
    return lived.of("zone-3", name, from_h=from_h, until_h=until_h)


def night(lived: Lived, name: str) -> np.ndarray:  # type: ignore[type-arg]
    return after(lived, name, from_h=19, until_h=22.5)  # 00:00 to 03:30


def at_noon(lived: Lived, name: str) -> float:
    return float(after(lived, name, from_h=7, until_h=8).mean())  # 12:00 to 13:00


def in_the_morning(lived: Lived, name: str) -> float:
    return float(after(lived, name, from_h=3.8, until_h=4.6).mean())  # 8:48 to 9:36: power is short


def sees_no_power(b: Lived, c: Lived) -> bool:
    return after(b, "pump_power_w").max() == 0 < after(c, "pump_power_w").max()


def sees_start_attempts(b: Lived, c: Lived) -> bool:
    speed, code = after(b, "speed_rpm", until_h=9), after(b, "state_code", until_h=9)
    tries = (speed > 0).sum()
    return sees_no_power(b, c) and set(code) == {PumpState.STARTING} and 15 <= tries <= 20 and speed.max() < 1000


def sees_a_dry_well(b: Lived, c: Lived) -> bool:
    power, flow, code = after(b, "pump_power_w"), after(b, "inflow_m3_h"), after(b, "state_code")
    runs_dry = (power[flow == 0] > 300).any()
    return (code == PumpState.STOPPED_DRY).sum() > 60 and runs_dry and after(b, "depth_m").max() > 47.5


def sees_a_deeper_well(b: Lived, c: Lived) -> bool:
    return at_noon(b, "depth_m") > at_noon(c, "depth_m") + 2 and at_noon(b, "inflow_m3_h") < at_noon(c, "inflow_m3_h")


def sees_less_water_for_the_energy(b: Lived, c: Lived) -> bool:
    per_m3 = [at_noon(lived, "pump_power_w") / at_noon(lived, "inflow_m3_h") for lived in (b, c)]
    return per_m3[0] > 1.07 * per_m3[1] and at_noon(b, "speed_rpm") >= at_noon(c, "speed_rpm")


def sees_a_clog(b: Lived, c: Lived) -> bool:
    less = at_noon(b, "inflow_m3_h") < 0.85 * at_noon(c, "inflow_m3_h")
    return less and at_noon(b, "wellhead_bar") > at_noon(c, "wellhead_bar") + 0.3  # behind the well head: it rises


def sees_water_run_back(b: Lived, c: Lived) -> bool:
    falls = -np.diff(night(b, "level_m")[[0, -1]]) / 3.2 * 20 / 3.48  # m³/h in a tower of 20 m³ and 3.2 m
    follows = abs(night(b, "wellhead_bar") - 0.0981 * (14 + night(b, "level_m"))).max() < 1e-6
    return falls[0] == pytest.approx(0.3, abs=0.03) and night(b, "outflow_m3_h").max() < JOINTS and follows


def sees_a_leaking_tower(b: Lived, c: Lived) -> bool:
    level = night(b, "level_m")
    return b.state.leaked_m3[2] > 3 and night(b, "outflow_m3_h").max() < JOINTS and level[-1] < level[0] - 0.1


def sees_a_leaking_pipe(b: Lived, c: Lived) -> bool:
    flow, taps = night(b, "outflow_m3_h"), night(b, "tap_m3")
    return 0.32 < flow.min() <= flow.max() < 0.38 and np.ptp(taps, axis=0).max() == 0


def sees_a_running_tap(b: Lived, c: Lived) -> bool:
    flow, taps = night(b, "outflow_m3_h"), night(b, "tap_m3")
    return 0.4 <= flow.min() < 0.4 + JOINTS and list(np.flatnonzero(np.ptp(taps, axis=0))) == [0]


def sees_a_tap_that_gives_little(b: Lived, c: Lived) -> bool:
    drawn = [np.ptp(after(lived, "tap_m3"), axis=0) for lived in (b, c)]
    beside = drawn[1][1] + drawn[1][0] - drawn[0][0]
    return drawn[0][0] == pytest.approx(0.1 * drawn[1][0]) and drawn[0][1] == pytest.approx(beside, rel=0.05)


def sees_a_burst(b: Lived, c: Lived) -> bool:
    first = [after(lived, "network_bar", until_h=8).mean() for lived in (b, c)]
    lowest = [after(lived, "level_m", until_h=15).min() for lived in (b, c)]
    return first[0] < 0.9 * first[1] and lowest[0] < lowest[1] - 0.5


def sees_less_of_the_sun(b: Lived, c: Lived) -> bool:
    return in_the_morning(b, "pv_power_w") < 0.9 * in_the_morning(c, "pv_power_w")


def sees_half_the_water(b: Lived, c: Lived) -> bool:
    same = (after(b, "inflow_m3_h") == after(c, "inflow_m3_h")).all()
    counted, pumped = np.ptp(after(b, "meter_in_m3")), np.ptp(after(c, "meter_in_m3"))
    return bool(same) and counted == pytest.approx(0.5 * pumped, rel=0.02)


def sees_deeper_nights(b: Lived, c: Lived) -> bool:
    fall = [1 - lived.of("zone-3", "battery", from_h=20).min() for lived in (b, c)]
    return fall[0] > 3 * fall[1]


SIGNS: dict[Fault, Callable[[Lived, Lived], bool]] = {
    Fault.PUMP_NOT_RUNNING: sees_start_attempts,
    Fault.INVERTER_TRIP: lambda b, c: sees_no_power(b, c) and set(after(b, "state_code")) == {PumpState.TRIPPED},
    Fault.FLOAT_STUCK_FULL: lambda b, c: sees_no_power(b, c) and after(b, "level_m")[-1] < after(c, "level_m")[-1],
    Fault.DRY_RUNNING: sees_a_dry_well,
    Fault.YIELD_DROP: sees_a_deeper_well,
    Fault.PUMP_WEAR: sees_less_water_for_the_energy,
    Fault.PUMP_CLOGGED: sees_a_clog,
    Fault.CHECK_VALVE_LEAK: sees_water_run_back,
    Fault.TOWER_OVERFLOW: lambda b, c: b.state.spilled_m3[2] > 1 and c.state.spilled_m3[2] == 0,
    Fault.TOWER_LEAK: sees_a_leaking_tower,
    Fault.NIGHT_LEAK: sees_a_leaking_pipe,
    Fault.PIPE_BURST: sees_a_burst,
    Fault.TAP_LEFT_OPEN: sees_a_running_tap,
    Fault.TAP_CLOSED: sees_a_tap_that_gives_little,
    Fault.PV_STRING_LOSS: sees_less_of_the_sun,
    Fault.PV_SOILING: sees_less_of_the_sun,
    Fault.FLOW_METER_STOPPED: sees_half_the_water,
    Fault.GATEWAY_BATTERY_LOW: sees_deeper_nights,
    Fault.LOW_CHLORINE: lambda b, c: after(b, "chlorine_mg_l")[-1] == 0.09 < 0.4 < after(c, "chlorine_mg_l")[-1],
    Fault.TURBIDITY_HIGH: lambda b, c: after(b, "turbidity_ntu", from_h=8).min() > 15 > after(c, "turbidity_ntu").max(),
}


@pytest.mark.parametrize("fault", sorted(SIGNS))
def test_a_fault_does_what_it_says_from_its_beginning_and_only_in_its_zone(fault: Fault, calm: Lived) -> None:
    begins_h = BEGINS_H - BEGINS_BEFORE_H.get(fault, 0.0)
    lived = live(24, [broken(fault, begins_h=begins_h)])
    assert SIGNS[fault](lived, calm)
    elsewhere = [at for name, at in lived.village.index.items() if name != "zone-3"]
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
    ends = [live(20, [broken(fault, size)]).state for size in SIZES]
    left_m3 = [state.drawn_m3[2] + state.leaked_m3[2] + state.ran_back_m3[2] for state in ends]
    assert left_m3[0] < left_m3[1] < left_m3[2]


def test_a_dry_well_is_tried_again_ten_minutes_after_each_stop() -> None:
    code = after(live(9, [broken(Fault.DRY_RUNNING)]), "state_code")
    is_dry = np.concatenate([[False], code == PumpState.STOPPED_DRY, [False]])
    begins, ends = np.flatnonzero(~is_dry[:-1] & is_dry[1:]), np.flatnonzero(is_dry[:-1] & ~is_dry[1:])
    assert len(begins) >= 5
    assert set((ends - begins)[:-1]) <= {9, 10}, "minutes; the last is cut by the end"


def test_a_clogged_screen_lowers_the_pressure_that_a_clogged_pipe_raises(calm: Lived) -> None:
    start_s = DAWN.timestamp()
    screen = live(9, [Broken("zone-3", Fault.PUMP_CLOGGED, "M", start_s, at="borehole")])
    assert at_noon(screen, "inflow_m3_h") < 0.85 * at_noon(calm, "inflow_m3_h")
    assert at_noon(screen, "wellhead_bar") < at_noon(calm, "wellhead_bar")


def test_a_tap_that_is_named_is_the_one_that_runs(calm: Lived) -> None:
    one = Broken("zone-3", Fault.TAP_LEFT_OPEN, "L", DAWN.timestamp(), at="tap-07")
    assert one.asset == "tap-07"
    assert list(np.flatnonzero(np.ptp(night(live(24, [one]), "tap_m3"), axis=0))) == [6]


def test_what_grows_is_nothing_at_first_and_whole_in_the_end() -> None:
    one = broken(Fault.PUMP_WEAR)
    grown = one.grown(one.start_s + DAY_S * np.array([0.0, 5.0, 20.0, 90.0]))
    assert list(grown) == [0.0, 0.25, 1.0, 1.0]


def test_a_small_one_comes_and_goes_and_is_there_when_it_begins() -> None:
    small, large = broken(Fault.INVERTER_TRIP, "S"), broken(Fault.INVERTER_TRIP, "L")
    times = [small.start_s + 1800 * n for n in range(1, 2000)]
    assert is_on(small, small.start_s, seed=1)
    assert np.mean([is_on(small, t_s, seed=1) for t_s in times]) == pytest.approx(0.4, abs=0.05)
    assert all(is_on(large, t_s, seed=1) for t_s in times)


def test_small_ones_of_other_seeds_and_places_come_and_go_at_other_times() -> None:
    level = Broken("zone-3", Fault.SENSOR_STUCK, "S", DAWN.timestamp())
    times = [level.start_s + 5 * 3600 * n for n in range(50)]

    def comes(one: Broken, seed: int) -> list[bool]:
        return [is_on(one, t_s, seed=seed) for t_s in times]

    assert comes(level, 1) == comes(level, 1)
    assert comes(level, 1) != comes(level, 2)
    assert comes(level, 1) != comes(replace(level, at="network/pressure_bar"), 1)


def test_a_fault_of_a_zone_that_is_not_here_is_nobodys() -> None:
    stranger = Broken("zone-99", Fault.PIPE_BURST, "L", DAWN.timestamp())
    assert live(2, [stranger]).state.as_json() == live(2).state.as_json()


def test_mud_and_want_of_chlorine_leave_with_the_water_of_the_tower() -> None:
    mud = live(20, [broken(Fault.TURBIDITY_HIGH, "L", begins_h=2, lasts_h=4)])
    ntu = after(mud, "turbidity_ntu", from_h=6.0)  # from the repair on
    assert ntu[0] > 55
    assert 10 < ntu[3 * 60] < 40
    assert ntu[10 * 60] < 6
    empty = live(20, [broken(Fault.LOW_CHLORINE, "L", begins_h=-6, lasts_h=12)])
    chlorine = after(empty, "chlorine_mg_l", from_h=6.0)
    assert chlorine[0] < 0.05
    assert 0.2 < chlorine[3 * 60] < 0.45
    assert chlorine[12 * 60] > 0.35
