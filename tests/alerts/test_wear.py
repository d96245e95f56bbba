"""The pump and the well through weeks, told by another pump than the simulator's: see `toy`."""

import numpy as np
import pytest

from alerts.days import days_of
from alerts.detectors import Scene, features_of
from alerts.detectors.wear import judge_pump, judge_yield, points
from alerts.model import Verdict
from alerts.scene import STEP_S, Grid
from gateway.model import Fault
from tests.alerts.toy import Array, Toy, ramp, step

DEPTH = ("borehole", "water_depth_m")
CLOGGED, WORN, YIELD = Fault.PUMP_CLOGGED, Fault.PUMP_WEAR, Fault.YIELD_DROP


def seen(scene: Scene) -> dict[Fault, float]:
    """Each fault that is present at some time, and on which day since the start it was first seen."""
    found = {}
    for signal in (*judge_pump(scene), *judge_yield(scene)):
        place = np.flatnonzero(signal.verdict[0] == Verdict.PRESENT)
        if len(place):
            found[Fault(signal.fault)] = float((signal.t_s[place[0]] - scene.grid.start_s) / 86_400)
    return found


def test_a_screen_that_clogs_at_ten_in_the_morning_is_seen_within_three_hours_of_sun() -> None:
    found = seen(Toy(days=14, clogged=step(12 + 10 / 24, 0.4)).scene())
    assert found.keys() == {CLOGGED}
    assert 10 / 24 < found[CLOGGED] - 12 < 13 / 24


def test_a_well_that_was_empty_yesterday_gives_less_also_in_rounds_that_begin_at_midnight() -> None:
    """On the thirteenth day the pump draws air from two to half past; the next day a quarter less comes until noon."""
    lived = Toy(days=15, throttled=step(13.3, 0.3)).scene().grid
    day = (lived.t_s - lived.start_s) / 86_400
    starves = (day >= 12 + 14 / 24) & (day < 12 + 14.5 / 24)
    raw = dict(lived.raw)
    for channel, value in ((("pump", "flow_m3_h"), 0.0), (("tower", "outflow_m3_h"), 0.0), (DEPTH, 59.0)):
        raw[channel] = np.where(starves, value, raw[channel])

    def clogged(of: Scene) -> list[int]:
        """Verdicts on the fourteenth day."""
        (found,) = [signal for signal in judge_pump(of) if signal.fault is CLOGGED]
        begin_s = lived.start_s + 13 * 86_400
        return found.verdict[0, (found.t_s >= begin_s) & (found.t_s < begin_s + 86_400)].tolist()

    def of_days(first: int, last: int) -> Scene:
        cut = {channel: value[:, first * 288 : last * 288] for channel, value in raw.items()}
        grid = Grid(lived.sites, lived.start_s + first * 86_400, STEP_S, (last - first) * 288, cut)
        return Scene(grid, days_of(grid, features_of(grid.sites)))

    whole, today = of_days(0, 15), of_days(13, 14)
    told = clogged(whole)
    assert Verdict.PRESENT in told
    assert told.index(Verdict.PRESENT) == 14 * 12 + 5, "24 hours after the last of the air"
    assert clogged(Scene(today.grid, today.days.after(whole.days))) == told, "live as in a backtest"


def test_a_pump_that_wears_is_seen_before_it_has_lost_seven_percent_of_its_head() -> None:
    found = seen(Toy(days=32, worn=ramp(12, 0.12, within=20)).scene())
    assert found.keys() == {WORN}
    assert found[WORN] < 12 + 20 * 7 / 12


def test_less_water_for_the_same_power_is_the_pump_when_the_tower_gets_less_too() -> None:
    found = seen(Toy(days=14, throttled=step(12.42, 0.3)).scene())
    assert found.keys() == {CLOGGED}
    assert found[CLOGGED] < 12.6


def test_a_pump_that_asks_for_ever_more_power_is_worn() -> None:
    found = seen(Toy(days=30, tired=ramp(12, 0.2, within=16)).scene())
    assert found.keys() == {WORN}


