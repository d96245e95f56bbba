"""Sensors: stuck, out of range, jumping, drifting, slipping; each beside a day that only looks like it."""

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pytest
from numpy.typing import NDArray

from alerts.days import Days, days_of
from alerts.detectors import DETECTORS, Scene, features_of
from alerts.detectors.wear import judge_pump
from alerts.lifecycle import Opening, transitions
from alerts.model import Condition, Verdict
from alerts.scene import STEP_S, Grid
from gateway.model import Fault
from tests.alerts.test_gateway import clear_sky
from tests.alerts.toy import Course, Toy, ramp, step
from tests.alerts.windows import only, scene

PRESENT, ABSENT, CANNOT_TELL = Verdict.PRESENT, Verdict.ABSENT, Verdict.CANNOT_TELL
START = datetime(2026, 2, 1, tzinfo=UTC)
DAY_S, HOUR_S = 86_400.0, 3600.0
Array = NDArray[np.float64]


def verdict(of: Scene, fault: Fault, asset: str) -> Condition:
    """What the detector of this fault says of this asset; of several the first that finds it."""
    found = [only(d.judge, of) for d in DETECTORS if d.faults == (fault,) and d.asset == asset]
    return next((one for one in found if PRESENT in one.verdict), found[0])


def noise(n: int, size: float, seed: int = 2) -> Array:
    return np.random.default_rng(seed).normal(0, size, n)


