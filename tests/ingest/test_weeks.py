"""The weeks of readings on plain PostgreSQL: a new one begins while people read."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from gateway.zones import Zone
from ingest.db import Connection, connect
from ingest.registry import channel_ids, import_zones

pytestmark = pytest.mark.db
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
WEEK = timedelta(days=7)


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as opened:
        opened.execute("SELECT ensure_reading_partition(%s)", [MONDAY])
        yield opened


def store(connection: Connection, at: datetime) -> None:
    connection.execute("INSERT INTO reading VALUES (1, 1, %s, %s, 2.5)", [at, at])


def test_a_week_begins_although_a_long_report_is_reading(database_url: str, connection: Connection) -> None:
    store(connection, MONDAY)
    with connect(database_url, autocommit=False) as report:
        assert report.execute("SELECT count(*) FROM reading").fetchone() == (1,)
        connection.execute("SET lock_timeout = '2s'")
        connection.execute("SELECT ensure_reading_partition(%s)", [MONDAY + WEEK])
        store(connection, MONDAY + WEEK)
    assert connection.execute("SELECT count(*) FROM reading").fetchone() == (2,)
    with pytest.raises(Exception, match="duplicate key"):
        store(connection, MONDAY + WEEK)


def test_two_that_begin_the_same_week_meet_no_trouble(database_url: str, connection: Connection) -> None:
    def begin(_: int) -> None:
        with connect(database_url) as mine:
            for number in range(2, 6):
                mine.execute("SELECT ensure_reading_partition(%s)", [MONDAY + number * WEEK])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(begin, range(4)))
    for number in range(2, 6):
        store(connection, MONDAY + number * WEEK)


def test_days_are_those_of_utc_whoever_asks(connection: Connection, zones: list[Zone]) -> None:
    import_zones(connection, [zone for zone in zones if zone.zone_id == "zone-1"])
    channel = channel_ids(connection)["zone-1", "tower", "level_m"]
    for minute in (0, 10):
        at = MONDAY + timedelta(days=1, hours=5, minutes=minute)
        connection.execute("INSERT INTO reading VALUES (%s, 1, %s, %s, 2.5)", [channel, at, at])
    newest = MONDAY + timedelta(days=1, hours=5, minutes=10)
    connection.execute(
        "INSERT INTO latest (channel_id, flag, measured_at, received_at, value) VALUES (%s, 1, %s, %s, 2.5)",
        [channel, newest, newest],
    )
    connection.execute("SET timezone = 'Europe/Brussels'")
    days = connection.execute(
        "SELECT day, n FROM reading_daily WHERE day >= %s", [MONDAY + timedelta(days=1)]
    ).fetchall()
    assert [(day.astimezone(UTC), n) for day, n in days] == [(MONDAY + timedelta(days=1), 2)]
