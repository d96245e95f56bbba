"""Live as in a backtest: rounds that see some hours of readings, and of the days before their kept features alone, say
what a whole history says."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from alerts.days import Days, days_of
from alerts.detectors import Scene, features_of
from alerts.detectors.gateway import CLOCK_DAYS, clock_steps, judge_clock
from alerts.detectors.leak import judge_burst
from alerts.detectors.sensor import taps_share
from alerts.detectors.tower import judge_night_loss
from alerts.detectors.wear import judge_pump
from alerts.evaluate import DAYS_BACK, Evaluator
from alerts.files import History
from alerts.model import Signal, Verdict
from alerts.scene import DAY_S, STEP_S, Channel, FloatArray, Grid, Sites
from alerts.watched import fetch_grid, fetch_past_days, fetch_sites
from gateway.clock import us_from_instant
from gateway.model import Fault, Flag
from gateway.zones import Zone
from ingest.columns import Columns
from ingest.db import connect
from ingest.registry import channel_ids, import_zones
from ingest.writer import ReadingWriter
from tests.alerts.test_gateway import START, clear_sky, days_of_clock
from tests.alerts.test_tower import nights
from tests.alerts.toy import Toy
from tests.alerts.windows import CALM, scene

PRESENT, HOUR = Verdict.PRESENT, timedelta(hours=1)
OUTFLOW, SPEED, UPTIME = ("tower", "outflow_m3_h"), ("pump", "speed_rpm"), ("gateway", "uptime_s")
OF_CLOCK = {one.name for one in CLOCK_DAYS}


def whole(grid: Grid, changes: Mapping[Channel, FloatArray]) -> Scene:
    """All of a history, some of its readings changed."""
    lived = Grid(grid.sites, grid.start_s, STEP_S, grid.steps, {**grid.raw, **changes})
    return Scene(lived, days_of(lived, features_of(lived.sites)))


def round_of(history: Scene, day: int) -> Scene:
    """What the last round of a day sees that begins at its midnight: its readings, and the days before as features."""
    grid = history.grid
    cut = {channel: value[:, day * 288 : (day + 1) * 288] for channel, value in grid.raw.items()}
    start_s, before = grid.start_s + day * DAY_S, None
    if UPTIME in grid.raw:
        last = np.flatnonzero(np.isfinite(grid.raw[UPTIME][0, : day * 288]))[-1]
        before = np.array([[grid.t_s[last], grid.raw[UPTIME][0, last]]])
    today = Grid(grid.sites, start_s, STEP_S, 288, cut, uptime_before=before)
    is_read = history.days.day_s >= start_s - DAYS_BACK.total_seconds()
    kept = {name: value[:, is_read] for name, value in history.days.values.items()}
    past = Days(history.days.day_s[is_read], kept, len(grid.sites))
    return Scene(today, days_of(today, features_of(today.sites)).after(past))


def said_on(signals: list[Signal], start_s: float) -> dict[Fault, list[int]]:
    """The verdicts of a day from the night's end on; whoever judges earlier hours begins at the midnight before."""
    of_day = {one.fault: (one.t_s >= start_s + 5 * 3600) & (one.t_s < start_s + DAY_S) for one in signals}
    return {Fault(one.fault): one.verdict[0, of_day[one.fault]].tolist() for one in signals}


def judged(of: Scene, start_s: float) -> dict[Fault, list[int]]:
    return said_on([*judge_night_loss(of), *judge_burst(of), *judge_pump(of)], start_s)


def silent_from(value: FloatArray, day: float) -> FloatArray:
    return np.where(np.arange(value.shape[1]) >= day * 288, np.nan, value)


def test_what_people_draw_at_night_is_no_leak_when_the_outlets_meter_has_died() -> None:
    """They draw 0.5 m³/h until six; from 15:00 of the twentieth day on nobody measures it."""
    grid = nights([0.0] * 24, draws_m3_h=0.5).grid
    lived = whole(grid, {OUTFLOW: silent_from(grid.raw[OUTFLOW], 19 + 15 / 24)})
    for day in range(19, 24):
        start_s = grid.start_s + day * DAY_S
        found = judged(round_of(lived, day), start_s)
        assert found == judged(lived, start_s), day
        assert all(PRESENT not in said for said in found.values()), day


