"""Taps: one left open, one closed; and the market days, feasts, herds and outages that are neither."""

from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np
import pytest

from alerts.detectors import Scene
from alerts.detectors.taps import hourly_flow, judge_closed, judge_left_open
from alerts.model import Condition, Verdict
from tests.alerts.windows import only, scene

PRESENT, ABSENT = Verdict.PRESENT, Verdict.ABSENT
START = datetime(2026, 2, 1, tzinfo=UTC)
DAY_S = 86_400.0
TAPS = 5
# What people fetch at a tap by hour, m³/h: a peak in the morning, a larger one before dusk, nothing at night.
HOURLY = np.array([0, 0, 0, 0, 0, 1, 4, 5, 4, 3, 2, 1.5, 1.5, 1.5, 2, 3, 5, 6, 5, 2, 1, 0, 0, 0]) * 0.05
FASTING = np.array([0, 0, 0, 2, 6, 5, 4, 4, 3, 3, 2, 2, 2, 2, 3, 3, 5, 6, 4, 5, 3, 2, 0, 0]) * 0.05


def village(
    days: int,
    more: Mapping[int, object] | None = None,
    *,
    gives: Mapping[int, object] | None = None,
    factor: object = None,
    hourly: object = None,
    litres: float = 20.0,
    every_s: float = 300.0,
    missing: tuple[float, float] = (0.0, 0.0),
) -> Scene:
    """Five taps that are read every five minutes, in cans of so many litres.

    `more` adds m³/h to a tap (by its number), a function of seconds, `gives` is the share of its demand that it serves;
    `factor` multiplies all, `hourly` says what the
    weights of the hours are on a day; nothing was read within `missing`, in days.
    """
    t = 300.0 * np.arange(days * 288)
    rng = np.random.default_rng(11)
    weights = np.array([HOURLY if hourly is None else hourly(day) for day in range(days)])  # type: ignore[operator]
    people = np.repeat(weights.ravel(), 12) * (1.0 if factor is None else factor(t))  # type: ignore[operator]
    channels = {}
    for tap in range(1, TAPS + 1):
        served = gives[tap](t) if gives and tap in gives else 1.0  # type: ignore[operator]
        cans = rng.poisson(people * served / 12 / (litres / 1000)) * litres / 1000
        extra = more[tap](t) / 12 if more and tap in more else 0.0  # type: ignore[operator]
        counter = 100.0 * tap + np.cumsum(cans + extra)
        is_read = (t % every_s == 0) & ~((t >= missing[0] * DAY_S) & (t < missing[1] * DAY_S))
        channels[f"tap-{tap:02}__volume_m3"] = np.where(is_read, np.round(counter, 3), np.nan)
    return scene(24 * days, START, **channels)


def opened(of: Scene, tap: int = 1) -> Condition:
    return only(judge_left_open, of, asset=f"tap-{tap:02}")


def closed(of: Scene, tap: int = 1) -> list[int]:
    return only(judge_closed, of, asset=f"tap-{tap:02}").verdict.tolist()


def hours_until_seen(condition: Condition, from_s: float) -> float:
    seen = condition.t_s[condition.verdict == PRESENT]
    assert len(seen), "never seen"
    return float(seen[0] - START.timestamp() - from_s) / 3600


@pytest.mark.parametrize("rate", [0.2, 0.4, 0.8])
def test_a_tap_that_runs_through_the_night_is_seen_before_the_morning(rate: float) -> None:
    since = 9 * DAY_S + 20 * 3600
    found = village(11, {1: lambda t: np.where(t >= since, rate, 0.0)})
    assert hours_until_seen(opened(found), since) <= 5.0
    assert PRESENT not in opened(found, 2).verdict


def test_of_a_gap_in_the_night_nobody_knows_whether_the_tap_ran_all_through_it() -> None:
    """Open from 22:00 to 23:00, not read from 22:45 to 23:45: what ran before the gap was shut may fill all of it."""
    since = 9 * DAY_S + 22 * 3600
    gap = (since + 2700) / DAY_S, (since + 6300) / DAY_S
    shut = village(11, {1: lambda t: np.where((t >= since) & (t < since + 3600), 1.2, 0.0)}, every_s=900, missing=gap)
    assert PRESENT not in opened(shut).verdict
    left = village(11, {1: lambda t: np.where(t >= since, 1.2, 0.0)}, every_s=900, missing=gap)
    assert hours_until_seen(opened(left), since) <= 4.5, "two hours after it was read again"


