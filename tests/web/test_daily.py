"""Volumes by day and what was expected, on real readings."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest

from gateway.zones import Zone
from ingest.columns import Columns
from ingest.db import Connection, connect
from ingest.hours import LIFTED, POWER, Hours, Part
from ingest.registry import channel_ids, import_zones
from ingest.writer import ReadingWriter
from tests.web.web_seed import DAY_HOURS, SUN_W_M2, seed_readings
from web.daily import days_before, fetch_days, fetch_volumes
from web.fleet import SILENT_AFTER, ZoneState, fetch_fleet, fetch_zone, state_of_zone
from web.measures import specific_energy_by_day
from web.stories import Alert

NOW = datetime(2026, 3, 2, 10, 40, tzinfo=UTC)


def write_counter(connection: Connection, readings: list[tuple[datetime, float]]) -> None:
    number = channel_ids(connection)["zone-1", "pump", "volume_m3"]
    t_us = np.array([int(at.timestamp()) * 1_000_000 for at, _ in readings], dtype=np.int64)
    n = len(readings)
    ReadingWriter(connection).write(
        Columns(
            np.full(n, number, dtype=np.int32), t_us, t_us, np.array([value for _, value in readings]),
            np.ones(n, dtype=np.int16),
        )
    )  # fmt: skip


def volumes(connection: Connection, count: int = 4) -> list[float | None]:
    return fetch_volumes(connection, days_before(NOW, count), asset="pump", zone="zone-1").get(("zone-1", "pump"), [])


@pytest.fixture
def registry(database_url: str, zones: list[Zone]) -> Connection:
    connection = connect(database_url)
    import_zones(connection, zones)
    return connection


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


def test_yesterday_is_the_last_whole_day() -> None:
    assert days_before(NOW, 2) == [date(2026, 2, 28), date(2026, 3, 1)]


@pytest.mark.db
def test_a_volume_is_the_counter_between_two_evenings(registry: Connection) -> None:
    february = datetime(2026, 2, 27, 23, 55, tzinfo=UTC)
    write_counter(registry, [(february, 100.0), (at(1, 12) - timedelta(days=1), 105.0), (at(1, 0, 0), 110.0),
                             (at(1, 12), 120.0), (at(1, 23, 50), 133.0), (at(2, 9), 140.0)])  # fmt: skip
    # 28 February has no reading in its evening but one at noon: nobody knows what came after it.
    assert volumes(registry, 3) == [None, None, None]
    write_counter(registry, [(datetime(2026, 2, 28, 23, 55, tzinfo=UTC), 110.0)])
    assert volumes(registry, 3) == [None, 10.0, 23.0]
    registry.close()


@pytest.mark.db
def test_days_around_a_gap_over_midnight_have_no_data_rather_than_a_guess(registry: Connection) -> None:
    write_counter(
        registry,
        [(datetime(2026, 2, 26, 23, tzinfo=UTC), 0.0), (datetime(2026, 2, 27, 15, tzinfo=UTC), 6.0),
         (datetime(2026, 2, 28, 9, tzinfo=UTC), 12.0), (datetime(2026, 2, 28, 20, tzinfo=UTC), 20.0),
         (at(1, 19, 30), 31.0)],
    )  # fmt: skip
    assert volumes(registry, 3) == [None, None, 11.0]
    registry.close()


@pytest.mark.db
def test_an_exchanged_meter_does_not_take_water_back(registry: Connection) -> None:
    write_counter(
        registry,
        [(datetime(2026, 2, 27, 23, tzinfo=UTC), 900.0), (datetime(2026, 2, 28, 11, tzinfo=UTC), 907.0),
         (datetime(2026, 2, 28, 12, tzinfo=UTC), 0.0), (datetime(2026, 2, 28, 23, tzinfo=UTC), 5.0),
         (at(1, 23), 15.0)],
    )  # fmt: skip
    # 7 m³ on the old meter and 5 m³ on the new one; what flowed between two readings of an exchange is not counted.
    assert volumes(registry, 2) == [12.0, 10.0]
    registry.close()


@pytest.mark.db
def test_a_new_meter_that_shows_more_and_one_that_rolls_over_are_counted_by_the_rule_of_meters(
    registry: Connection,
) -> None:
    registry.execute("UPDATE channel SET wraps_at = 1000 WHERE zone_id = 'zone-1' AND name = 'volume_m3'")
    write_counter(
        registry,
        [(datetime(2026, 2, 27, 23, tzinfo=UTC), 100.0), (datetime(2026, 2, 28, 11, tzinfo=UTC), 107.0),
         # Half an hour later another meter stands there: 430 m³ more than the old one, on a pipe of 200 m³/h.
         (datetime(2026, 2, 28, 11, 30, tzinfo=UTC), 537.0), (datetime(2026, 2, 28, 16, tzinfo=UTC), 990.0),
         (datetime(2026, 2, 28, 23, tzinfo=UTC), 996.0), (at(1, 12), 3.0), (at(1, 23), 8.0)],
    )  # fmt: skip
    # 7 + 453 (in four and a half hours) + 6; then 4 to its end, 3 and 5.
    assert volumes(registry, 2) == [466.0, 12.0]
    registry.close()


@pytest.mark.db
def test_a_pump_that_stood_all_day_lifted_zero_and_not_nothing(registry: Connection) -> None:
    write_counter(
        registry, [(datetime(2026, 2, 27, 23, tzinfo=UTC), 5.0), (at(1, 0), 5.0), (at(1, 23), 5.0),
                   (datetime(2026, 2, 28, 23, tzinfo=UTC), 5.0)],
    )  # fmt: skip
    assert volumes(registry, 2) == [0.0, 0.0]
    registry.close()


@pytest.mark.db
def test_expected_follows_from_the_zones_own_days(registry: Connection, zones: list[Zone]) -> None:
    zone = zones[0]
    seed_readings(registry, zone, now=NOW, days=10)
    now_zone = fetch_zone(registry, zone.zone_id, NOW)
    yesterday = now_zone.yesterday
    assert yesterday is not None
    # Half a sine over twelve hours has the mean 2/π: see `seed_readings`.
    flow = zone.asset("pump").rating["rated_flow_m3_h"]
    assert yesterday.volume_m3 == pytest.approx(flow * DAY_HOURS * 2 / math.pi, rel=1e-3)
    assert yesterday.insolation_kwh_m2 == pytest.approx(SUN_W_M2 * DAY_HOURS * 2 / math.pi / 1000, rel=1e-3)
    assert yesterday.expected is not None
    assert yesterday.share == pytest.approx(1.0, rel=1e-6)
    assert now_zone.tower is not None
    assert now_zone.state is ZoneState.NORMAL
    registry.close()


DUE_SUN = SUN_W_M2 * DAY_HOURS * 2 / math.pi / 1000


@pytest.mark.db
@pytest.mark.parametrize(
    ("gap", "longitude", "sun"),
    [
        pytest.param((at(1, 11, 20), at(1, 13, 40)), None, None, id="an-hour-of-noon-is-missing"),
        pytest.param((at(1, 12, 10), at(1, 12, 40)), None, DUE_SUN, id="half-an-hour-of-noon-is-missing"),
        pytest.param((at(1, 12, 5), at(1, 12, 40)), None, None, id="more-than-half-an-hour"),
        pytest.param((at(1, 6), at(1, 7)), None, None, id="the-first-hour-of-light"),
        pytest.param((at(1, 18), at(1, 19)), None, None, id="the-last-hour-of-light"),
        pytest.param((at(1, 19), at(2, 5)), None, DUE_SUN, id="the-evening"),
        pytest.param((at(1, 0), at(1, 6)), None, DUE_SUN, id="the-night"),
        pytest.param((at(1, 17), at(1, 19)), 30.0, DUE_SUN - 0.262, id="an-evening-further-east"),
        pytest.param((at(1, 4), at(1, 5)), 30.0, None, id="a-morning-further-east"),
    ],
)
def test_the_sun_of_a_day_is_known_when_its_daylight_is_and_what_is_missing_makes_it_no_darker(
    registry: Connection, zones: list[Zone], gap: tuple[datetime, datetime], longitude: float | None, sun: float | None
) -> None:
    """The sun goes from 06:30 to 18:30. Where it should have set by 17:00, what the last 1.5 of 12 hours of half a sine
    give is not missed: 900 · 12/π · (1 - cos(π/8)) = 262 Wh/m²."""
    if longitude is not None:
        registry.execute("UPDATE zone SET longitude = %s", [longitude])
    seed_readings(registry, zones[0], now=NOW, days=10, skip=[gap])
    yesterday = fetch_zone(registry, "zone-1", NOW).yesterday
    assert yesterday is not None
    assert yesterday.insolation_kwh_m2 == (None if sun is None else pytest.approx(sun, rel=0.01))
    assert (yesterday.expected is None) == (sun is None), "nothing is expected of a sun that nobody knows"
    registry.close()


def energy_of(connection: Connection) -> float | None:
    """What the overview tells of zone 1."""
    return next(item.energy_kwh_m3 for item in fetch_fleet(connection, NOW) if item.zone.zone_id == "zone-1")


@pytest.mark.db
def test_a_gap_at_noon_changes_neither_what_a_cubic_metre_cost_nor_what_is_expected_of_other_days(
    registry: Connection, zones: list[Zone]
) -> None:
    """850 W for 2.7 m³/h are 0.315 kWh/m³, on the pump's page too. Readings of nine tenths of the day are there."""
    gaps = [(at(1, 11, 20) - back, at(1, 13, 40) - back) for back in (timedelta(), timedelta(days=2))]
    seed_readings(registry, zones[0], now=NOW, days=14, skip=gaps)
    found = fetch_zone(registry, "zone-1", NOW, expect_last=4)
    hours = Hours(registry, "zone-1", at(2, 0) - timedelta(days=10), at(2, 0), [POWER, LIFTED])
    by_day = specific_energy_by_day(hours.pump_power_w(), hours.of(LIFTED, Part.MOVED))
    told = energy_of(registry)
    assert told == pytest.approx(by_day[-1])
    assert told == pytest.approx(0.315, abs=0.004)
    as_expected = pytest.approx(1.0, rel=1e-3)
    assert [day.share for day in found.days[-4:]] == [as_expected, None, as_expected, None]
    registry.close()