def test_a_pump_whose_speed_nobody_measures_any_more_does_not_wear() -> None:
    """It draws a tenth more than its plate says: by its power it would turn faster than it was seen to."""
    grid = Toy(days=25, tired=0.1).scene().grid
    lived = whole(grid, {SPEED: silent_from(grid.raw[SPEED], 19 + 15 / 24)})
    for day in range(19, 25):
        start_s = grid.start_s + day * DAY_S
        found = said_on(judge_pump(round_of(lived, day)), start_s)
        assert found == said_on(judge_pump(lived), start_s), day
        assert all(PRESENT not in said for said in found.values()), day


def clock_alone(days: int, wrong_s: float, *, from_day: float, until_day: float = 99.0) -> Scene:
    """Nobody measures the sun."""
    grid = days_of_clock(days, wrong_s, from_day=from_day, until_day=until_day).grid
    sites = grid.sites.without({("zone-1", ("pv", "irradiance_w_m2"))})
    return whole(Grid(sites, grid.start_s, STEP_S, grid.steps, {UPTIME: grid.raw[UPTIME]}), {})


@pytest.mark.parametrize("hour", [12.0, 22.0], ids=["at-noon", "over-midnight"])
def test_a_clock_is_wrong_until_somebody_puts_it_right_however_long_that_takes(hour: float) -> None:
    """It goes four hours ahead on the third day, and back on the sixth."""
    lived = clock_alone(8, 4 * 3600.0, from_day=2 + hour / 24, until_day=5 + hour / 24)
    by_day = []
    for day in range(1, 8):
        start_s = lived.grid.start_s + day * DAY_S
        found = said_on(judge_clock(round_of(lived, day)), start_s)
        assert found == said_on(judge_clock(lived), start_s), day
        by_day.append(found[Fault.CLOCK_ERROR])
    assert PRESENT not in by_day[0]
    assert {Verdict(said) for of_day in by_day[2:4] for said in of_day} == {PRESENT}
    assert {Verdict(said) for said in by_day[-1]} == {Verdict.ABSENT}


def wrong_on(lived: Scene, days: Iterable[int]) -> list[int]:
    """On which of these days the clock is wrong by the round of each, which is what all of history says."""
    found = []
    for day in days:
        start_s = lived.grid.start_s + day * DAY_S
        (by_round,), (by_all,) = (said_on(judge_clock(of), start_s).values() for of in (round_of(lived, day), lived))
        assert [said == PRESENT for said in by_round] == [said == PRESENT for said in by_all], day
        found += [day] * (PRESENT in by_round)
    return found


@pytest.mark.parametrize(
    ("until_day", "days", "wrong"),
    [
        pytest.param(32.5, range(58, 68), [], id="a-month"),
        pytest.param(58.5, range(56, 66), [], id="eight-weeks"),
        pytest.param(60.5, range(58, 68), [60, 61, 62, 63], id="longer-than-anybody-remembers"),
    ],
)
def test_of_a_clock_that_went_and_came_back_no_half_is_left_when_the_other_is_forgotten(
    until_day: float, days: Iterable[int], wrong: list[int]
) -> None:
    """It goes four hours ahead on the third day. What comes back only when that is all but forgotten is a step like any
    other, in all of history too."""
    assert wrong_on(clock_alone(68, 4 * 3600.0, from_day=2.5, until_day=until_day), days) == wrong


def test_days_that_were_kept_before_anybody_asked_for_their_clock_leave_no_half_for_long() -> None:
    """The step ahead was on one of them, the one back is known."""
    lived = clock_alone(14, 4 * 3600.0, from_day=2.5, until_day=6.5)
    kept = {
        name: np.where((lived.days.day_s < lived.grid.start_s + 5 * DAY_S) & (name in OF_CLOCK), np.nan, value)
        for name, value in lived.days.values.items()
    }
    upgraded = Scene(lived.grid, Days(lived.days.day_s, kept, 1))
    verdicts = [said_on(judge_clock(round_of(upgraded, day)), lived.grid.start_s + day * DAY_S) for day in range(3, 14)]
    assert [day for day, said in enumerate(verdicts, 3) if PRESENT in said[Fault.CLOCK_ERROR]] == [6, 7, 8, 9]