@pytest.mark.parametrize("lacks", [("borehole", "water_depth_m"), ("pump", "speed_rpm")], ids="/".join)
def test_a_sensor_that_says_nothing_keeps_back_no_clogged_pump(lacks: tuple[str, str]) -> None:
    scene = Toy(days=16, clogged=step(12.42, 0.6), lacks=(lacks,)).scene()
    (clogged,) = [signal for signal in judge_pump(scene) if signal.fault is CLOGGED]
    last = int(np.flatnonzero(clogged.verdict[0] == Verdict.PRESENT)[-1])
    channels = clogged.describe(0, last, last).channels
    assert "/".join(lacks) not in channels
    assert {"pump/flow_m3_h", "pump/power_w"} < set(channels)


def test_a_pump_that_sand_eats_within_a_week_is_worn_and_not_clogged() -> None:
    """It loses 2.5 % of its head a day: as much within three days as a clog takes, and none of it at once."""
    assert seen(Toy(days=26, worn=ramp(12, 0.25, within=10)).scene()).keys() == {WORN}


@pytest.mark.parametrize(("lower_m", "clogs", "told"), [(10.0, 0.0, False), (0.0, 0.6, True)])
def test_a_day_of_overflow_draws_a_well_that_nobody_measures_down(lower_m: float, clogs: float, told: bool) -> None:
    """On other days the tower is full at eleven; today its float sticks, the pump runs on, and the water falls."""

    def rests(day: Array) -> Array:
        return np.where((day < 14) & (day % 1 > 11 / 24), 1.0, 0.0)

    def falls(day: Array) -> Array:
        return 22 + lower_m * np.clip((day - 14 - 11 / 24) * 4, 0.0, 1.0)

    lacks = (("borehole", "water_depth_m"), ("tower", "outflow_m3_h"))
    clogged = step(14 + 8 / 24, clogs)
    found = seen(Toy(days=15, is_off=rests, rest_m=falls, clogged=clogged, lacks=lacks).scene())
    assert (CLOGGED in found) is told


def test_two_days_on_which_a_pump_seems_to_ask_for_more_are_two_days_of_broken_cloud() -> None:
    """Power was a mean of a cube, speed a mean; what is worn does not begin and end between two mornings."""
    assert seen(Toy(days=20, tired=step(13.0, 0.15, until=15.0)).scene()) == {}


@pytest.mark.parametrize(("less", "told"), [(0.1, False), (0.15, False), (0.3, True)])
def test_a_tenth_less_water_is_no_clog_where_nobody_measures_the_well(less: float, told: bool) -> None:
    """A feast on which the pump runs all day draws the well down; a screen that clogs takes a quarter and more."""
    lacks = (("borehole", "water_depth_m"), ("pump", "speed_rpm"), ("tower", "outflow_m3_h"))
    found = seen(Toy(days=15, throttled=step(12.42, less), lacks=lacks).scene())
    assert (CLOGGED in found) is told


def test_a_well_that_gives_a_third_less_within_four_days_is_seen_within_four_days() -> None:
    found = seen(Toy(days=20, capacity=ramp(12, 0.33, within=4, before=0.5)).scene())
    assert found.keys() == {YIELD}
    assert 12 < found[YIELD] < 16


@pytest.mark.parametrize(
    "toy",
    [
        pytest.param(Toy(clouds=(9, 12, 13, 17, 18, 19)), id="clouds"),
        pytest.param(Toy(haze=step(11, 0.3)), id="harmattan"),
        pytest.param(Toy(rest_m=ramp(5, 27.0, within=19, before=22.0)), id="the-rest-level-falls-with-the-season"),
        pytest.param(Toy(dust=ramp(8, 0.25, within=15)), id="dust-on-the-panels"),
        pytest.param(Toy(strings=step(13.3, 1.0)), id="a-string-is-gone"),
        pytest.param(Toy(is_off=step(12, 1.0, until=14.6)), id="stopped-for-two-days"),
        pytest.param(Toy(slips=step(13.4, 0.35)), id="the-meter-slips"),
        pytest.param(Toy(slips=step(6, 0.5, until=15.5)), id="the-meter-is-repaired"),
        pytest.param(Toy(bottom=True), id="the-riser-ends-at-the-bottom-of-the-tower"),
        pytest.param(Toy(noise=5.0), id="cheap-instruments"),
    ],
)
def test_what_is_neither_pump_nor_well_stays_silent(toy: Toy) -> None:
    assert seen(toy.scene()) == {}


