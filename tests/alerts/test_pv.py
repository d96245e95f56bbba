"""The panels through weeks: dust, strings, washing, haze, and a cell that is off."""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from alerts.days import Days, days_of
from alerts.detectors import Scene, features_of
from alerts.detectors.pv import judge_soiling, judge_string_loss, module_temp_c
from alerts.lifecycle import Opening, transitions
from alerts.model import Verdict
from alerts.scene import STEP_S, Grid
from gateway.model import Fault
from tests.alerts.toy import START, Toy, ramp, step

STRING, SOILING = Fault.PV_STRING_LOSS, Fault.PV_SOILING


def seen(scene: Scene) -> dict[Fault, float]:
    """Each fault that is present at some time, and on which day since the start it was first seen."""
    found = {}
    for signal in (*judge_string_loss(scene), *judge_soiling(scene)):
        place = np.flatnonzero(signal.verdict[0] == Verdict.PRESENT)
        if len(place):
            found[Fault(signal.fault)] = float((signal.t_s[place[0]] - scene.grid.start_s) / 86_400)
    return found


@pytest.mark.parametrize("peak", [0.55, 1.0, 1.4])
def test_a_string_stolen_at_night_is_seen_in_the_first_hours_of_sun(peak: float) -> None:
    found = seen(Toy(days=15, peak=peak, strings=step(12.1, 1.0)).scene())
    assert found.keys() == {STRING}
    assert 12 < found[STRING] < 12 + 10.5 / 24


def test_half_a_string_is_told_from_dust_within_a_day() -> None:
    found = seen(Toy(days=16, strings=step(12.1, 0.5)).scene())
    assert found.keys() == {STRING}
    assert found[STRING] < 13.5


def test_a_whole_array_that_is_gone_is_seen_when_the_sun_is_good() -> None:
    found = seen(Toy(days=14, strings=step(12.1, 3.0)).scene())
    assert found[STRING] < 12 + 10.5 / 24


@pytest.mark.parametrize("peak", [0.55, 1.0])
def test_dust_of_two_thirds_of_a_percent_a_day_is_seen_two_days_after_it_took_seven(peak: float) -> None:
    found = seen(Toy(days=36, peak=peak, dust=ramp(6, 0.2, within=30)).scene())
    assert found.keys() == {SOILING}
    seven_at = 6 + 30 * 0.07 / 0.2
    assert seven_at < found[SOILING] < seven_at + 2.5


def test_panels_that_were_washed_and_gather_dust_at_once_are_held_against_their_first_days() -> None:
    """5 % dirty until day 8, then 0.8 % a day: by noon 0.4, 1.2, 2.0 %, of which the middle counts as clean.

    So 8.1 % are seven less than clean: the noon of day 18 (8.4 %) is past it and that of day 17 (7.6 %) is not. With
    day 19 it is two, and its evening tells.
    """
    found = seen(Toy(days=30, dust=lambda day: np.where(day < 8, 0.05, 0.008 * (day - 8))).scene())
    assert found.keys() == {SOILING}
    assert found[SOILING] == 19.75


def test_a_thermometer_that_says_nothing_keeps_back_no_string_and_no_dust() -> None:
    """Its own alert explains what rests on it: the air beside the box stood in for it."""
    lost, dusty = (
        Toy(days=days, strings=strings, dust=dust, lacks=(("pv", "module_temp_c"),)).scene()
        for days, strings, dust in ((15, step(12.1, 1.0), 0.0), (36, 0.0, ramp(6, 0.2, within=30)))
    )
    for (signal,) in (judge_string_loss(lost), judge_soiling(dusty)):
        last = int(np.flatnonzero(signal.verdict[0] == Verdict.PRESENT)[-1])
        assert signal.describe(0, last, last).channels == ("pv/power_w", "pv/irradiance_w_m2", "pump/speed_rpm")


def test_a_storms_dust_is_dust() -> None:
    found = seen(Toy(days=18, dust=ramp(12, 0.2, within=1)).scene())
    assert found.keys() == {SOILING}
    assert found[SOILING] < 15


@pytest.mark.parametrize("hour", [8, 11])
def test_a_storm_that_takes_as_much_as_a_string_is_dust_all_the_same(hour: int) -> None:
    found = seen(Toy(days=18, dust=ramp(12 + hour / 24, 0.36, within=1)).scene())
    assert STRING not in found
    assert SOILING in found


def test_a_string_is_told_from_dust_that_had_gathered_a_little_before() -> None:
    found = seen(Toy(days=16, dust=ramp(4, 0.05, within=8), strings=step(12.1, 0.6)).scene())
    assert found.keys() == {STRING}


