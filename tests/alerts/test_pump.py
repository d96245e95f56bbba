"""A pump that stands or runs dry, told as mornings: what opens an alert, when, and what does not."""

from collections.abc import Callable

import numpy as np
import pytest

from alerts.days import Days, days_of
from alerts.detectors import DETECTORS, Scene, features_of
from alerts.detectors.pump import judge_dry_running, judge_standing
from alerts.detectors.pv import judge_string_loss
from alerts.lifecycle import Opening, transitions
from alerts.model import Verdict
from alerts.scene import STEP_S, Grid
from gateway.model import Fault, PumpState
from tests.alerts.toy import Toy
from tests.alerts.windows import MORNING, Values, only, scene, share

RUNNING, TRIPPED, FULL = float(PumpState.RUNNING), float(PumpState.TRIPPED), float(PumpState.STOPPED_TOWER_FULL)
STARTING, LOW_SUN, DRY = float(PumpState.STARTING), float(PumpState.STOPPED_LOW_SUN), float(PumpState.STOPPED_DRY)
Times = np.ndarray[tuple[int], np.dtype[np.float64]]


def opened(of: Scene) -> dict[Fault, float]:
    """Minutes after the first reading at which each fault's first alert opens, by the rules of people."""
    begin_s = of.grid.start_s + 8 * 3600
    found: dict[Fault, float] = {}
    for signal in (*judge_standing(of), *judge_dry_running(of), *judge_string_loss(of)):
        for transition in transitions(signal.condition(0), []):
            if isinstance(transition, Opening):
                found.setdefault(Fault(signal.fault), (transition.confirmed_at.timestamp() - begin_s) / 60)
    return found


def after_an_hour(before: float, later: float) -> Callable[[Times], Times]:
    return lambda t: np.where(t < 3600, before, later)