def test_by_day_a_tap_that_runs_evenly_stands_out_from_its_own_busiest_hours() -> None:
    since = 9 * DAY_S + 9 * 3600
    found = village(10, {1: lambda t: np.where(t >= since, 0.7, 0.0)})
    assert hours_until_seen(opened(found), since) <= 6.0


@pytest.mark.parametrize("every_s", [900.0, 3600.0])
def test_a_counter_that_is_read_seldom_in_pulses_of_ten_litres_tells_it_too(every_s: float) -> None:
    since = 9 * DAY_S + 20 * 3600
    found = village(11, {1: lambda t: np.where(t >= since, 0.4, 0.0)}, every_s=every_s, litres=10.0)
    assert hours_until_seen(opened(found), since) <= 6.0


@pytest.mark.parametrize(
    "story",
    [
        pytest.param({}, id="ordinary-days"),
        pytest.param({"factor": lambda t: np.where((t // DAY_S) % 7 == 4, 1.6, 1.0)}, id="market-days"),
        pytest.param({"factor": lambda t: np.where(t >= 10 * DAY_S, 2.5, 1.0)}, id="a-feast-of-two-days"),
        pytest.param({"hourly": lambda day: FASTING if day >= 8 else HOURLY}, id="ramadan-begins"),
        pytest.param({"missing": (9.0, 10.2)}, id="a-network-outage-of-a-day"),
        pytest.param({"missing": (9.0, 10.15)}, id="an-outage-that-ends-at-night"),
        pytest.param(
            {"more": {1: lambda t: np.where((t % DAY_S > 2 * 3600) & (t % DAY_S < 5 * 3600), 0.3, 0.0)}},
            id="a-herd-that-drinks-every-night",
        ),
        pytest.param({"more": {1: lambda t: np.where(t >= 9 * DAY_S, 5e5 * (t == 9 * DAY_S), 0.0)}}, id="a-new-meter"),
    ],
)
def test_people_are_no_tap_left_open(story: dict[str, object]) -> None:
    found = village(12, **story)  # type: ignore[arg-type]
    for tap in range(1, TAPS + 1):
        condition = opened(found, tap).since(START.timestamp() + 5 * DAY_S)
        assert PRESENT not in condition.verdict, f"tap {tap}"


@pytest.mark.parametrize(("day", "told"), [(19, False), (12, True)], ids=["in-the-fast", "before-it"])
def test_in_the_fast_the_hours_before_dawn_are_no_night(day: int, told: bool) -> None:
    """One household fills its barrels from two to half past five; the other taps are not touched yet."""
    from_s = day * DAY_S + 2 * 3600
    found = opened(village(20, {1: lambda t: np.where((t >= from_s) & (t < from_s + 12_600), 0.4, 0.0)}))
    assert (PRESENT in found.since(START.timestamp() + 5 * DAY_S).verdict) is told


@pytest.mark.parametrize("missing_h", [(0.0, 0.0), (21.5, 22.5)], ids=["the-newest-reading", "a-reading-was-lost"])
def test_a_cubic_metre_fetched_late_is_no_tap_that_runs_for_hours(missing_h: tuple[float, float]) -> None:
    """Read once an hour, a counter that moved once says how much was fetched, and not for how long."""

    def fetched(t: np.ndarray) -> np.ndarray:
        hour = t / 3600 - 24 * 9
        return np.where((hour >= 22.25) & (hour < 22.75), 2.0, 0.0)

    missing = 9 + missing_h[0] / 24, 9 + missing_h[1] / 24
    found = opened(village(10, {1: fetched}, every_s=3600, missing=missing))
    assert PRESENT not in found.verdict


def test_a_feast_at_which_all_taps_run_all_day_is_no_tap_left_open() -> None:
    # From 9 h on they stand in line at every tap: as even as an open tap, and twice what a busy hour of other days has.
    feast = village(
        12, factor=lambda t: np.where(t >= 10 * DAY_S, 2.0, 1.0),
        hourly=lambda day: np.where((np.arange(24) >= 9) & (np.arange(24) < 20), 0.25, 0.0) if day >= 10 else HOURLY,
    )  # fmt: skip
    for tap in range(1, TAPS + 1):
        assert PRESENT not in opened(feast, tap).verdict, f"tap {tap}"


def test_on_the_first_day_the_busiest_tap_is_not_taken_for_an_open_one() -> None:
    steady = {tap: lambda t: np.where((t % DAY_S > 6 * 3600) & (t % DAY_S < 20 * 3600), 0.35, 0.0) for tap in (1, 2)}
    assert PRESENT not in opened(village(1, steady)).verdict
    open_tap = {1: lambda t: np.where(t > 6 * 3600, 0.9, 0.0)}
    assert PRESENT in opened(village(1, open_tap)).verdict


def test_what_a_counter_moved_on_in_an_outage_is_no_flow() -> None:
    found = village(3, missing=(1.0, 2.0))
    flow = hourly_flow(found.grid, "tap-01")[0]
    assert not np.isfinite(flow[300:576]).any()
    assert np.nanmax(flow) < 1.0


def test_a_tap_that_gives_nothing_for_two_days_while_the_others_do_is_closed() -> None:
    stands = village(14, gives={1: lambda t: np.where(t >= 10 * DAY_S, 0.0, 1.0)})
    assert closed(stands)[5:10] == [ABSENT] * 5
    assert closed(stands)[10:13] == [PRESENT] * 3
    assert PRESENT not in closed(stands, 2)


def test_a_tap_that_gives_less_than_its_share_for_days_is_half_closed() -> None:
    half = village(14, gives={1: lambda t: np.where(t >= 9 * DAY_S, 0.4, 1.0)})
    found = closed(half)
    assert PRESENT not in found[:10], "one poor day is chance"
    assert PRESENT in found[10:12]
    first = found.index(PRESENT)
    told = only(judge_closed, half, asset="tap-01").describe(first, first + 1)
    assert told.values["days"] == 3, "the first of them needed a second to be told"


def test_a_tap_that_stays_half_closed_is_told_until_somebody_opens_it() -> None:
    """For 23 days, while rain comes and the village fetches less and less of its water here."""
    found = closed(
        village(
            45, gives={1: lambda t: np.where((t >= 15 * DAY_S) & (t < 38 * DAY_S), 0.4, 1.0)},
            factor=lambda t: np.interp(t / DAY_S, [20, 40], [1.0, 0.6]),
        )
    )  # fmt: skip
    first = found.index(PRESENT)
    assert 16 <= first <= 18
    assert ABSENT not in found[first:38]
    assert ABSENT in found[38:41]


def test_taps_that_are_opened_again_after_weeks_leave_no_other_half_closed() -> None:
    """Two of five were shut for three weeks, and the other three served all the people."""
    shut = {tap: lambda t: np.where((t >= 10 * DAY_S) & (t < 31 * DAY_S), 0.0, 1.0) for tap in (1, 2)}
    busy = {tap: lambda t: np.where((t >= 10 * DAY_S) & (t < 31 * DAY_S), 5 / 3, 1.0) for tap in (3, 4, 5)}
    found = village(40, gives=shut | busy)
    assert all(PRESENT not in closed(found, tap) for tap in (3, 4, 5))


@pytest.mark.parametrize(("people", "told"), [(1.0, True), (0.06, False)], ids=["a-busy-tap", "a-dozen-cans-a-day"])
def test_a_tap_of_few_cans_may_by_chance_see_half_of_them_for_days(people: float, told: bool) -> None:
    few = village(
        16, gives={1: lambda t: np.where(t >= 10 * DAY_S, 0.3, 1.0)}, factor=lambda t: np.full(len(t), people)
    )
    assert (PRESENT in closed(few)) == told


def test_a_school_holiday_or_a_village_in_its_fields_is_no_closed_tap() -> None:
    fields = village(14, factor=lambda t: np.where(t >= 10 * DAY_S, 0.1, 1.0))
    assert all(PRESENT not in closed(fields, tap) for tap in range(1, TAPS + 1))