def test_a_grey_day_says_nothing_of_dust() -> None:
    """Under thick cloud for two days the cell sees more of the light than the panels do."""
    grey = step(12, 0.75, until=14)
    found = seen(Toy(days=18, haze=grey, cell=step(12, 1.15, before=1.0, until=14)).scene())
    assert SOILING not in found


@pytest.mark.parametrize(
    "toy",
    [
        pytest.param(Toy(clouds=(8, 9, 12, 13, 14)), id="clouds"),
        pytest.param(Toy(haze=ramp(10, 0.35, within=3)), id="harmattan"),
        pytest.param(Toy(dust=lambda day: 0.06 * (day % 12) / 12), id="washed-every-twelve-days"),
        pytest.param(Toy(dust=step(12.3, 0.0, before=0.07)), id="washed-once"),
        pytest.param(Toy(is_off=step(11, 1.0, until=14.6)), id="the-pump-stands-for-days"),
        pytest.param(Toy(clogged=step(12.4, 0.5)), id="the-pump-clogs"),
        pytest.param(Toy(capacity=ramp(10, 0.25, within=4, before=0.5)), id="the-well-falls"),
        pytest.param(Toy(cell=step(8, 1.0, before=1.0)), id="a-good-cell"),
        pytest.param(Toy(noise=4.0), id="cheap-instruments"),
        pytest.param(
            Toy(days=40, dust=lambda day: np.random.default_rng(4).uniform(0, 0.16, 41)[day.astype(int)]),
            id="panels-whose-days-differ-by-ten-percent-and-more",
        ),
    ],
)
def test_what_is_not_the_panels_stays_silent(toy: Toy) -> None:
    assert seen(toy.scene()) == {}


def test_a_cell_that_reads_too_little_and_is_mended_takes_no_string_away() -> None:
    drifting = ramp(8, 0.7, within=8, before=1.0)
    found = seen(Toy(days=20, cell=lambda day: np.where(day < 16.4, drifting(day), 1.0)).scene())
    assert STRING not in found


def test_a_cell_that_was_blind_for_weeks_and_is_cleaned_takes_no_string_away_in_the_weeks_after() -> None:
    """Its power for the sun rose by two fifths, day by day; what it gives after that is what it always gave."""
    drifting = ramp(8, 0.7, within=10, before=1.0)
    found = seen(Toy(days=40, cell=lambda day: np.where(day < 22.4, drifting(day), 1.0)).scene())
    assert STRING not in found


def test_one_day_that_could_be_measured_between_grey_ones_says_nothing_of_dust() -> None:
    """On day 13 the panels gave a fifth less, and nobody knows of the days before it."""
    calm = Toy(days=16).scene()
    morning = np.array([[0.95] * 10 + [np.nan] * 3 + [0.76, 0.95, 0.95]])
    days = Days(calm.days.day_s, {"pv_performance_morning": morning}, 1)
    (signal,) = judge_soiling(Scene(calm.grid, days))
    assert Verdict.PRESENT not in signal.verdict
    two_days = np.where(np.arange(16) == 14, 0.76, morning)
    (signal,) = judge_soiling(Scene(calm.grid, Days(calm.days.day_s, {"pv_performance_morning": two_days}, 1)))
    assert Verdict.PRESENT in signal.verdict[0, :15]


def test_a_pump_that_turns_without_water_says_nothing_of_the_panels() -> None:
    """Its motor takes half of what the sun would give, for three days."""
    whole = Toy(days=18).scene()
    is_dry = whole.grid.t_s >= whole.grid.start_s + 14 * 86_400
    raw = dict(whole.grid.raw)
    for channel, left in ((("pump", "flow_m3_h"), 0.05), (("pump", "power_w"), 0.5), (("pv", "power_w"), 0.5)):
        raw[channel] = np.where(is_dry, left * raw[channel], raw[channel])
    grid = Grid(whole.grid.sites, whole.grid.start_s, STEP_S, whole.grid.steps, raw)
    assert seen(Scene(grid, days_of(grid, features_of(grid.sites)))) == {}


def test_where_the_modules_are_not_measured_the_boxs_air_tells_a_hot_week_from_dust() -> None:
    box_c = np.array([[24.0, 40.0]])
    sun = np.full((1, 2), 800.0)
    sites = Toy(days=1).scene().grid.sites
    grid = Grid(sites, 0.0, STEP_S, 2, {("pv", "irradiance_w_m2"): sun, ("gateway", "temp_c"): box_c})
    # 0.03 °C for each W/m² above the air (Ross): 24 °C more at 800 W/m².
    assert module_temp_c(grid)[0] == pytest.approx([48.0, 64.0])