@pytest.mark.parametrize("every", [1, 3], ids=["5-min", "15-min"])
def test_three_impossible_readings_in_a_row_are_a_sensor_out_of_range(every: int) -> None:
    def level_m(t: Array) -> Array:
        value = np.where(t >= 2 * HOUR_S, -0.125, 1.5)
        return np.where((t // 300) % every == 0, value, np.nan)

    condition = verdict(scene(6, tower__level_m=level_m), Fault.SENSOR_OUT_OF_RANGE, "tower")
    first = int(np.flatnonzero(condition.verdict == PRESENT)[0])
    assert first == 24 + 2 * every, "with the third one"
    assert condition.describe(first, first + 3).values["sensor"] == "niveau du château"


def test_a_loop_that_comes_and_goes_every_half_hour_is_out_of_range_too() -> None:
    flickers = scene(6, tower__level_m=lambda t: np.where((t // 1800) % 3 == 1, -0.125, 1.5))
    assert PRESENT in verdict(flickers, Fault.SENSOR_OUT_OF_RANGE, "tower").verdict
    assert PRESENT not in verdict(flickers, Fault.SENSOR_SPIKES, "tower").verdict


def test_a_loop_that_fails_for_two_readings_at_a_time_does_not_jump() -> None:
    """Four singles within six hours would be spikes; here twos are among them: a loop that comes and goes."""
    odd = {10, 20, 21, 30, 40, 41, 50, 60, 61, 70}
    fails = scene(8, tower__level_m=lambda t: np.where(np.isin(t // 300, sorted(odd)), -0.6, 1.5))
    found = verdict(fails, Fault.SENSOR_SPIKES, "tower")
    assert PRESENT not in found.verdict


def jumping(share: float, days: int = 4, size: float = 0.8) -> Scene:
    rng = np.random.default_rng(8)

    def level_m(t: Array) -> Array:
        steady = 1.5 + 0.5 * np.sin(t / DAY_S * 6.28) + noise(len(t), 0.004)
        return np.where(rng.random(len(t)) < share, steady + size, steady)

    return scene(24 * days, START, tower__level_m=level_m)


@pytest.mark.parametrize("share", [0.015, 0.04, 0.12])
def test_single_values_far_off_are_spikes(share: float) -> None:
    assert PRESENT in verdict(jumping(share), Fault.SENSOR_SPIKES, "tower").verdict


def test_impossible_single_values_are_spikes_and_not_out_of_range() -> None:
    found = jumping(0.04, size=20.0)
    assert PRESENT in verdict(found, Fault.SENSOR_SPIKES, "tower").verdict
    assert PRESENT not in verdict(found, Fault.SENSOR_OUT_OF_RANGE, "tower").verdict


@pytest.mark.parametrize(("jumps", "told"), [(2, False), (3, True)])
def test_a_sensor_that_jumps_now_and_then_is_told_at_the_third_time_within_two_days(jumps: int, told: bool) -> None:
    """At 6 h, 16 h and on the next day at 2 h: never four in six hours."""
    at_h = np.array([6.0, 16.0, 26.0])[:jumps]

    def level_m(t: Array) -> Array:
        return np.where(np.isin(t / HOUR_S, at_h), 2.3, 1.5)

    found = verdict(scene(72, START.replace(hour=0), tower__level_m=level_m), Fault.SENSOR_SPIKES, "tower")
    assert (PRESENT in found.verdict) == told


@pytest.mark.parametrize("odd_m", [0.6, -0.6])
def test_a_jump_while_the_tower_empties_is_a_jump(odd_m: float) -> None:
    """30 cm an hour, read every 15 min: 7.5 cm from one reading to the next, 30 cm over the five that are compared."""

    def level_m(t: Array) -> Array:
        every = (t // 300) % 3 == 0
        empties = 2.5 - 0.3 * t / HOUR_S
        return np.where(every, empties + np.where((t // 900) % 6 == 3, odd_m, 0.0), np.nan)

    assert PRESENT in verdict(scene(6, tower__level_m=level_m), Fault.SENSOR_SPIKES, "tower").verdict


def test_a_tower_that_is_filled_at_once_is_no_jump() -> None:
    """0.6 m within two readings, and it stays there; an hour later it has been drawn again."""

    def level_m(t: Array) -> Array:
        return 1.2 + 0.3 * np.clip((t // 300) % 12 - 4, 0, 2) - 0.3 * np.clip((t // 300) % 12 - 9, 0, 2)

    assert PRESENT not in verdict(scene(12, tower__level_m=level_m), Fault.SENSOR_SPIKES, "tower").verdict


def gushes(low_bar: float) -> Callable[[Array], Array]:
    return lambda t: np.where((t // 300) % 5 == 2, low_bar + 1.4, low_bar)


def test_pressure_that_comes_and_goes_in_an_empty_network_is_no_spike() -> None:
    empty = scene(24, network__pressure_bar=gushes(0.4), tower__level_m=0.02)
    assert PRESENT not in verdict(empty, Fault.SENSOR_SPIKES, "network").verdict
    unknown = scene(24, network__pressure_bar=gushes(0.0), tower__level_m=None)
    assert PRESENT not in verdict(unknown, Fault.SENSOR_SPIKES, "network").verdict
    half_full = scene(24, network__pressure_bar=gushes(0.4), tower__level_m=1.5)
    assert PRESENT in verdict(half_full, Fault.SENSOR_SPIKES, "network").verdict


def test_pressure_that_gives_way_to_many_taps_at_once_is_no_spike() -> None:
    many = lambda t: (t // 300) % 7 == 2  # noqa: E731
    dips = {"network__pressure_bar": lambda t: np.where(many(t), 0.5, 1.5), "tower__level_m": 1.5}
    drawn = scene(24, **dips, tower__outflow_m3_h=lambda t: np.where(many(t), 6.0, 2.0))
    assert PRESENT not in verdict(drawn, Fault.SENSOR_SPIKES, "network").verdict
    assert PRESENT in verdict(scene(24, **dips), Fault.SENSOR_SPIKES, "network").verdict


@pytest.mark.parametrize(("jump_bar", "told"), [(-1.0, False), (1.0, True)])
def test_by_day_a_dip_of_the_pressure_may_be_people_and_a_peak_cannot(jump_bar: float, told: bool) -> None:
    """Nothing meters what they draw; from 8 to 20 h each seventh reading lies 1 bar off."""
    odd = scene(
        12, START.replace(hour=8), tower__level_m=1.5, tower__outflow_m3_h=None,
        network__pressure_bar=lambda t: np.where((t // 300) % 7 == 2, 1.5 + jump_bar, 1.5),
    )  # fmt: skip
    assert (PRESENT in verdict(odd, Fault.SENSOR_SPIKES, "network").verdict) == told


@pytest.mark.parametrize(("stands_at_m", "told"), [(-0.04, False), (0.6, True)])
def test_a_level_that_stands_at_zero_goes_below_it_by_its_noise(stands_at_m: float, told: bool) -> None:
    """-0.1 m cannot be in a tower of 3 m; above water it is a jump, at the bottom it is noise."""
    odd = scene(12, tower__level_m=lambda t: np.where((t // 300) % 9 == 4, -0.1, stands_at_m))
    assert (PRESENT in verdict(odd, Fault.SENSOR_SPIKES, "tower").verdict) == told


def now_and_then(every_h: float) -> Callable[[Array], NDArray[np.bool_]]:
    """One reading in so many hours."""
    return lambda t: t % (every_h * HOUR_S) == 300


def test_light_in_the_middle_of_the_night_is_a_cell_that_jumps() -> None:
    dark = START.replace(hour=20)
    flashes = scene(8, dark, pv__irradiance_w_m2=lambda t: np.where(now_and_then(1.5)(t), 420.0, 0.0))
    assert PRESENT in verdict(flashes, Fault.SENSOR_SPIKES, "pv").verdict


def test_the_sun_between_clouds_does_not_jump() -> None:
    noon = START.replace(hour=10)
    gaps = scene(6, noon, pv__irradiance_w_m2=lambda t: np.where(now_and_then(1)(t), 1100.0, 250.0))
    assert PRESENT not in verdict(gaps, Fault.SENSOR_SPIKES, "pv").verdict
    shadows = scene(6, noon, pv__irradiance_w_m2=lambda t: np.where(now_and_then(1)(t), 120.0, 900.0))
    assert PRESENT not in verdict(shadows, Fault.SENSOR_SPIKES, "pv").verdict


@pytest.mark.parametrize(
    ("power_w", "told"), [pytest.param(1000.0, True, id="at-one-pace"), pytest.param(600.0, False, id="under-a-cloud")]
)
def test_a_pumps_flow_that_jumps_while_its_power_does_not_is_the_meter(power_w: float, told: bool) -> None:
    jumps = now_and_then(1)
    day = scene(
        6, pump__flow_m3_h=lambda t: np.where(jumps(t), 1.2, 3.0),
        pump__power_w=lambda t: np.where(jumps(t), power_w, 1000.0),
    )  # fmt: skip
    assert (PRESENT in verdict(day, Fault.SENSOR_SPIKES, "pump").verdict) == told


@pytest.mark.parametrize(("hour", "told"), [pytest.param(23, True, id="at-night"), pytest.param(8, False, id="by-day")])
def test_a_gush_of_three_taps_for_one_reading_is_the_meter_at_night_only(hour: int, told: bool) -> None:
    gushing = scene(6, START.replace(hour=hour), tower__outflow_m3_h=lambda t: np.where(now_and_then(1)(t), 2.5, 0.1))
    assert (PRESENT in verdict(gushing, Fault.SENSOR_SPIKES, "tower").verdict) == told


def test_water_does_not_run_up_into_the_tower_through_its_outlet() -> None:
    backwards = scene(3, tower__outflow_m3_h=lambda t: np.where(t < HOUR_S, 2.0, -30.0))
    assert PRESENT in verdict(backwards, Fault.SENSOR_OUT_OF_RANGE, "tower").verdict
    noisy = scene(3, tower__outflow_m3_h=lambda t: noise(len(t), 0.05))
    assert PRESENT not in verdict(noisy, Fault.SENSOR_OUT_OF_RANGE, "tower").verdict


@pytest.mark.parametrize(
    ("swing_w", "told"), [pytest.param(400.0, True, id="the-sun-moves"), pytest.param(40.0, False, id="at-its-top")]
)
def test_a_flow_that_stays_while_the_pumps_power_goes_up_and_down_is_stuck(swing_w: float, told: bool) -> None:
    day = scene(6, pump__flow_m3_h=3.0, pump__power_w=lambda t: 800 + swing_w * np.sin(t / HOUR_S))
    assert (PRESENT in verdict(day, Fault.SENSOR_STUCK, "pump").verdict) == told


def test_a_flow_that_says_nothing_while_its_own_counter_turns_is_stuck_and_one_that_stopped_does_not_count() -> None:
    morning = {
        "pump__flow_m3_h": 0.0, "pump__power_w": lambda t: np.where(t < 3 * HOUR_S, 0.0, 1000.0),
        "tower__outflow_m3_h": None, "tower__level_m": lambda t: 0.5 + 2.5 * np.maximum(t / HOUR_S - 3, 0) * 3 / 20,
    }  # fmt: skip
    turns = scene(6, **morning, pump__volume_m3=lambda t: 9000 + 3 * np.maximum(t / HOUR_S - 3, 0))
    assert PRESENT in verdict(turns, Fault.SENSOR_STUCK, "pump").verdict
    assert PRESENT not in verdict(turns, Fault.FLOW_METER_STOPPED, "pump").verdict
    stands = scene(6, **morning, pump__volume_m3=9000.0)
    assert PRESENT not in verdict(stands, Fault.SENSOR_STUCK, "pump").verdict
    assert PRESENT in verdict(stands, Fault.FLOW_METER_STOPPED, "pump").verdict


def drawn_from(level_m: float, stuck_at: float | None, *, locked: bool = False, leaks_m3_h: float = 0.0) -> Scene:
    """From 8 to 12 h people draw 3 m³/h, then half a cubic metre, out of a tower of 20 m³, and the pump rests."""

    def drawn(t: Array) -> Array:
        return np.zeros(len(t)) if locked else np.where(t < 4 * HOUR_S, 3.0, 0.5)

    def level(t: Array) -> Array:
        return level_m - np.cumsum(drawn(t) + leaks_m3_h) / 12 * 3 / 20

    def shown(t: Array) -> Array:
        value = np.round(drawn(t) + noise(len(t), 0.01), 2) if stuck_at is None else np.where(t == 0, 1.0, stuck_at)
        return np.where(locked, 0.03, value)

    return scene(8, pump__flow_m3_h=0.0, pump__power_w=2.0, tower__level_m=level, tower__outflow_m3_h=shown)


@pytest.mark.parametrize(
    ("day", "told"),
    [
        pytest.param(drawn_from(2.7, 0.06), True, id="stuck-at-little"),
        pytest.param(drawn_from(2.7, 2.4), True, id="stuck-at-much"),
        pytest.param(drawn_from(2.7, None), False, id="it-moves"),
        pytest.param(drawn_from(2.7, 0.0), False, id="nothing-at-all-is-a-meter-that-stopped"),
        pytest.param(drawn_from(2.7, None, locked=True), False, id="taps-are-locked-all-day"),
        pytest.param(drawn_from(2.7, None, locked=True, leaks_m3_h=1.5), False, id="and-the-tower-leaks"),
    ],
)
def test_an_outflow_that_stays_while_people_come_and_go_is_stuck(day: Scene, told: bool) -> None:
    assert (PRESENT in verdict(day, Fault.SENSOR_STUCK, "tower").verdict) is told


def test_a_level_that_moves_does_not_close_what_is_said_of_the_outflow_beside_it() -> None:
    found = verdict(drawn_from(2.7, 0.06), Fault.SENSOR_STUCK, "tower")
    first = int(np.flatnonzero(found.verdict == PRESENT)[0])
    assert ABSENT not in found.verdict[first:]
    assert found.describe(first, first).values["sensor"] == "débit de sortie"


def test_a_level_sensor_that_reads_low_stands_at_nothing_until_the_water_has_risen_by_what_it_lacks() -> None:
    """Half a metre low in a tower of three: of the first 3.3 m³ it shows nothing; one that is stuck, of all of them."""

    def rises(t: Array) -> Array:
        return t / HOUR_S * 3 / 20  # 1 m³/h more comes than is drawn

    low = scene(6, tower__level_m=lambda t: np.maximum(rises(t) - 0.5, 0.0))
    assert PRESENT not in verdict(low, Fault.SENSOR_STUCK, "tower").verdict
    stuck = scene(10, tower__level_m=0.0)
    assert PRESENT in verdict(stuck, Fault.SENSOR_STUCK, "tower").verdict


def test_the_sun_stands_at_noon_and_a_coarse_cell_with_it() -> None:
    noon = datetime(2026, 3, 2, 12, 20, tzinfo=UTC)
    calm = scene(1.5, noon, pv__irradiance_w_m2=lambda t: np.where(t == 0, 945.0, 950.0))
    assert PRESENT not in verdict(calm, Fault.SENSOR_STUCK, "pv").verdict
    later = scene(4, noon, pv__irradiance_w_m2=lambda t: np.where(t == 0, 945.0, 950.0))
    assert PRESENT in verdict(later, Fault.SENSOR_STUCK, "pv").verdict


@pytest.mark.parametrize(("equal", "told"), [(3, False), (6, True)], ids=["by-chance", "stuck"])
def test_of_hourly_readings_some_are_equal_by_chance(equal: int, told: bool) -> None:
    """A cell of 10 W/m² under passing clouds: the sun has risen, and three readings in a row are the same."""
    hours = np.array([310.0, 520, 610, 780, 560, 640, 700, 590, 430, 360])
    hours[3 : 3 + equal] = 610
    day = scene(10, pv__irradiance_w_m2=lambda t: np.where(t % HOUR_S == 0, hours[(t // HOUR_S).astype(int)], np.nan))
    assert (PRESENT in verdict(day, Fault.SENSOR_STUCK, "pv").verdict) is told


def test_a_cell_that_stopped_in_the_night_is_stuck_in_the_morning() -> None:
    """At 2 W/m² since 21 h, and the panels give power; the sun stands 15° high at 8 h, an hour later it is told."""
    night = datetime(2026, 3, 2, 20, 0, tzinfo=UTC)
    dead: Callable[[Array], Array] = lambda t: np.where(t < HOUR_S, np.where(t % 600 == 0, 0.0, 5.0), 2.0)  # noqa: E731
    condition = verdict(scene(15, night, pv__irradiance_w_m2=dead), Fault.SENSOR_STUCK, "pv")
    first = condition.t_s[condition.verdict == PRESENT][0] - night.timestamp()
    assert 12 < first / HOUR_S < 14


def test_haze_that_clears_as_the_sun_sinks_may_hold_the_light_for_an_hour_after_noon() -> None:
    """From 12:55 to 14:10 the sun at 13° west sinks by less than 6 %; a fine cell shows steps of 2 W/m²."""
    fine: Callable[[Array], Array] = lambda t: np.where(t == 0, 833.0, np.where(t > 4500, 790.0, 835.0))  # noqa: E731
    hazy = scene(1.5, datetime(2026, 3, 2, 12, 50, tzinfo=UTC), pv__irradiance_w_m2=fine)
    assert PRESENT not in verdict(hazy, Fault.SENSOR_STUCK, "pv").verdict
    morning = scene(1.5, datetime(2026, 3, 2, 8, 50, tzinfo=UTC), pv__irradiance_w_m2=fine)
    assert PRESENT in verdict(morning, Fault.SENSOR_STUCK, "pv").verdict, "before noon it must rise"


@pytest.mark.parametrize(("every", "told"), [(1, True), (6, False)])
def test_a_meter_read_every_half_hour_may_miss_a_tap_that_runs_now_and_then(every: int, told: bool) -> None:
    idle = lambda t: np.where((t // 300) % every == 0, np.where(t < 3600, 2.0, 0.0), np.nan)  # noqa: E731
    taps = {f"tap-{tap:02}__volume_m3": lambda t: np.cumsum(np.full(len(t), 0.45 / 3 / 12)) for tap in (1, 2, 3)}
    found = scene(4, tower__outflow_m3_h=idle, **taps)
    assert (PRESENT in verdict(found, Fault.FLOW_METER_STOPPED, "tower").verdict) == told


def test_a_quarter_hours_meter_that_meets_no_tap_for_three_hours_may_do_so_once_in_a_season() -> None:
    """Taps that give 0.4 m³ an hour, 0.7 while one is open, are met by four readings in seven: twelve miss them all
    once in a thousand times, and a season has as many hours."""
    taps = {"tap-01__volume_m3": lambda t: np.cumsum(np.full(len(t), 0.42 / 12))}

    def idle_for(hours: float) -> Scene:
        idle = lambda t: np.where(t % 900 == 0, np.where(t < HOUR_S, 2.0, 0.0), np.nan)  # noqa: E731
        return scene(1 + hours, tower__outflow_m3_h=idle, **taps)

    assert PRESENT not in verdict(idle_for(3), Fault.FLOW_METER_STOPPED, "tower").verdict
    assert PRESENT in verdict(idle_for(6), Fault.FLOW_METER_STOPPED, "tower").verdict


def test_a_meter_whose_counter_turns_has_not_stopped_whatever_its_flow_says_in_between() -> None:
    taps = {"tap-01__volume_m3": lambda t: np.cumsum(np.full(len(t), 1.0 / 12))}
    idle = {"tower__outflow_m3_h": lambda t: np.where(t < HOUR_S, 2.0, 0.0)}
    turns = scene(6, **idle, tower__outflow_volume_m3=lambda t: 7000 + t / HOUR_S, **taps)
    assert PRESENT not in verdict(turns, Fault.FLOW_METER_STOPPED, "tower").verdict
    stands = scene(6, **idle, tower__outflow_volume_m3=lambda t: 7000 + np.minimum(t, HOUR_S) / HOUR_S, **taps)
    assert PRESENT in verdict(stands, Fault.FLOW_METER_STOPPED, "tower").verdict


def test_a_meter_that_stood_all_night_has_not_met_the_morning_yet() -> None:
    """Nobody drew from 0 to 5 h, so the meter was right to stand; of the first can of the day it may see nothing."""
    morning = lambda t: np.cumsum(np.where(t >= 5 * HOUR_S, 0.4 / 12, 0.0))  # noqa: E731
    idle = lambda t: np.where(t % 900 == 0, 0.0, np.nan)  # noqa: E731
    night = START.replace(hour=0)
    found = scene(6, night, tower__outflow_m3_h=idle, **{"tap-01__volume_m3": morning})
    assert PRESENT not in verdict(found, Fault.FLOW_METER_STOPPED, "tower").verdict
    late = scene(12, night, tower__outflow_m3_h=idle, **{"tap-01__volume_m3": morning})
    assert PRESENT in verdict(late, Fault.FLOW_METER_STOPPED, "tower").verdict


@pytest.mark.parametrize(
    ("sun", "days", "told"),
    [
        pytest.param(None, 2, False, id="no-cell"),
        pytest.param(None, 4, True, id="no-cell-for-long"),
        pytest.param(clear_sky, 1, False, id="light-on-time-since-noon"),
        pytest.param(clear_sky, 2, True, id="light-on-time-for-a-day"),
        pytest.param(lambda t: clear_sky(t - 2 * HOUR_S), 4, False, id="light-is-late"),
    ],
)
def test_a_pumps_meter_is_asked_again_once_nothing_speaks_for_a_step_of_the_clock(
    sun: Callable[[Array], Array] | None, days: int, told: bool
) -> None:
    """The clock went ahead by two hours at noon; so many midnights later the tower fills and the meter stands."""
    stops_s = days * DAY_S + 9 * HOUR_S
    filling = scene(
        24 * days + 12, START, pv__irradiance_w_m2=sun, tower__outflow_m3_h=None,
        gateway__uptime_s=lambda t: 1e6 + t - np.where(t >= DAY_S / 2, 2 * HOUR_S, 0.0),
        pump__power_w=lambda t: np.where(t % DAY_S > 8 * HOUR_S, 1000.0, 0.0),
        pump__flow_m3_h=lambda t: np.where((t % DAY_S > 8 * HOUR_S) & (t < stops_s), 3.0, 0.0),
        tower__level_m=lambda t: 0.5 + 0.45 * np.clip(t % DAY_S / HOUR_S - 8, 0, 4),
    )  # fmt: skip
    assert (PRESENT in verdict(filling, Fault.FLOW_METER_STOPPED, "pump").verdict) is told


def test_a_pumps_meter_that_stands_while_the_tower_fills_needs_no_meter_behind_the_tower() -> None:
    filling = scene(
        6, tower__outflow_m3_h=None, pump__flow_m3_h=lambda t: np.where(t < 7200, 3.0, 0.0),
        tower__level_m=lambda t: 0.5 + 2.5 * t / 3600 * 3 / 20,
    )  # fmt: skip
    assert PRESENT in verdict(filling, Fault.FLOW_METER_STOPPED, "pump").verdict


def test_a_well_that_a_short_run_of_the_pump_draws_down_does_not_jump() -> None:
    runs = lambda t: (t // 300) % 9 == 4  # noqa: E731
    short = scene(
        24,
        borehole__water_depth_m=lambda t: np.where(runs(t), 30.0, 22.0),
        pump__power_w=lambda t: np.where(runs(t) | ((t // 300) % 9 == 5), 1000.0, 3.0),
    )
    assert PRESENT not in verdict(short, Fault.SENSOR_SPIKES, "borehole").verdict


@pytest.mark.parametrize(
    ("off_bar", "told"),
    [
        pytest.param(lambda day: np.clip((day - 12) * 0.012, 0, 0.15), (18, None), id="creeps-and-stays"),
        pytest.param(lambda day: np.where(day < 45, np.clip((day - 12) * 0.012, 0, 0.15), 0), (18, 46), id="is-mended"),
        pytest.param(lambda day: np.where(day < 20, 0.0, 0.1), None, id="is-set-anew"),
        pytest.param(lambda day: np.where(day < 20, 0.0, 0.3), None, id="is-exchanged"),
    ],
)
def test_a_gauge_drifts_until_somebody_mends_it_and_not_ten_days_after(
    off_bar: Callable[[Array], Array], told: tuple[int, int | None] | None
) -> None:
    """At 12 mbar a day since day 12 the night of day 17 is 60 mbar off, and with that of day 18 most of three are."""

    def bar(t: Array) -> Array:
        return 14 / 10.2 + off_bar(t / DAY_S) + noise(len(t), 0.003)

    weeks = scene(24 * 70, START, network__pressure_bar=bar, tower__level_m=2.0, tower__outflow_m3_h=0.0)
    found = transitions(verdict(weeks, Fault.SENSOR_DRIFT, "network"), [])
    days = [
        ((one.first_evidence_at - START).days, None if one.cleared_at is None else (one.cleared_at - START).days)
        for one in found
        if isinstance(one, Opening)
    ]
    assert days == ([] if told is None else [told])


def test_a_pressure_that_stands_while_the_column_above_it_moves_is_stuck() -> None:
    falls = {"tower__level_m": lambda t: 3.0 - t / HOUR_S * 0.3}
    moves = {"network__pressure_bar": lambda t: np.round(1.4 - t / HOUR_S * 0.03, 2), **falls}
    assert PRESENT not in verdict(scene(8, **moves), Fault.SENSOR_STUCK, "network").verdict

    def stuck_bar(t: Array) -> Array:
        return np.where(t < HOUR_S, np.round(1.4 - t / HOUR_S * 0.03, 2), 1.37)

    condition = verdict(scene(8, **falls, network__pressure_bar=stuck_bar), Fault.SENSOR_STUCK, "network")
    assert PRESENT in condition.verdict
    coarse = scene(
        8, **falls, network__pressure_bar=lambda t: np.where(t < HOUR_S, 1.4, np.where(t < 7 * HOUR_S, 1.3, 1.2))
    )
    assert PRESENT not in verdict(coarse, Fault.SENSOR_STUCK, "network").verdict, "a sensor of a tenth of a bar"


def test_an_equal_value_after_an_outage_is_chance() -> None:
    def bar(t: Array) -> Array:
        return np.where((t > HOUR_S) & (t < 9 * HOUR_S), np.nan, np.where(t <= HOUR_S, 1.4 - (t < HOUR_S) * 0.01, 1.4))

    found = scene(10, network__pressure_bar=bar, tower__level_m=lambda t: 3.0 - t / HOUR_S * 0.2)
    assert PRESENT not in verdict(found, Fault.SENSOR_STUCK, "network").verdict


def test_a_probe_that_hangs_above_a_nearly_empty_well_is_not_stuck() -> None:
    ends = scene(6, borehole__water_depth_m=49.1, pump__flow_m3_h=1.0)
    assert PRESENT not in verdict(ends, Fault.SENSOR_STUCK, "borehole").verdict
    stands = scene(6, borehole__water_depth_m=31.2, pump__flow_m3_h=1.0)
    assert PRESENT in verdict(stands, Fault.SENSOR_STUCK, "borehole").verdict


def float_stops(levels_m: list[float]) -> Scene:
    """Days on which the float stops the pump in the afternoon at these levels as the sensor shows them."""
    at_stop = np.array(levels_m)

    def level_m(t: Array) -> Array:
        hour = t % DAY_S / HOUR_S
        top = at_stop[(t // DAY_S).astype(int)]
        return np.where(hour < 14, top - (14 - hour) * 0.1, top - (hour - 14) * 0.05)

    return scene(
        24 * len(levels_m), START, tower__level_m=level_m,
        pump__power_w=lambda t: np.where((t % DAY_S >= 8 * HOUR_S) & (t % DAY_S < 14 * HOUR_S), 1000.0, 3.0),
    )  # fmt: skip


def test_a_level_sensor_that_creeps_away_from_its_float_drifts() -> None:
    creeps = [3.0, 3.01, 2.99, 3.0, 3.0, 3.01, 2.99, 3.0, 3.03, 3.06, 3.09, 3.12, 3.15, 3.18, 3.21]
    condition = verdict(float_stops(creeps), Fault.SENSOR_DRIFT, "tower")
    days = np.flatnonzero(condition.verdict == PRESENT)
    assert 9 <= days[0] <= 13


@pytest.mark.parametrize(
    "levels_m",
    [
        pytest.param([3.0, 2.98, 3.02, 3.0, 2.97, 3.03, 3.0, 2.99, 3.02, 2.98, 3.01, 3.0], id="a-float-with-play"),
        pytest.param([3.0] * 8 + [2.7, 2.72, 2.69, 2.7, 2.71], id="a-float-that-was-hung-anew"),
    ],
)
def test_another_float_is_no_drift(levels_m: list[float]) -> None:
    assert PRESENT not in verdict(float_stops(levels_m), Fault.SENSOR_DRIFT, "tower").verdict


def days_of_power(performance: list[float], noon: list[float] | None = None) -> Condition:
    """What is said of a cell on days on which the panels gave this power for its irradiance (1 = as on the plate).

    `noon` is its brightest half hour against a clear sky, where that was seen.
    """
    (detector,) = [d for d in DETECTORS if d.faults == (Fault.SENSOR_DRIFT,) and d.asset == "pv"]
    calm = scene(24 * len(performance), START)
    nowhere = [np.nan] * len(performance)
    known = {"pv_performance": np.array([performance]), "clear_noon": np.array([noon or nowhere])}
    return only(detector.judge, Scene(calm.grid, Days(calm.days.day_s, known, 1)))


def test_power_that_rises_day_by_day_is_a_cell_that_goes_blind() -> None:
    dusty = [0.95 - 0.003 * day for day in range(12)]
    blind = [dusty[-1] * 1.012**day for day in range(1, 8)]
    found = days_of_power(dusty + blind).verdict
    assert PRESENT not in found[:15]
    assert PRESENT in found[15:]


@pytest.mark.parametrize("gain", [pytest.param(1.12, id="rain"), pytest.param(1.3, id="a-washing")])
def test_panels_that_are_clean_again_at_once_are_no_blind_cell(gain: float) -> None:
    dusty = [0.95 - 0.004 * day for day in range(12)]
    clean = [dusty[-1] * gain - 0.003 * day for day in range(8)]
    assert PRESENT not in days_of_power(dusty + clean).verdict


def test_haze_that_goes_while_dust_gathers_is_no_cell_that_sees_too_much() -> None:
    dusty = [0.95 - 0.009 * day for day in range(30)]
    haze = [0.97, 0.98] + [0.86] * 24 + [0.95, 0.97, 0.98, 0.98]
    assert PRESENT not in days_of_power(dusty, haze).verdict
    sees_too_much = [*haze[:26], 1.06, 1.07, 1.09, 1.1]
    assert PRESENT in days_of_power(dusty, sees_too_much).verdict


def test_haze_that_comes_while_panels_are_washed_is_no_cell_that_sees_too_little() -> None:
    washed = [0.95 - 0.008 * day for day in range(20)] + [0.97] * 6
    haze = [0.98] * 20 + [0.9, 0.87, 0.86, 0.85, 0.85, 0.85]
    assert PRESENT not in days_of_power(washed, haze).verdict


@pytest.mark.parametrize("goes", [True, False], ids=["while-it-is-gone", "when-it-is-back"])
def test_a_string_that_is_gone_and_comes_back_moves_no_cell(goes: bool) -> None:
    """Half of the power goes from one day to the next, in clearer days than before; a cell drifts little by little."""
    lost = [0.94] * 14 + [0.47] * 6 + ([] if goes else [0.94] * 6)
    clearer = [0.9] * 14 + [1.0] * (6 if goes else 12)
    assert PRESENT not in days_of_power(lost, clearer).verdict
    hazier = [0.9] * 20 + [0.82] * 6
    assert goes or PRESENT not in days_of_power(lost, hazier).verdict


@pytest.mark.parametrize(
    ("toy", "told"),
    [
        pytest.param(Toy(days=26, slips=ramp(10, 0.12, within=12)), True, id="the-meter-says-less-and-less"),
        pytest.param(Toy(days=26, slips=ramp(10, -0.12, within=12)), True, id="more-and-more"),
        pytest.param(Toy(days=26, worn=ramp(10, 0.2, within=14)), False, id="the-pump-wears"),
        pytest.param(Toy(days=26, tired=ramp(10, 0.2, within=14)), False, id="the-motor-rubs"),
        pytest.param(Toy(days=26, slips=step(14.3, 0.12)), False, id="it-slips-at-once"),
        pytest.param(Toy(days=26, noise=4.0), False, id="cheap-instruments"),
    ],
)
def test_a_pumps_meter_that_creeps_is_known_by_the_motors_power(toy: Toy, told: bool) -> None:
    day = toy.scene()
    assert (PRESENT in verdict(day, Fault.SENSOR_DRIFT, "pump").verdict) == told
    if told:
        wear = [signal for signal in judge_pump(day) if signal.fault is Fault.PUMP_WEAR]
        assert all(PRESENT not in signal.verdict for signal in wear)


def days_of_balance(share: list[float]) -> Condition:
    """What is said of a pump's meter on days on which the tower found this share of what it said."""
    (detector,) = [d for d in DETECTORS if d.faults == (Fault.FLOW_METER_STOPPED,) and d.asset == "pump"]
    calm = scene(24 * len(share), START)
    return only(detector.judge, Scene(calm.grid, Days(calm.days.day_s, {"meter_share": np.array([share])}, 1)))


def behind_the_tower(share: list[float], nights: list[float]) -> Condition:
    """What is said of the tower's meter, without meters at the taps, by this share and the balance of these nights."""
    (detector,) = [d for d in DETECTORS if d.faults == (Fault.FLOW_METER_STOPPED,) and d.asset == "tower"]
    calm = scene(24 * len(share), START)
    known = {"meter_share": np.array([share]), "night_balance_m3_h": np.array([nights])}
    return only(detector.judge, Scene(calm.grid, Days(calm.days.day_s, known, 1)))


@pytest.mark.parametrize(
    ("slips", "told"),
    [(step(16, 0.4), True), (ramp(12, 0.4, within=12), False), (0.0, False)],
    ids=["at-once", "it-creeps", "sound"],
)
def test_where_nothing_measures_what_leaves_the_tower_the_motors_power_knows_of_a_meter_that_slips(
    slips: Course, told: bool
) -> None:
    found = Toy(days=24, slips=slips, lacks=(("tower", "outflow_m3_h"),)).scene()
    assert (PRESENT in verdict(found, Fault.FLOW_METER_STOPPED, "pump").verdict) is told


def test_days_of_which_nothing_is_known_accuse_no_meter() -> None:
    """The box was silent for three days; head and power of a pump that nobody saw say nothing of its flow."""
    whole = Toy(days=20, lacks=(("tower", "outflow_m3_h"),)).scene()
    silent = (whole.grid.t_s >= whole.grid.start_s + 14 * DAY_S) & (whole.grid.t_s < whole.grid.start_s + 17 * DAY_S)
    raw = {channel: np.where(silent, np.nan, value) for channel, value in whole.grid.raw.items()}
    grid = Grid(whole.grid.sites, whole.grid.start_s, STEP_S, whole.grid.steps, raw)
    found = Scene(grid, days_of(grid, features_of(grid.sites)))
    assert PRESENT not in verdict(found, Fault.FLOW_METER_STOPPED, "pump").verdict


def test_a_balance_of_seldom_read_meters_must_be_off_by_more_than_it_ever_is() -> None:
    steady = [1.0, 1.01, 0.99, 1.0, 1.02, 0.98, 1.0, 1.01, 0.99, 1.0]
    restless = [1.0, 1.1, 0.9, 1.05, 0.93, 1.12, 0.9, 1.08, 0.92, 1.1]
    assert PRESENT in days_of_balance([*steady, 1.4, 1.41, 1.4]).verdict
    assert PRESENT not in days_of_balance([*restless, 1.4, 1.41, 1.4]).verdict
    assert PRESENT in days_of_balance([*restless, 3.1, 3.0, 3.2]).verdict


def metered(
    days: int, *, slip: float = 1.0, from_day: float = 99.0, taps: bool = True, washed: tuple[float, ...] = ()
) -> Scene:
    """Days on which 1 m³/h flows from 6 to 20 h, the tower's meter sees `slip` of it; drained on some mornings."""

    def drawn(t: Array) -> Array:
        hour = t % DAY_S / HOUR_S
        is_washed = np.isin(t // DAY_S, washed) & (hour < 9)
        return np.where((hour >= 6) & (hour < 20) & ~is_washed, 1.0, 0.0)

    def level_m(t: Array) -> Array:
        hour = t % DAY_S / HOUR_S
        is_washed = np.isin(t // DAY_S, washed) & (hour >= 6) & (hour < 9)
        return np.where(is_washed, np.maximum(2.0 - (hour - 6) * 2, 0.0), 2.0)

    channels = {
        "tower__outflow_m3_h": lambda t: drawn(t) * np.where(t >= from_day * DAY_S, slip, 1.0),
        "tower__level_m": level_m, "pump__flow_m3_h": drawn,
    }  # fmt: skip
    if taps:
        for tap in range(1, 6):
            channels[f"tap-{tap:02}__volume_m3"] = lambda t: np.cumsum(drawn(t) / 5 / 12)
    return scene(24 * days, START, **channels)


def test_a_tower_meter_that_slips_or_stops_is_told_by_the_taps() -> None:
    slips = verdict(metered(14, slip=0.75, from_day=9), Fault.FLOW_METER_STOPPED, "tower")
    first_s = slips.t_s[slips.verdict == PRESENT][0] - START.timestamp()
    assert 10 * DAY_S <= first_s <= 12 * DAY_S
    stops = verdict(metered(3, slip=0.0, from_day=1.5), Fault.FLOW_METER_STOPPED, "tower")
    first_s = stops.t_s[stops.verdict == PRESENT][0] - START.timestamp()
    assert first_s - 1.5 * DAY_S <= 3 * HOUR_S


@pytest.mark.parametrize("of", ["taps", "balance", "pump"])
def test_a_meter_that_slips_slips_until_somebody_mends_it(of: str) -> None:
    """For a month it misses a quarter, of the tower (by the taps, or by what the pump brings) or of the pump."""
    steady = [1.0, 1.01, 0.99] * 4
    told = {
        "taps": lambda: verdict(metered(48, slip=0.75, from_day=12), Fault.FLOW_METER_STOPPED, "tower"),
        "balance": lambda: behind_the_tower([*steady, *[0.75] * 36], [0.0] * 48),
        "pump": lambda: days_of_balance([*steady, *[1.34] * 36]),
    }[of]()
    (opening,) = [one for one in transitions(told, []) if isinstance(one, Opening)]
    assert opening.cleared_at is None


@pytest.mark.parametrize("nights", [[0.0] * 15, [0.0] * 12 + [np.nan] * 3, [0.0] * 12 + [-0.4] * 3])
def test_without_tap_meters_only_a_tower_whose_nights_are_tight_accuses_the_meter_behind_it(
    nights: list[float],
) -> None:
    """A third of what the pump brings is neither in the tower nor on the meter: it slips, or the tower leaks. One
    that is empty before midnight does not say."""
    told = behind_the_tower([1.0, 1.01, 0.99] * 4 + [0.66] * 3, nights)
    assert (PRESENT in told.verdict) == (nights[-1] == 0.0)


@pytest.mark.parametrize("taps", [True, False], ids=["with-tap-meters", "without"])
def test_a_tower_that_is_washed_has_no_broken_meter(taps: bool) -> None:
    found = metered(12, taps=taps, washed=(9.0,))
    assert PRESENT not in verdict(found, Fault.FLOW_METER_STOPPED, "tower").verdict
    assert PRESENT not in verdict(found, Fault.FLOW_METER_STOPPED, "pump").verdict


@pytest.mark.parametrize(
    ("before_w", "stop_m"),
    [pytest.param(900.0, 2.7, id="out-of-full-work"), pytest.param(300.0, np.nan, id="as-the-sun-fades")],
)
def test_without_a_cell_a_stop_out_of_full_work_is_the_floats(before_w: float, stop_m: float) -> None:
    """At noon, at 2.7 m of 3 m; what runs at a quarter of its power may be stopped by any cloud."""
    day = scene(
        13,
        pv__irradiance_w_m2=None,
        tower__level_m=2.7,
        pump__power_w=lambda t: np.where(t < 4 * HOUR_S, before_w, 3.0),
    )
    assert day.days.get("level_at_stop_m")[0, 0] == pytest.approx(stop_m, nan_ok=True)
