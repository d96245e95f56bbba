"""The box beside the pump: silence, a wrong clock and a fading battery, and how each is told from the others."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from alerts.detectors import Scene
from alerts.detectors.gateway import clock_steps, judge_battery, judge_clock
from alerts.detectors.silence import judge_past_silence
from alerts.model import Condition, Verdict
from alerts.sun import sun_elevation_deg
from tests.alerts.windows import CALM, only, scene

PRESENT, ABSENT, CANNOT_TELL = Verdict.PRESENT, Verdict.ABSENT, Verdict.CANNOT_TELL
START = datetime(2026, 2, 1, tzinfo=UTC)
DAY_S, HOUR_S = 86_400.0, 3600.0


def clear_sky(t_s: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    height = np.sin(np.radians(sun_elevation_deg(t_s + START.timestamp(), np.array([[11.3]]), np.array([[-12.3]]))[0]))
    return np.asarray(np.maximum(1000 * height, 0.0))


def days_of_clock(
    days: int, wrong_s: float, *, from_day: float, until_day: float = 99.0, uptime: bool = True, every: int = 1,
    first: int = 0,
) -> Scene:  # fmt: skip
    """Clear days; between two days the clock is `wrong_s` ahead. Readings stand where the clock puts them.

    There is one in each `every` steps, of which it is the one after `first`.
    """
    true_s = 300.0 * np.arange(days * 288)
    is_wrong = (true_s >= from_day * DAY_S) & (true_s < until_day * DAY_S)
    place = ((true_s + np.where(is_wrong, wrong_s, 0.0)) // 300).astype(int)
    inside = (place >= 0) & (place < len(true_s))

    def told(values: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        row = np.full(len(true_s), np.nan)
        row[place[inside]] = values[inside]
        return np.where(np.arange(len(row)) % every == first, row, np.nan)

    channels = dict.fromkeys(CALM)
    channels["pv__irradiance_w_m2"] = told(clear_sky(true_s))
    if uptime:
        channels["gateway__uptime_s"] = told(true_s + 1e6)
    return scene(24 * days, START, **channels)


@pytest.mark.parametrize("wrong_h", [-4.0, -0.5, 0.5, 4.0])
def test_a_clock_that_jumps_while_the_box_runs_is_seen_at_once(wrong_h: float) -> None:
    found = days_of_clock(6, wrong_h * HOUR_S, from_day=3.5)
    condition = only(judge_clock, found)
    first_s = condition.t_s[condition.verdict == PRESENT][0] - START.timestamp()
    assert first_s - 3.5 * DAY_S <= max(wrong_h, 0) * HOUR_S + 600
    after = condition.since(START.timestamp() + 3.5 * DAY_S + 5 * HOUR_S).verdict
    assert set(after) == {PRESENT}, "until it is put right"
    assert PRESENT not in only(judge_past_silence, found).verdict, "a hole in the times is no silence"


def test_a_clock_that_was_put_right_is_right_again() -> None:
    found = days_of_clock(8, 4 * HOUR_S, from_day=3.5, until_day=5.5)
    condition = only(judge_clock, found).since(START.timestamp() + 6.98 * DAY_S)
    assert set(condition.verdict) == {ABSENT}


def test_without_an_uptime_the_sun_tells_a_wrong_clock_within_two_days() -> None:
    condition = only(judge_clock, days_of_clock(10, 4 * HOUR_S, from_day=7.5, uptime=False))
    first_s = condition.t_s[condition.verdict == PRESENT][0] - START.timestamp()
    assert 7.5 * DAY_S <= first_s <= 9.5 * DAY_S


@pytest.mark.parametrize("every", [3, 6, 12], ids=["15-min", "30-min", "hourly"])
def test_light_that_is_seen_at_the_next_reading_only_is_no_wrong_clock(every: int) -> None:
    """An hourly reading sees dawn an hour late at the worst, and what it last saw at dusk is held into the night."""
    for first in range(every):
        calm = days_of_clock(9, 0.0, from_day=99, uptime=False, every=every, first=first)
        assert PRESENT not in only(judge_clock, calm).verdict
    wrong = days_of_clock(10, 4 * HOUR_S, from_day=7.5, uptime=False, every=every)
    assert PRESENT in only(judge_clock, wrong).verdict


@pytest.mark.parametrize(("power_share", "is_wrong"), [(0.003, False), (0.2, True)], ids=["the-cell-sticks", "wrong"])
def test_light_at_night_is_believed_when_the_panels_give(power_share: float, is_wrong: bool) -> None:
    """A cell that sticks shows its 740 W/m² all night, and the meter of the panels its watt or three of nothing."""
    power_w = power_share * scene(24, START).grid.sites.rating("pv", "peak_w")[0, 0]
    night = scene(24, START, pv__irradiance_w_m2=740.0, pv__power_w=power_w)
    assert (PRESENT in only(judge_clock, night).verdict) is is_wrong


@pytest.mark.parametrize("uptime", [True, False])
def test_calm_days_show_no_wrong_clock(uptime: bool) -> None:
    assert PRESENT not in only(judge_clock, days_of_clock(9, 0.0, from_day=99, uptime=uptime)).verdict


def test_a_box_that_restarts_or_was_silent_has_no_wrong_clock() -> None:
    t = 300.0 * np.arange(3 * 288)
    off = (t >= DAY_S) & (t < 1.3 * DAY_S)
    uptime = np.where(t < DAY_S, t + 1e6, t - 1.2 * DAY_S)
    restarted = scene(72, START, gateway__uptime_s=np.where(off, np.nan, uptime))
    assert not clock_steps(restarted.grid).any()
    silent = scene(72, START, gateway__uptime_s=np.where(off, np.nan, t + 1e6))
    assert not clock_steps(silent.grid).any(), "it ran on and could not send"


def test_an_uptime_that_counts_something_else_is_not_believed() -> None:
    hours = scene(24, START, gateway__uptime_s=lambda t: 2e6 + t / 3600)
    hourly = np.where(np.arange(288) % 12 == 0, hours.grid.raw["gateway", "uptime_s"][0], np.nan)
    assert not clock_steps(scene(24, START, gateway__uptime_s=hourly).grid).any()


def test_readings_of_1970_in_a_hole_are_a_wrong_clock_and_no_outage() -> None:
    hole = slice(100, 200)
    rows = {
        name: np.where((np.arange(288) >= 100) & (np.arange(288) < 200), np.nan, value) for name, value in CALM.items()
    }
    silent = scene(24, START, **rows)
    assert PRESENT in only(judge_past_silence, silent).verdict
    mistimed = np.zeros(silent.grid.shape, dtype=bool)
    mistimed[0, hole] = True
    told = Scene(replace(silent.grid, mistimed=mistimed, _cache={}), silent.days)
    assert PRESENT not in only(judge_past_silence, told).verdict
    assert set(only(judge_clock, told).verdict[112:200]) == {PRESENT}


def test_a_box_that_starts_in_1970_and_learns_the_time_within_the_hour_has_no_wrong_clock() -> None:
    rows = {name: np.where(np.isin(np.arange(288), range(100, 106)), np.nan, value) for name, value in CALM.items()}
    started = scene(24, START, **(rows | {"pv__irradiance_w_m2": None}))
    mistimed = np.zeros(started.grid.shape, dtype=bool)
    mistimed[0, 100:106] = True
    told = Scene(replace(started.grid, mistimed=mistimed, _cache={}), started.days)
    assert PRESENT not in only(judge_clock, told).verdict


def judged_battery(nights_v: list[float]) -> Condition:
    lowest = np.array(nights_v)

    def volts(t: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        return np.where(t % DAY_S < 7 * HOUR_S, lowest[(t // DAY_S).astype(int)], lowest[0] + 1.0)

    return only(judge_battery, scene(24 * len(nights_v), START, gateway__battery_v=volts))


def battery(nights_v: list[float]) -> list[int]:
    return judged_battery(nights_v).verdict.tolist()


@pytest.mark.parametrize("sinks_to", [[12.5, 12.4, 12.2], [12.3, 12.3], [11.5]], ids=["fades", "sinks", "is-low"])
def test_a_battery_is_told_with_the_limit_that_it_is_under(sinks_to: list[float]) -> None:
    """One that is always at 12.6 V, and never under 11.9 V unless it is low."""
    found = judged_battery([12.6, 12.62, 12.6, 12.61] * 4 + sinks_to)
    at = int(np.flatnonzero(found.verdict == PRESENT)[-1])
    told = found.describe(at, at)
    assert float(told.values["battery_v"]) < told.thresholds["battery_v"]


@pytest.mark.parametrize(
    "usual_v", [pytest.param(12.6, id="12-V"), pytest.param(25.2, id="24-V"), pytest.param(3.9, id="lithium-cell")]
)
def test_a_battery_that_fades_is_seen_before_the_box_goes_dark(usual_v: float) -> None:
    share = np.array([1, 1.002, 0.999, 1, 1.001, 1, 0.999, 0.975, 0.955, 0.935])
    found = battery((usual_v * share).tolist())
    assert PRESENT not in found[:8]
    assert PRESENT in found[8:]


def test_a_battery_that_nobody_changes_for_a_month_is_low_until_somebody_does() -> None:
    found = battery([12.6, 12.5, 12.6, 12.55] * 3 + [11.5, 11.4, 11.45] * 10 + [12.6] * 2)
    assert found[12:] == [PRESENT] * 30 + [ABSENT] * 2


def test_a_battery_that_has_always_lived_low_is_told_until_its_nights_are_known() -> None:
    assert battery([11.7, 11.65, 11.7, 11.7, 11.65, 11.7]) == [PRESENT] * 4 + [ABSENT] * 2


def test_a_dark_week_is_no_fading_battery() -> None:
    swings = [12.6, 12.5, 12.65, 12.45, 12.6, 12.5, 12.62, 12.48, 12.4, 12.38, 12.41, 12.45, 12.6]
    assert PRESENT not in battery(swings)


def test_a_coarse_converter_is_no_fading_battery() -> None:
    """12.3 V before dawn, read within 0.5 V: one of 60 readings a night is far off, the mean of an hour is not."""
    noise = np.random.default_rng(6).uniform(-0.5, 0.5, 14 * 288)
    found = scene(24 * 14, START, gateway__battery_v=12.3 + noise)
    assert PRESENT not in only(judge_battery, found).verdict