@pytest.mark.db
def test_what_a_cubic_metre_cost_is_told_by_the_panels_where_the_pump_has_no_meter_of_power(
    registry: Connection, zones: list[Zone]
) -> None:
    seed_readings(registry, zones[0], now=NOW, days=3)
    registry.execute("DELETE FROM channel WHERE zone_id = 'zone-1' AND asset_id = 'pv' AND name = 'power_w'")
    registry.execute(
        "UPDATE channel SET asset_id = 'pv' WHERE zone_id = 'zone-1' AND asset_id = 'pump' AND name = 'power_w'"
    )
    assert energy_of(registry) == pytest.approx(0.315, abs=0.004)
    registry.close()


@pytest.mark.db
@pytest.mark.parametrize(
    ("outlet_until", "is_known"),
    [pytest.param(NOW, True, id="heard"), pytest.param(at(1, 12), False, id="silent-from-noon-on")],
)
def test_what_a_tower_could_take_is_known_when_its_outlet_was_read_until_the_evening(
    registry: Connection, zones: list[Zone], outlet_until: datetime, is_known: bool
) -> None:
    """A cubic metre an hour is drawn: until noon twelve, and nobody knows how much after it."""
    seed_readings(registry, zones[0], now=NOW, days=3)
    number = channel_ids(registry)["zone-1", "tower", "outflow_volume_m3"]
    t_s = np.arange((NOW - timedelta(days=3)).timestamp(), outlet_until.timestamp(), 300)
    t_us = (t_s * 1e6).astype(np.int64)
    ReadingWriter(registry).write(
        Columns(np.full(len(t_s), number, np.int32), t_us, t_us, t_s / 3600, np.ones(len(t_s), np.int16))
    )
    room_m3 = fetch_days(registry, NOW)["zone-1"][-1].room_m3
    assert math.isfinite(room_m3) == is_known
    if is_known:
        assert room_m3 > 24.0
    registry.close()