@pytest.mark.parametrize("has_cell", [True, False])
def test_a_box_that_woke_up_two_hours_behind_and_was_put_right_is_not_wrong_for_long(has_cell: bool) -> None:
    """Its clock is right from the third day's evening on; on two of the days after it nobody can read the sun."""
    is_off, is_behind = (2.0, 2.5), (2.5, 2.9)
    true_s = 300.0 * np.arange(12 * 288)
    day = true_s / DAY_S
    place = np.arange(len(day)) - np.where((day >= is_behind[0]) & (day < is_behind[1]), 24, 0)
    told = np.flatnonzero((day < is_off[0]) | (day >= is_off[1]))
    uptime, sun = np.full((2, len(day)), np.nan)
    uptime[place[told]] = np.where(day < is_off[0], true_s + 1e6, true_s - is_off[1] * DAY_S)[told]
    sun[place[told]] = np.where((day // 1 == 4) | (day // 1 == 7), np.nan, clear_sky(true_s))[told]
    channels = {**dict.fromkeys(CALM), "gateway__uptime_s": uptime}
    lived = scene(24 * 12, START, **(channels | {"pv__irradiance_w_m2": sun if has_cell else None}))
    assert clock_steps(lived.grid).any()
    assert wrong_on(lived, range(2, 12)) == ([2, 3] if has_cell else [2, 3, 4, 5])


def test_a_meter_is_not_held_against_a_day_of_two_times() -> None:
    """Nor against the one after, whose round begins at its midnight."""
    grid = days_of_clock(8, 4 * 3600.0, from_day=3.5, until_day=4.5).grid
    steps = np.isfinite(grid.raw[UPTIME])
    flow = {("tower", "outflow_m3_h"): np.where(steps, 1.0, np.nan), ("tower", "level_m"): np.where(steps, 2.0, np.nan)}
    taps = {(f"tap-0{n}", "volume_m3"): np.where(steps, 0.5 * np.arange(grid.steps) / 12, np.nan) for n in (1, 2)}
    raw = grid.raw | flow | taps
    site = replace(grid.sites.sites[0], channels=frozenset(raw))
    lived = whole(Grid(Sites([site]), grid.start_s, STEP_S, grid.steps, raw), {})
    shares = taps_share(lived)[0]
    assert np.isfinite(shares).tolist() == [True, True, True, False, False, False, True, True]
    assert np.isnan(taps_share(round_of(lived, 5))[0, -1])


def test_a_sensor_that_nobody_has_connected_yet_is_none(database_url: str, zones: list[Zone]) -> None:
    """The tower's level was read on the day before, the rest of what the zone file names never."""
    level, zone = ("tower", "level_m"), zones[0]
    start = datetime(2026, 3, 2, tzinfo=UTC)
    with connect(database_url) as connection:
        import_zones(connection, [zone])
        measured = np.array([us_from_instant(start - timedelta(hours=9))], dtype=np.int64)
        channel = np.array([channel_ids(connection)[zone.zone_id, *level]], dtype=np.int32)
        columns = Columns(channel, measured, measured, np.array([1.5]), np.array([Flag.GOOD], dtype=np.int16))
        ReadingWriter(connection).write(columns)
        sites = Sites(fetch_sites(connection, [zone.zone_id]))
        live = fetch_grid(connection, sites, start.timestamp(), 12)
    of_file = History({(zone.zone_id, *level): (np.array([start.timestamp() - 32_400]), np.array([1.5]))})
    past = of_file.grid(sites, start.timestamp(), start.timestamp() + 3600)
    for grid in (live, past):
        assert sites.has(*OUTFLOW).all()
        assert not np.isfinite(grid.value(*level)).any()
        assert (grid.sites.has(*level).all(), grid.sites.has(*OUTFLOW).any()) == (True, False)


@pytest.mark.parametrize(
    ("lacks", "balance", "rows"),
    [
        pytest.param((), 1.0, 10.0, id="all-meters"),
        pytest.param((OUTFLOW, ("tower", "outflow_volume_m3")), 2.0, 10.0, id="the-taps-alone"),
        pytest.param((SPEED,), 1.0, 20.0, id="no-speed"),
    ],
)
def test_days_on_which_a_zone_measured_in_another_way_teach_it_nothing(
    database_url: str, zones: list[Zone], lacks: tuple[Channel, ...], balance: float, rows: float
) -> None:
    zone, today = zones[0], datetime(2026, 3, 2, tzinfo=UTC)
    kept = {
        "clock_moved_s": 0.0,
        "night_balance_m3_h": 1.0, "night_balance_m3_h (1)": 2.0, "pump_head_rows": 10.0, "pump_head_rows (1)": 20.0,
    }  # fmt: skip
    with connect(database_url) as connection:
        import_zones(connection, [zone])
        connection.execute(
            "INSERT INTO zone_day (zone_id, day, features) VALUES (%s, %s, %s)",
            [zone.zone_id, (today - timedelta(days=1)).date(), json.dumps(kept)],
        )
        sites = Sites(fetch_sites(connection, [zone.zone_id])).without({(zone.zone_id, one) for one in lacks})
        past = fetch_past_days(connection, sites, today.timestamp(), back=timedelta(days=7))
    assert (past.get("night_balance_m3_h")[0, -1], past.get("pump_head_rows")[0, -1]) == (balance, rows)


def test_days_that_the_version_before_has_kept_go_on_teaching_a_zone_after_an_upgrade(
    database_url: str, zones: list[Zone]
) -> None:
    """A village of taps alone, which draws 0.12 m³/h at night: that version had one name for a balance of either way.
    It was replaced at noon of the sixth day."""
    zone, start = zones[0], datetime(2026, 3, 1, tzinfo=UTC)
    end = start + timedelta(days=7, hours=1)
    t_s = np.arange((start + timedelta(days=5, hours=12)).timestamp(), end.timestamp(), STEP_S)
    flag = np.full(len(t_s), Flag.GOOD, dtype=np.int16)
    measured: dict[Channel, FloatArray] = {
        ("tower", "level_m"): np.full(len(t_s), 1.5), ("tap-01", "volume_m3"): 0.01 * np.arange(len(t_s)),
    }  # fmt: skip
    with connect(database_url) as connection:
        import_zones(connection, [zone])
        for day in range(5):
            connection.execute(
                "INSERT INTO zone_day (zone_id, day, features) VALUES (%s, %s, %s)",
                [zone.zone_id, (start + timedelta(days=day)).date(), json.dumps({"night_balance_m3_h": 0.5})],
            )
        for channel, value in measured.items():
            ids = np.full(len(t_s), channel_ids(connection)[zone.zone_id, *channel], dtype=np.int32)
            micros = (t_s * 1e6).astype(np.int64)
            ReadingWriter(connection).write(Columns(ids, micros, micros, value, flag))
        Evaluator(connection, every=HOUR).work(end)
        sites = Sites([replace(*fetch_sites(connection, [zone.zone_id]), channels=frozenset(measured))])
        past = fetch_past_days(connection, sites, (start + timedelta(days=7)).timestamp(), back=timedelta(days=7))
    expected = [0.5] * 5 + [np.nan, 0.12]
    assert past.get("night_balance_m3_h")[0] == pytest.approx(expected, abs=0.005, nan_ok=True)


@pytest.mark.parametrize("leaks", [False, True])
def test_a_night_that_broke_off_is_judged_when_its_rest_has_come(
    database_url: str, zones: list[Zone], leaks: bool
) -> None:
    """Two towers alike; of the first nothing comes from 03:10 until the afternoon, the other is heard all along. Both
    fall until then; by five the water stands where it stood at midnight, or the fall goes on."""
    cut, all_along = zones[:2]
    start, night = datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 7, tzinfo=UTC)
    with connect(database_url) as connection:
        import_zones(connection, zones[:2])
        ids, noise = channel_ids(connection), np.random.default_rng(3).normal(0, 0.002, 3000)

        def read(zone: Zone, since: datetime, until: datetime) -> None:
            t_s = np.arange(since.timestamp(), until.timestamp(), STEP_S)
            hour = (t_s - night.timestamp()) / 3600
            level_m = np.interp(hour, [0, 3.2, 5], [1.5, 1.2, 1.0 if leaks else 1.5], left=1.5)
            level_m += noise[((t_s - start.timestamp()) / STEP_S).astype(int)]
            channel = np.full(len(t_s), ids[zone.zone_id, "tower", "level_m"], dtype=np.int32)
            micros, flag = (t_s * 1e6).astype(np.int64), np.full(len(t_s), Flag.GOOD, dtype=np.int16)
            ReadingWriter(connection).write(Columns(channel, micros, micros, level_m, flag))

        def leaks_of(zone: Zone) -> list[datetime]:
            asked = "SELECT first_evidence_at FROM alert WHERE fault = 'tower_leak' AND zone_id = %s"
            return [at for (at,) in connection.execute(asked, [zone.zone_id])]

        cut_at, at_three, at_four = night + timedelta(hours=3, minutes=10), night + 15 * HOUR, night + 16 * HOUR
        read(cut, start, cut_at)
        read(all_along, start, at_three)
        judge = Evaluator(connection, every=timedelta(minutes=1))
        judge.work(at_three)
        assert (leaks_of(cut), leaks_of(all_along)) == ([], [night + 14 * HOUR] * leaks)
        read(cut, cut_at, at_four)
        read(all_along, at_three, at_four)
        judge.work(at_four)
        assert leaks_of(cut) == leaks_of(all_along)