def in_turns(minutes: float, runs: float, stands: float) -> Callable[[Times], Times]:
    """Runs for so many minutes, stands as long, and so on."""
    return lambda t: np.where(t // (60 * minutes) % 2 == 0, runs, stands)


STOPS = {"pump__power_w": after_an_hour(1000, 5), "pump__flow_m3_h": after_an_hour(3, 0)}


def test_a_trip_under_a_grey_sky_with_a_full_tower_is_believed() -> None:
    day = scene(
        **STOPS, pv__irradiance_w_m2=230.0, tower__level_m=2.9, pump__state_code=after_an_hour(RUNNING, TRIPPED)
    )
    assert opened(day) == {Fault.INVERTER_TRIP: 105}


def test_a_controller_that_tries_in_vain_at_dawn_is_believed() -> None:
    day = scene(**STOPS, pv__irradiance_w_m2=230.0, pump__state_code=after_an_hour(RUNNING, STARTING))
    assert opened(day) == {Fault.PUMP_NOT_RUNNING: 120}


def test_a_float_that_says_full_over_a_low_tower_needs_no_bright_sun() -> None:
    day = scene(**STOPS, pv__irradiance_w_m2=230.0, pump__state_code=after_an_hour(RUNNING, FULL))
    assert opened(day) == {Fault.FLOAT_STUCK_FULL: 120}


@pytest.mark.parametrize(
    ("runs", "told"),
    [
        pytest.param(False, {Fault.FLOAT_STUCK_FULL}, id="it-stands-in-all-of-them"),
        pytest.param(True, set(), id="it-starts-late-in-each"),
    ],
)
def test_a_float_that_says_full_is_told_by_an_hour_of_sun_between_clouds(runs: bool, told: set[Fault]) -> None:
    """From nine on twenty minutes of sun and of cloud in turns; nobody reads what the controller says."""

    def works(t: Times) -> Times:
        return (t < 3600) | (runs & (t % 2400 >= 600) & (t % 2400 < 1200))

    found = opened(scene(
        8, pv__irradiance_w_m2=lambda t: np.where((t >= 3600) & (t % 2400 >= 1200), 200.0, 700.0),
        pump__power_w=lambda t: np.where(works(t), 1000.0, 5.0), pump__flow_m3_h=lambda t: np.where(works(t), 3.0, 0.0),
        pump__speed_rpm=lambda t: np.where(works(t), 2700.0, 0.0),
    ))  # fmt: skip
    assert found.keys() == told
    assert all(3 * 60 <= minutes <= 5 * 60 for minutes in found.values()), "an hour of sun, and the hour's delay"


def test_without_a_cell_the_controller_and_the_hour_suffice() -> None:
    day = scene(**STOPS, pv__irradiance_w_m2=None, pump__state_code=after_an_hour(RUNNING, TRIPPED))
    found = opened(day)
    assert found.keys() == {Fault.INVERTER_TRIP}
    assert 105 <= found[Fault.INVERTER_TRIP] <= 165, "once the sun stands high enough"


@pytest.mark.parametrize(
    ("signs", "told"),
    [
        pytest.param({}, {Fault.PUMP_NOT_RUNNING}, id="it-tries-in-vain"),
        pytest.param({"pump__state_code": after_an_hour(RUNNING, LOW_SUN), "pump__power_w": after_an_hour(1000, 5)},
                     set(), id="its-controller-sees-little-sun"),
        pytest.param({"gateway__uptime_s": lambda t: 1e6 + t - np.where(t >= 1800, 4 * 3600, 0)}, set(),
                     id="nobody-knows-the-hour"),
    ],
)  # fmt: skip
def test_without_a_cell_a_high_sun_over_a_pump_that_has_not_run_for_hours_suffices(
    signs: dict[str, Callable[[Times], Times]], told: set[Fault]
) -> None:
    """It stops at 11 h; a try every hour draws 100 W. From 13 h on it is believed, an hour later told."""
    tries: Callable[[Times], Times] = lambda t: np.where(t < 3600, 1000.0, np.where(t % 3600 == 1800, 100.0, 5.0))  # noqa: E731
    stops = {"pump__power_w": tries, "pump__flow_m3_h": after_an_hour(3, 0)}
    day = scene(5, MORNING.replace(hour=10), **{**stops, **signs}, pv__irradiance_w_m2=None)
    assert opened(day).keys() == told
    assert all(180 <= minutes - 120 <= 250 for minutes in opened(day).values()), "counted from 8 h"


@pytest.mark.parametrize(("days", "told"), [(2, set()), (4, {Fault.PUMP_NOT_RUNNING})])
def test_without_a_cell_a_step_of_the_clock_hides_no_pump_for_long(days: int, told: set[Fault]) -> None:
    """So many days after its clock was put right by four hours the pump stands from 11 h on, and tries in vain."""
    on_day: Callable[[Times], Times] = lambda t: t - days * 86_400  # noqa: E731
    tries: Callable[[Times], Times] = lambda t: np.where(t % 3600 == 1800, 100.0, 5.0)  # noqa: E731
    lived = scene(
        24 * days + 5, MORNING.replace(hour=10), pv__irradiance_w_m2=None,
        pump__power_w=lambda t: np.where(on_day(t) < 3600, 1000.0, tries(t)),
        pump__flow_m3_h=lambda t: np.where(on_day(t) < 3600, 3.0, 0.0),
        gateway__uptime_s=lambda t: 1e6 + t - np.where(t >= 1800, 4 * 3600, 0),
    )  # fmt: skip
    assert opened(lived).keys() == told


def test_without_a_level_a_trip_is_told_without_one() -> None:
    day = scene(**STOPS, tower__level_m=None, pump__state_code=after_an_hour(RUNNING, TRIPPED))
    (trip,) = [signal for signal in judge_standing(day) if signal.fault is Fault.INVERTER_TRIP]
    last = int(np.flatnonzero(trip.verdict[0] == Verdict.PRESENT)[-1])
    evidence = trip.describe(0, last - 6, last)
    assert "level_pct" not in evidence.values
    assert evidence.values["code"] == TRIPPED
    assert "nan" not in evidence.sentence_fr + evidence.sentence_en


def test_a_pump_that_stands_again_and_again_is_not_well_in_between() -> None:
    day = scene(pump__power_w=in_turns(30, 1000, 5), pump__flow_m3_h=in_turns(30, 3, 0))
    found = opened(day)
    assert found.keys() == {Fault.PUMP_NOT_RUNNING}
    assert found[Fault.PUMP_NOT_RUNNING] <= 120


@pytest.mark.parametrize("told_twice", [False, True])
def test_an_hour_that_a_clock_tells_twice_is_no_pump_that_comes_and_goes(told_twice: bool) -> None:
    """The clock went back by four hours: beside each reading of this morning stands one of its sunny noon."""
    first = lambda t: (t >= 3600) & (t < 3 * 3600)  # noqa: E731
    second = lambda t: first(t) & (t // 300 % 2 == 1)  # noqa: E731
    day = scene(
        15, pump__power_w=lambda t: np.where(first(t) & ~second(t), 3.0, 1000.0),
        gateway__uptime_s=lambda t: 1e6 + t + np.where(second(t) & told_twice, 4 * 3600.0, 0.0),
    )  # fmt: skip
    assert (Fault.PUMP_NOT_RUNNING in opened(day)) is not told_twice


def test_a_planned_stop_of_35_minutes_opens_nothing_whatever_the_controller_says() -> None:
    def stopped(t: Times) -> Times:
        return np.where((t >= 3600) & (t < 3600 + 35 * 60), 5.0, 1000.0)

    assert opened(scene(pump__power_w=stopped, pump__flow_m3_h=lambda t: np.where(stopped(t) > 100, 3.0, 0.0))) == {}


def test_a_tower_that_is_full_all_day_opens_nothing() -> None:
    full = scene(**STOPS, tower__level_m=2.95, pump__state_code=after_an_hour(RUNNING, FULL))
    assert opened(full) == {}


@pytest.mark.parametrize("drifts", [True, False], ids=["its-sensor-drifts", "it-stops-at-half"])
def test_a_pump_that_stops_where_it_stopped_yesterday_is_told_full_however_far_its_sensor_drifts(drifts: bool) -> None:
    """Each afternoon the float stops it, at 5 cm less by the sensor; at 2.2 m of 3 the plate would call it half empty.

    A pump that has always stopped at 3 m and stands at 2.2 today is broken.
    """
    stops_m = [2.95 - 0.05 * day for day in range(14)] + [2.25, np.nan]
    if not drifts:
        stops_m = [2.95] * 15 + [np.nan]
    today = scene(**STOPS, tower__level_m=after_an_hour(2.24, 2.2))
    day_s = today.days.day_s[-1] - 86_400 * np.arange(len(stops_m))[::-1]
    seen_m = np.array([stops_m])
    known = {"level_at_any_stop_m": seen_m, "level_at_stop_m": np.where(seen_m > 2.55, seen_m, np.nan)}
    found = opened(Scene(today.grid, Days(day_s, known, 1)))
    assert (Fault.PUMP_NOT_RUNNING in found) is not drifts


def test_a_controller_whose_words_nobody_knows_yet_takes_no_panels_away_before_its_pump_first_ran() -> None:
    """Of all its rests it says that the sun is low; this pump starts at 700 W/m², which its plate does not know."""
    waits = {"pump__power_w": 0.0, "pump__flow_m3_h": 0.0, "pump__state_code": LOW_SUN, "pv__irradiance_w_m2": 500.0}
    assert Fault.PV_STRING_LOSS not in opened(scene(**waits))


@pytest.mark.parametrize(("top_m", "found"), [(2.78, {}), (2.3, {Fault.PUMP_NOT_RUNNING: 120})])
def test_a_tower_that_filled_up_between_two_readings_is_full(top_m: float, found: dict[Fault, int]) -> None:
    """The float stops at 3 m; a reading every quarter of an hour last saw 2.78 m, and the pump brings 12 cm more."""
    seldom = lambda t: np.where(t % 900 == 0, np.where(t < 3600, top_m, top_m - 0.05), np.nan)  # noqa: E731
    assert opened(scene(**STOPS, tower__level_m=seldom)) == found


@pytest.mark.parametrize(
    ("sign", "minutes"),
    [
        # A controller whose next attempt to start is due sees no sun either, until it tries: twelve readings say.
        pytest.param({"pump__state_code": after_an_hour(RUNNING, LOW_SUN)}, 145, id="the-controller-sees-no-sun"),
        pytest.param({"pv__voltage_v": after_an_hour(310.0, 4.0)}, 90, id="no-voltage-is-there"),
    ],
)
def test_panels_that_give_nothing_are_not_the_pump(sign: dict[str, Callable[[Times], Times]], minutes: int) -> None:
    assert opened(scene(**STOPS, **sign)) == {Fault.PV_STRING_LOSS: minutes}


def test_a_controller_with_one_word_for_all_its_rests_tells_of_no_panels() -> None:
    """Its pump ran once, then stood under a full tower, and the word was that the sun is low; so it means nothing."""
    runs_once: Callable[[Times], Times] = lambda t: np.where(t < 1200, 1000.0, 5.0)  # noqa: E731
    rests = {
        "pump__power_w": runs_once,
        "pump__flow_m3_h": lambda t: runs_once(t) * 0.003,
        "pump__state_code": lambda t: np.where(t < 1200, RUNNING, LOW_SUN),
    }
    assert opened(scene(**rests, tower__level_m=2.95)) == {}
    falls: Callable[[Times], Times] = lambda t: 2.95 - t / 3600 * 0.3  # noqa: E731  # as fast as people draw
    found = opened(scene(8, **rests, tower__level_m=falls))
    assert found.keys() == {Fault.FLOAT_STUCK_FULL}, "it stood under a full tower and stays so while the tower empties"
    assert 60 * (1 / 0.3 + 2) <= found[Fault.FLOAT_STUCK_FULL] <= 60 * (1 / 0.3 + 2.5), (
        "two hours below the start level"
    )


def test_a_number_that_is_none_of_ours_is_its_makers_number_of_a_fault() -> None:
    assert opened(scene(**STOPS, pump__state_code=after_an_hour(RUNNING, 37.0))) == {Fault.INVERTER_TRIP: 105}


def test_a_well_that_gives_for_minutes_between_its_dry_stops_is_told_within_half_an_hour() -> None:
    def phase(t: Times) -> Times:
        return t // 300 % 5  # two readings stopped, two with water, one in air

    def course(stopped: float, gives: float, air: float) -> Callable[[Times], Times]:
        return lambda t: np.select([t < 3600, phase(t) < 2, phase(t) < 4], [gives, stopped, gives], air)

    day = scene(
        pump__power_w=course(4, 1000, 520), pump__flow_m3_h=course(0, 3, 0.0),
        borehole__water_depth_m=course(40, 47, 48.5), pump__state_code=course(DRY, RUNNING, RUNNING),
    )  # fmt: skip
    found = opened(day)
    assert found.keys() == {Fault.DRY_RUNNING}
    first_air = 70
    assert first_air + 15 <= found[Fault.DRY_RUNNING] <= first_air + 30


def test_one_dry_stop_is_the_controllers_business() -> None:
    def once(t: Times) -> Times:
        return (t >= 3600) & (t < 3600 + 600)

    day = scene(
        pump__power_w=lambda t: np.where(once(t), 4.0, 1000.0), pump__flow_m3_h=lambda t: np.where(once(t), 0.0, 3.0),
        pump__state_code=lambda t: np.where(once(t), DRY, RUNNING),
    )  # fmt: skip
    assert opened(day) == {}


@pytest.mark.parametrize(
    ("power_w", "is_dry"),
    [pytest.param(520.0, True, id="it-turns-in-air"), pytest.param(1100.0, False, id="only-the-meter-stands")],
)
def test_without_a_well_probe_the_load_says_whether_there_is_water(power_w: float, is_dry: bool) -> None:
    day = scene(
        pump__power_w=power_w, pump__flow_m3_h=0.0, pump__speed_rpm=2850.0, borehole__water_depth_m=None,
        pump__state_code=RUNNING,
    )  # fmt: skip
    assert (Fault.DRY_RUNNING in opened(day)) == is_dry


def without_speed_and_probe(power_w: Callable[[Times, Times], Times], *, rise_m_h: float) -> dict[Fault, float]:
    """On the tenth morning no water comes; what opens, in hours since then.

    `power_w` is given what the motor drew at that hour of a whole day, and the irradiance.
    """
    whole = Toy(days=10, lacks=(("pump", "speed_rpm"), ("borehole", "water_depth_m"))).scene()
    since_s = whole.grid.t_s - (whole.grid.start_s + 9 * 86_400 + 9 * 3600)
    is_on = since_s >= 0
    raw = dict(whole.grid.raw)
    changed = power_w(raw["pump", "power_w"], raw["pv", "irradiance_w_m2"])
    raw["pump", "power_w"] = np.where(is_on, changed, raw["pump", "power_w"])
    raw["pump", "flow_m3_h"] = np.where(is_on, 0.0, raw["pump", "flow_m3_h"])
    raw["tower", "level_m"] = raw["tower", "level_m"] + np.where(is_on, rise_m_h * since_s / 3600, 0.0)
    grid = Grid(whole.grid.sites, whole.grid.start_s, STEP_S, whole.grid.steps, raw)
    (signal,) = judge_dry_running(Scene(grid, whole.days))
    nine_s = float(whole.grid.t_s[is_on][0])
    told = [step for step in transitions(signal.condition(0), []) if isinstance(step, Opening)]
    return {Fault(step.condition.fault): (step.confirmed_at.timestamp() - nine_s) / 3600 for step in told}


@pytest.mark.parametrize("later", [0, 1])
def test_a_pump_that_died_in_the_night_is_seen_by_rounds_that_begin_at_midnight(later: int) -> None:
    """On the third day it does not run, and it had not filled the tower; 2.4 m of 3 stand in it, more than the float
    asks at. A day later it is the same pump."""
    of_days = Toy(days=3 + later, lacks=(("pump", "state_code"),)).scene().grid
    day = (of_days.t_s - of_days.start_s) / 86_400
    raw = dict(of_days.raw)
    for channel in (("pump", "power_w"), ("pump", "speed_rpm"), ("pump", "flow_m3_h"), ("pv", "power_w")):
        raw[channel] = np.where(day >= 2, 0.0, raw[channel])
    level_m = np.where(day >= 2, 2.4 - 0.1 * (day - 2), 2.3 + 0.1 * np.sin(2 * np.pi * day))
    raw["tower", "level_m"] = np.broadcast_to(level_m, of_days.shape)

    def standing(of: Scene) -> list[int]:
        return next(one for one in judge_standing(of) if one.fault is Fault.PUMP_NOT_RUNNING).verdict[0, -288:].tolist()

    grid = Grid(of_days.sites, of_days.start_s, STEP_S, of_days.steps, raw)
    days = days_of(grid, features_of(grid.sites))
    whole = standing(Scene(grid, days))
    cut = {channel: value[:, -288:] for channel, value in raw.items()}
    today = Grid(grid.sites, grid.start_s + (2 + later) * 86_400, STEP_S, 288, cut)
    of_today = days_of(today, features_of(today.sites))
    assert Verdict.PRESENT in whole
    assert standing(Scene(today, of_today.after(days))) == whole, "live as in a backtest"
    assert Verdict.PRESENT not in standing(Scene(today, of_today)), "nobody knows of yesterday: it may be full"


def test_a_tower_that_ran_empty_before_midnight_has_no_cut_loop_in_rounds_that_begin_then() -> None:
    """Its sensor hangs 0.12 m too low, the tower of 3 m has been empty since ten in the evening, and in the morning the
    pump does not start."""
    of_days = Toy(days=3, lacks=(("pump", "state_code"), ("pump", "speed_rpm"))).scene().grid
    day = (of_days.t_s - of_days.start_s) / 86_400
    raw = dict(of_days.raw)
    for channel in (("pump", "power_w"), ("pump", "flow_m3_h"), ("pv", "power_w")):
        raw[channel] = np.where(day >= 2, 0.0, raw[channel])
    fell = np.interp(day, [1.7, 1.9, 22 / 24 + 1], [1.5, 0.1, -0.12])
    raw["tower", "level_m"] = np.broadcast_to(fell, of_days.shape)
    grid = Grid(of_days.sites, of_days.start_s, STEP_S, of_days.steps, raw)
    days = days_of(grid, features_of(grid.sites))

    def said(of: Scene) -> tuple[list[int], list[int]]:
        """Of the pump that stands and of a level that cannot be, on the last day."""
        stands = next(one for one in judge_standing(of) if one.fault is Fault.PUMP_NOT_RUNNING)
        (detector,) = [one for one in DETECTORS if one.faults == (Fault.SENSOR_OUT_OF_RANGE,) and one.asset == "tower"]
        (cannot_be,) = detector.judge(of)
        return stands.verdict[0, -288:].tolist(), cannot_be.verdict[0, -288:].tolist()

    def since_midnight(level_before_m: float) -> Scene:
        cut = {channel: value[:, -288:] for channel, value in raw.items()}
        start_s = grid.start_s + 2 * 86_400
        today = Grid(grid.sites, start_s, STEP_S, 288, cut, level_before_m=np.array([[level_before_m]]))
        return Scene(today, days_of(today, features_of(today.sites)).after(days))

    stands, cannot_be = said(Scene(grid, days))
    assert Verdict.PRESENT in stands
    assert Verdict.PRESENT not in cannot_be
    assert said(since_midnight(0.1)) == (stands, cannot_be), "live as in a backtest"
    for unlike in (1.5, np.nan):
        assert Verdict.PRESENT in said(since_midnight(unlike))[1], "from there, or from nowhere, it is a cut loop"


def test_where_the_cell_died_half_an_hour_before_the_pump_the_height_of_the_sun_tells() -> None:
    """The cell is silent from ten on the second day, the pump stands from half past; on the third nothing has changed,
    and rounds that begin at its midnight say so too."""
    of_days = Toy(days=3, lacks=(("pump", "state_code"), ("pump", "speed_rpm"))).scene().grid
    day = (of_days.t_s - of_days.start_s) / 86_400
    raw = dict(of_days.raw)
    raw["pv", "irradiance_w_m2"] = np.where(day >= 1 + 10 / 24, np.nan, raw["pv", "irradiance_w_m2"])
    for channel in (("pump", "power_w"), ("pump", "flow_m3_h"), ("pv", "power_w")):
        raw[channel] = np.where(day >= 1 + 10.5 / 24, 0.0, raw[channel])

    def stands(of: Scene) -> list[int]:
        return next(one for one in judge_standing(of) if one.fault is Fault.PUMP_NOT_RUNNING).verdict[0].tolist()

    def of_grid(start_s: float, steps: int, *, near_w_m2: float = 700.0) -> Scene:
        cut = {channel: value[:, -steps:] for channel, value in raw.items()}
        near = np.full((1, steps), near_w_m2)
        grid = Grid(of_days.sites, start_s, STEP_S, steps, cut, near_sun=near)
        return Scene(grid, days_of(grid, features_of(grid.sites)))

    whole = of_grid(of_days.start_s, of_days.steps)
    found = stands(whole)
    first_h = found.index(Verdict.PRESENT) / 12 - 24
    assert first_h == 12.5, "two hours under a high sun"
    today = of_grid(of_days.start_s + 2 * 86_400, 288)
    assert Verdict.PRESENT in found[-288:]
    assert stands(Scene(today.grid, today.days.after(whole.days))) == found[-288:], "live as in a backtest"
    assert Verdict.PRESENT not in stands(of_grid(of_days.start_s, of_days.steps, near_w_m2=120.0)), "a dark day"


def test_a_tower_that_may_have_been_filled_out_of_sight_makes_no_pump_a_dead_one() -> None:
    """Nothing was read from eleven on the day before until half past seven."""
    of_days = Toy(days=3, lacks=(("pump", "state_code"),)).scene().grid
    day = (of_days.t_s - of_days.start_s) / 86_400
    rests, dark = day >= 2, (day >= 1.46) & (day < 2.31)
    raw = {channel: np.where(dark, np.nan, value) for channel, value in of_days.raw.items()}
    for channel in (("pump", "power_w"), ("pump", "speed_rpm"), ("pump", "flow_m3_h"), ("pv", "power_w")):
        raw[channel] = np.where(rests & ~dark, 0.0, raw[channel])
    raw["tower", "level_m"] = np.where(dark, np.nan, np.where(rests, 2.4 - 0.1 * (day - 2), 2.3)[None, :])
    grid = Grid(of_days.sites, of_days.start_s, STEP_S, of_days.steps, raw)
    today = Grid(
        grid.sites, grid.start_s + 2 * 86_400, STEP_S, 288, {key: value[:, -288:] for key, value in raw.items()}
    )
    days = days_of(today, features_of(today.sites)).after(days_of(grid, features_of(grid.sites)))
    (standing,) = [one for one in judge_standing(Scene(today, days)) if one.fault is Fault.PUMP_NOT_RUNNING]
    assert Verdict.PRESENT not in standing.verdict


def test_a_load_that_stays_the_same_while_the_sun_rises_is_a_motor_in_air() -> None:
    """Neither its speed nor the well is measured: half an hour of an even 480 W of 1,200, the tower falls."""
    found = without_speed_and_probe(lambda power_w, sun: np.where(sun > 200, 480.0, 0.0), rise_m_h=-0.1)
    assert 0.5 <= found[Fault.DRY_RUNNING] <= 2.0


@pytest.mark.parametrize(
    ("power_w", "rise_m_h"),
    [
        pytest.param(lambda power_w, sun: power_w, -0.1, id="it-works-as-hard-as-ever-and-the-meter-stands"),
        pytest.param(lambda power_w, sun: np.where(sun > 200, 480.0, 0.0), 0.3, id="the-tower-fills"),
        pytest.param(lambda power_w, sun: 0.5 * power_w * np.random.default_rng(2).uniform(0.6, 1.0, power_w.shape),
                     -0.1, id="clouds-over-the-panels-alone"),
        pytest.param(lambda power_w, sun: np.where(sun > 200, 200.0, 0.0), -0.1, id="too-little-to-lift-anything"),
    ],
)  # fmt: skip
def test_no_water_alone_is_no_dry_well(power_w: Callable[[Times, Times], Times], rise_m_h: float) -> None:
    assert without_speed_and_probe(power_w, rise_m_h=rise_m_h) == {}


@pytest.mark.parametrize(
    ("speed_rpm", "fault"),
    [
        pytest.param(0.0, Fault.FLOAT_STUCK_FULL, id="it-waits-as-if-all-were-well"),
        pytest.param(lambda t: np.where(t % 1800 == 0, 700.0, 0.0), Fault.PUMP_NOT_RUNNING, id="it-tries-in-vain"),
    ],
)
def test_a_controller_of_its_makers_codes_is_known_by_what_it_tries(
    speed_rpm: float | Callable[[Times], Times], fault: Fault
) -> None:
    def speed(t: Times) -> Times:
        later = speed_rpm(t) if callable(speed_rpm) else np.full(len(t), speed_rpm)
        return np.where(t < 3600, 2800.0, later)

    day = scene(**STOPS, pump__speed_rpm=speed, pump__state_code=0.0)
    assert opened(day).keys() == {fault}


def test_a_motor_that_a_seldom_reading_sees_trying_now_and_then_is_broken() -> None:
    """Read every quarter of an hour; of its attempts, a minute in ten, one in six readings sees one."""
    seldom = lambda value: lambda t: np.where(t % 900 == 0, value(t), np.nan)  # noqa: E731
    speed = lambda t: np.where(t < 3600, 2800.0, np.where(t % 5400 == 0, 700.0, 0.0))  # noqa: E731
    stops = {name: seldom(course) for name, course in STOPS.items()}
    level = seldom(lambda t: 1.5 + 0 * t)
    found = opened(scene(8, **stops, pump__speed_rpm=seldom(speed), tower__level_m=level, pump__state_code=None))
    assert found.keys() == {Fault.PUMP_NOT_RUNNING}


def test_a_controller_that_tries_to_start_has_panels_whatever_it_says_in_between() -> None:
    says = lambda t: np.select([t < 3600, t % 1800 == 0], [RUNNING, STARTING], LOW_SUN)  # noqa: E731
    assert opened(scene(**STOPS, pump__state_code=says)).keys() == {Fault.PUMP_NOT_RUNNING}


def washed(level_m: float) -> dict[str, Callable[[Times], Times]]:
    """The pump runs a little at dawn; from seven on the tower is drained within half an hour and washed until ten."""
    return {
        "tower__level_m": lambda t: np.where(
            t < 3600, level_m, np.maximum(level_m - (t - 3600) / 1800 * level_m, 0.02)
        ),
        "tower__outflow_m3_h": lambda t: np.where((t < 3600) | (t >= 4 * 3600), 1.0, 0.0),
        "pump__power_w": lambda t: np.where((t >= 600) & (t < 4 * 3600), 4.0, 1000.0),
        "pump__flow_m3_h": lambda t: np.where((t >= 600) & (t < 4 * 3600), 0.0, 3.0),
    }


@pytest.mark.parametrize(
    ("level_m", "speed_rpm"),
    [
        pytest.param(1.2, None, id="half-full-before"),
        pytest.param(0.1, lambda t: np.where(t < 4 * 3600, 0.0, 2800.0), id="empty-before-and-nothing-tries"),
    ],
)
def test_a_pump_that_waits_for_its_tower_to_be_washed_is_not_broken(
    level_m: float, speed_rpm: Callable[[Times], Times] | None
) -> None:
    day = scene(
        8, MORNING.replace(hour=6), **washed(level_m), pump__speed_rpm=speed_rpm,
        pv__irradiance_w_m2=lambda t: np.maximum(t - 1800, 0) / 3600 * 180,
    )  # fmt: skip
    assert opened(day) == {}


def test_a_tower_that_is_washed_stands_under_sound_panels_whatever_its_controller_says() -> None:
    says: Callable[[Times], Times] = lambda t: np.where((t >= 600) & (t < 4 * 3600), LOW_SUN, RUNNING)  # noqa: E731
    day = scene(
        8, MORNING.replace(hour=6), **washed(1.4), pump__state_code=says, pv__voltage_v=310.0,
        pv__irradiance_w_m2=lambda t: np.maximum(t - 1800, 0) / 3600 * 180,
    )  # fmt: skip
    assert opened(day) == {}


def test_good_sun_at_night_is_a_stuck_cell_and_no_pump_that_stands() -> None:
    night = scene(6, MORNING.replace(hour=0), pump__power_w=4.0, pump__flow_m3_h=0.0, pump__state_code=LOW_SUN)
    assert opened(night) == {}


def test_a_level_sensor_that_reads_low_has_a_top_of_its_own() -> None:
    """The float stops at 3 m, which the sensor calls 2.7 m; the controller never says why the motor rests."""
    hour = lambda t: t / 3600 % 24  # noqa: E731
    is_pumping = lambda t: (hour(t) >= 9) & (hour(t) < 13)  # noqa: E731
    village: dict[str, Values] = {
        "pv__irradiance_w_m2": lambda t: np.where((hour(t) >= 9) & (hour(t) < 17), 700.0, 0.0),
        "pump__power_w": lambda t: np.where(is_pumping(t), 1000.0, 0.0),
        "pump__flow_m3_h": lambda t: np.where(is_pumping(t), 3.0, 0.0),
        "tower__level_m": lambda t: np.interp(hour(t), [0, 9, 13, 24], [2.1, 1.6, 2.7, 2.1]),
    }
    midnight = MORNING.replace(hour=0)
    calm = only(judge_standing, scene(96, midnight, **village), Fault.PUMP_NOT_RUNNING).since(at_day(3))
    assert share(calm, Verdict.PRESENT) == 0, "its own past says that it is full"

    fails_at = 3 * 86_400 + 11 * 3600.0
    broken = {
        **village,
        "pump__power_w": lambda t: np.where(is_pumping(t) & (t < fails_at), 1000.0, 0.0),
        "pump__flow_m3_h": lambda t: np.where(is_pumping(t) & (t < fails_at), 3.0, 0.0),
        "tower__level_m": lambda t: np.where(
            t < fails_at, np.interp(hour(t), [0, 9, 13, 24], [2.1, 1.6, 2.7, 2.1]), 2.15 - (t - fails_at) / 36_000
        ),
    }
    stopped = only(judge_standing, scene(96, midnight, **broken), Fault.PUMP_NOT_RUNNING).since(at_day(3))
    assert share(stopped, Verdict.PRESENT) > 0.2, "but not that it is full at 2.15 m"


def test_a_pump_that_ran_until_the_tower_was_nearly_full_may_have_been_stopped_by_its_float() -> None:
    """2.75 m of 3 m is within what a level sensor may read too low; when 2 m should start the pump, 1.7 m must."""
    one_word = lambda level: scene(**STOPS, tower__level_m=level, pump__state_code=0.0)  # noqa: E731
    assert opened(one_word(after_an_hour(2.75, 2.5))) == {}
    falls = lambda t: np.interp(t / 3600, [1, 5], [2.75, 1.6])  # noqa: E731
    later = opened(scene(9, **STOPS, tower__level_m=falls, pump__state_code=0.0))
    assert 240 < later[Fault.FLOAT_STUCK_FULL] < 480, "the float must ask for water"
    assert opened(one_word(after_an_hour(2.4, 2.3))) == {Fault.PUMP_NOT_RUNNING: 120}, "and so low nothing is full"


def at_day(number: int) -> float:
    return MORNING.replace(hour=0).timestamp() + 86_400 * number