@pytest.mark.parametrize(
    "lacks",
    [
        pytest.param((("pump", "speed_rpm"),), id="no-speed"),
        pytest.param((("borehole", "water_depth_m"),), id="no-well-probe"),
        pytest.param((("tower", "outflow_m3_h"),), id="no-tower-meter"),
        pytest.param((("pump", "power_w"),), id="the-array's-power-only"),
    ],
)
def test_a_clog_is_seen_with_a_sensor_missing(lacks: tuple[tuple[str, str], ...]) -> None:
    found = seen(Toy(days=16, clogged=step(12.42, 0.5), lacks=lacks).scene())
    assert CLOGGED in found
    assert found[CLOGGED] < 14


def test_a_clog_is_seen_where_the_riser_ends_at_the_bottom_of_the_tower() -> None:
    found = seen(Toy(days=16, bottom=True, clogged=step(12.42, 0.6)).scene())
    assert CLOGGED in found
    assert 12.42 < found[CLOGGED] < 13.6


def test_a_speed_that_differs_from_reading_to_reading_is_not_even_because_each_is_held() -> None:
    passing = lambda day: 0.75 * (np.round(day * 288) // 3 % 2)  # noqa: E731
    even, uneven = (points(Toy(days=3, haze=haze, every=3).scene().grid).flow for haze in (0.0, passing))
    assert np.isfinite(uneven).sum() < 0.1 * np.isfinite(even).sum()


@pytest.mark.parametrize("every", [2, 3, 6])
def test_fewer_rounds_see_the_same(every: int) -> None:
    found = seen(Toy(days=32, worn=ramp(12, 0.12, within=20), every=every).scene())
    assert found.keys() == {WORN}


def test_without_a_speed_the_tower_knows_that_it_is_the_meter() -> None:
    assert CLOGGED not in seen(Toy(days=16, slips=step(12.4, 0.35), lacks=(("pump", "speed_rpm"),)).scene())


def test_a_pump_that_is_cleaned_is_well_the_same_day() -> None:
    scene = Toy(days=16, clogged=step(12.42, 0.5, until=14.3)).scene()
    (clogged,) = [signal for signal in judge_pump(scene) if signal.fault is CLOGGED]
    after = clogged.t_s > scene.grid.start_s + 14.5 * 86_400
    told = clogged.verdict[0, after]
    assert Verdict.PRESENT not in told
    assert Verdict.ABSENT in told


def test_a_flow_that_lags_behind_the_speed_under_passing_clouds_is_no_clog() -> None:
    """Each second reading of an afternoon came before the water had followed the motor; a clog gives less each time."""

    def lags(day: np.ndarray[tuple[int], np.dtype[np.float64]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        is_late = np.round(day * 288).astype(int) // 3 % 2 == 1
        return np.where((day > 12.5) & (day < 12.6) & is_late, 0.4, 0.0)

    assert CLOGGED not in seen(Toy(days=14, throttled=lags, every=3).scene())
    always = seen(Toy(days=14, throttled=step(12.5, 0.4), every=3).scene())
    assert CLOGGED in always


def test_a_probe_that_is_not_heard_for_an_hour_does_not_make_a_guess_a_certainty() -> None:
    whole = Toy(days=14, rest_m=step(12.4, 27.5, before=22.0), bottom=True).scene()
    depth = whole.grid.raw["borehole", "water_depth_m"].copy()
    depth[0, 12 * 288 + 120 : 12 * 288 + 170] = np.nan
    raw = {**whole.grid.raw, ("borehole", "water_depth_m"): depth}
    grid = Grid(whole.grid.sites, whole.grid.start_s, STEP_S, whole.grid.steps, raw)
    assert CLOGGED not in seen(Scene(grid, days_of(grid, features_of(grid.sites))))


def test_the_evidence_says_how_much_water_is_missing() -> None:
    scene = Toy(days=14, clogged=step(12.42, 0.4)).scene()
    (clogged,) = [signal for signal in judge_pump(scene) if signal.fault is CLOGGED]
    last = int(np.flatnonzero(clogged.verdict[0] == Verdict.PRESENT)[20])
    evidence = clogged.describe(0, last, last)
    flow = scene.grid.value("pump", "flow_m3_h")[0]
    # At noon the pump turns at its full speed on both days.
    noon, day_before = flow[last], flow[last - 288]
    assert evidence.values["less_pct"] == pytest.approx(100 * (1 - noon / day_before), abs=8)
    assert "crépine" in evidence.sentence_fr