@pytest.mark.db
def test_with_six_known_days_nothing_is_expected_yet(registry: Connection, zones: list[Zone]) -> None:
    seed_readings(registry, zones[0], now=NOW, days=7)
    days = fetch_days(registry, NOW)["zone-1"]
    assert [day.volume_m3 for day in days[:24]] == [None] * 24
    # The oldest of the seven days began before its first reading; yesterday is not compared with itself.
    assert sum(day.volume_m3 is not None for day in days) == 6
    assert days[-1].expected is None
    assert days[-1].share is None
    registry.close()


@pytest.mark.parametrize(
    ("alerts", "seen_ago", "expected"),
    [
        pytest.param([], timedelta(minutes=5), ZoneState.NORMAL, id="heard-and-well"),
        pytest.param([], SILENT_AFTER, ZoneState.NORMAL, id="just-before-silence"),
        pytest.param([], SILENT_AFTER + timedelta(seconds=1), ZoneState.SILENT, id="unheard-without-an-alert"),
        pytest.param([], None, ZoneState.NO_DATA, id="never-heard"),
        pytest.param([("night_leak", 2)], timedelta(minutes=5), ZoneState.WATCH, id="something-to-watch"),
        pytest.param([("sensor_stuck", 1), ("pump_not_running", 3)], timedelta(), ZoneState.FAULT, id="gravest-wins"),
        pytest.param([("comms_outage", 2)], timedelta(minutes=5), ZoneState.SILENT, id="silence-is-its-own-word"),
        pytest.param([("pump_not_running", 3)], timedelta(days=2), ZoneState.FAULT, id="a-fault-outlasts-silence"),
    ],
)
def test_state_of_a_zone(alerts: list[tuple[str, int]], seen_ago: timedelta | None, expected: ZoneState) -> None:
    found = [
        Alert(1, "A1", "zone-1", "Z", 100, fault, "pump", severity, "open", NOW, NOW, NOW, None, None, None, False,
              0.9, {}, None)
        for fault, severity in alerts
    ]  # fmt: skip
    assert state_of_zone(found, None if seen_ago is None else NOW - seen_ago, NOW) is expected