@pytest.mark.parametrize("every", [2, 3])
@pytest.mark.parametrize("fault", [STRING, SOILING])
def test_fewer_rounds_see_the_same(every: int, fault: Fault) -> None:
    courses = {STRING: {"strings": step(12.1, 1.0)}, SOILING: {"dust": ramp(6, 0.2, within=12)}}
    assert seen(Toy(days=20, every=every, **courses[fault]).scene()).keys() == {fault}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "lacks",
    [
        pytest.param((("pv", "power_w"),), id="the-pump's-power-only"),
        pytest.param((("pv", "module_temp_c"),), id="no-module-temperature"),
        pytest.param((("pump", "speed_rpm"),), id="no-speed"),
    ],
)
def test_a_string_is_missed_with_a_sensor_missing_only_for_a_day(lacks: tuple[tuple[str, str], ...]) -> None:
    found = seen(Toy(days=16, strings=step(12.1, 1.0), lacks=lacks).scene())
    assert found.keys() == {STRING}
    assert found[STRING] < 13.5


def test_a_string_that_stays_away_stays_told() -> None:
    scene = Toy(days=40, strings=step(12.1, 1.0)).scene()
    (signal,) = judge_string_loss(scene)
    assert Verdict.ABSENT not in signal.verdict[0, signal.t_s > scene.grid.start_s + 13 * 86_400]


def test_a_round_that_begins_after_midnight_remembers_the_controller_and_the_voltage() -> None:
    whole = Toy(days=13.5, strings=step(12.1, 3.0)).scene()
    today = whole.grid.steps - 144
    raw = {channel: value[:, today:] for channel, value in whole.grid.raw.items()}
    grid = Grid(whole.grid.sites, whole.grid.start_s + 13 * 86_400, STEP_S, 144, raw)
    round_of_today = Scene(grid, days_of(grid, features_of(grid.sites)).after(whole.days))
    (signal,) = judge_string_loss(round_of_today)
    assert Verdict.PRESENT in signal.verdict[0], "nothing ran today, but yesterday it spoke our codes"


def test_on_the_first_day_of_all_nobody_knows_where_the_pumps_top_is() -> None:
    # A drive that stops at 60 % of the array's noon: before and after noon the panels give all the same.
    found = seen(Toy(days=6, cap=0.75).scene())
    assert found == {}


def test_a_drive_that_caps_the_power_hides_no_string() -> None:
    found = seen(Toy(days=15, cap=0.75, strings=step(12.1, 1.0)).scene())
    assert found.keys() == {STRING}


def without_a_cell(toy: Toy) -> Scene:
    """A zone without a cell, and without the modules' warmth."""
    return replace(toy, lacks=(("pv", "irradiance_w_m2"), ("pv", "module_temp_c"))).scene()


def string_without_a_cell(toy: Toy) -> Opening:
    """The one alert about a lost string in that zone."""
    (signal,) = judge_string_loss(without_a_cell(toy))
    (opening,) = transitions(signal.condition(0), [])
    assert isinstance(opening, Opening)
    return opening


def day_of(at: datetime) -> float:
    """Days since the toy's story began."""
    return (at - START) / timedelta(days=1)


@pytest.mark.parametrize("peak", [1.0, 1.4])
def test_without_a_cell_three_mornings_that_are_alike_tell_a_lost_string_and_how_much_it_took(peak: float) -> None:
    opening = string_without_a_cell(Toy(days=20, peak=peak, strings=step(12.1, 1.0)))
    assert day_of(opening.confirmed_at) < 14.8
    told = opening.condition.describe(opening.first, opening.last).values["lost_pct"]
    assert told == pytest.approx(100 / 3, abs=12)
    assert opening.cleared_at is None, "nobody has brought it back"


def test_without_a_cell_a_string_that_is_back_is_over_a_day_later() -> None:
    opening = string_without_a_cell(Toy(days=20, strings=step(12.1, 1.0, until=15.2)))
    assert day_of(opening.confirmed_at) < 14.8
    assert opening.cleared_at is not None
    assert 15.2 < day_of(opening.cleared_at) < 16.2


@pytest.mark.parametrize(
    "toy",
    [
        pytest.param(Toy(clouds=(8, 9, 12, 13, 14)), id="clouds"),
        pytest.param(Toy(haze=ramp(10, 0.35, within=3)), id="harmattan"),
        pytest.param(Toy(haze=step(12, 0.65, until=13)), id="an-overcast-day"),
        pytest.param(Toy(haze=step(12, 0.65, until=15)), id="three-overcast-days"),
        pytest.param(Toy(dust=ramp(6, 0.2, within=14)), id="dust-is-too-fine-for-the-sky"),
        pytest.param(Toy(dust=step(12.3, 0.0, before=0.07)), id="washed-once"),
    ],
)
def test_what_the_sky_takes_is_no_lost_string(toy: Toy) -> None:
    assert seen(without_a_cell(toy)) == {}