LAST_OF_EVENINGS = """
SELECT m.at, r.measured_at, r.value FROM unnest(%(instants)s::timestamptz[]) m (at) CROSS JOIN LATERAL (
    SELECT measured_at, value FROM reading
    WHERE channel_id = %(channel)s AND flag <> 4 AND measured_at < m.at ORDER BY measured_at DESC LIMIT 1) r
"""
SUM_OF_SUN = """
SELECT date_trunc('day', hour, 'UTC')::date, sum(mean), count(*)
FROM (SELECT date_trunc('hour', measured_at, 'UTC') AS hour, avg(value) AS mean, count(*) AS n FROM reading
      WHERE channel_id = %s AND flag <> 4 AND measured_at < date_trunc('hour', %s, 'UTC') GROUP BY 1) hours
WHERE n >= 6 AND extract(hour FROM hour) BETWEEN 6 AND 18 GROUP BY 1
"""


def write_messy(connection: Connection, seed: int, *, until: datetime) -> None:
    """Twelve days of counter and sun with gaps, readings taken back, some that come late, and one exchanged meter."""
    rng = np.random.default_rng(seed)
    ids, writer = channel_ids(connection), ReadingWriter(connection)
    t_s = np.arange((until - timedelta(days=12)).timestamp(), until.timestamp(), 300)
    lifted = 1000 + np.cumsum(rng.uniform(0, 0.2, len(t_s)))
    if seed % 2:
        lifted[len(t_s) // 2 :] -= lifted[len(t_s) // 2]
    for name, value in (("volume_m3", lifted), ("irradiance_w_m2", rng.uniform(0, 900, len(t_s)))):
        keep = rng.random(len(t_s)) > 0.02
        for first in rng.integers(0, len(t_s), 6):
            keep[first : first + rng.integers(1, 120)] = False  # up to ten hours of silence
        flag = np.where(rng.random(len(t_s)) < 0.05, 4, 1).astype(np.int16)
        order = np.flatnonzero(keep)
        late = rng.random(len(order)) < 0.1
        number = ids["zone-1", "pump" if name == "volume_m3" else "pv", name]
        for some in (order[~late], order[late]):
            t_us = (t_s[some] * 1e6).astype(np.int64)
            writer.write(Columns(np.full(len(some), number, np.int32), t_us, t_us, value[some], flag[some]))


@pytest.mark.db
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("heard_until", [NOW, at(1, 21, 10), at(1, 15)], ids=["heard", "silent-at-night", "silent"])
def test_rollups_tell_of_messy_days_what_the_readings_tell(
    registry: Connection, seed: int, heard_until: datetime
) -> None:
    write_messy(registry, seed, until=heard_until)
    if seed == 0:  # as a database looks whose days were written by the version before
        registry.execute("UPDATE reading_day SET last_hour = NULL")
    days = days_before(NOW, 9)
    ids = channel_ids(registry)
    instants = [datetime(day.year, day.month, day.day, tzinfo=UTC) for day in days] + [at(2, 0)]
    asked = {"instants": instants, "channel": ids["zone-1", "pump", "volume_m3"]}
    evening = {
        instant: value
        for instant, measured_at, value in registry.execute(LAST_OF_EVENINGS, asked)
        if instant - measured_at <= timedelta(hours=5)
    }
    expected = [
        evening[stop] - evening[start] if start in evening and stop in evening else None
        for start, stop in pairwise(instants)
    ]
    sun = {
        day: total / 1000
        for day, total, known in registry.execute(SUM_OF_SUN, [ids["zone-1", "pv", "irradiance_w_m2"], heard_until])
        if known == 13
    }
    found = fetch_days(registry, NOW)["zone-1"][-9:]
    assert [day.insolation_kwh_m2 for day in found] == [pytest.approx(sun[day]) if day in sun else None for day in days]
    if any(step is not None and step < 0 for step in expected):
        assert all(day.volume_m3 is None or day.volume_m3 >= 0 for day in found)
    else:
        # Added up step by step, so the last bits differ.
        assert [day.volume_m3 for day in found] == [None if step is None else pytest.approx(step) for step in expected]
    registry.close()
