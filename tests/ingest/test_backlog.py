"""A technician brings a file home: what is right in it is stored, what is wrong is set aside, twice is once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from gateway.zones import Zone
from ingest.backlog import store_backlog
from ingest.db import Connection, connect
from ingest.errors import BacklogUnreadable
from ingest.registry import import_zones

pytestmark = pytest.mark.db
NOW = datetime(2026, 3, 2, 10, 40, tzinfo=UTC)
FILE = """time,zone,asset,channel,value,unit
2026-03-01T08:00:00Z,zone-1,tower,level_m,2.31,m
2026-03-01 09:00:00,zone-1,tower,level_m,231,cm
1772359200,zone-1,pump,flow_m3_h,3.7,m³/h
2026-03-01T08:00:00Z,zone-2,tap-01,volume_m3,118.25,
"""


@pytest.fixture
def connection(database_url: str, zones: list[Zone]) -> Iterator[Connection]:
    with connect(database_url) as connection:
        import_zones(connection, zones[:2])
        yield connection


def store(connection: Connection, text: str, zone: str | None = None) -> tuple[int, int, int, int, int]:
    found = (0, 0, 0, 0, 0)
    for progress in store_backlog(connection, text.splitlines(keepends=True), zone=zone, now=NOW):
        found = progress
    return found


def stored(connection: Connection) -> list[tuple[str, str, str, str, float]]:
    rows = connection.execute(
        "SELECT c.zone_id, c.asset_id, c.name, r.measured_at, r.value FROM reading r JOIN channel c USING (channel_id)"
        " ORDER BY c.zone_id, c.name, r.measured_at"
    ).fetchall()
    return [(zone, asset, name, f"{at:%d %H:%M}", value) for zone, asset, name, at, value in rows]


def test_a_file_of_two_zones_in_three_kinds_of_time_and_unit_is_stored_once(connection: Connection) -> None:
    assert store(connection, FILE) == (4, 4, 0, 0, 0)
    assert stored(connection) == [
        ("zone-1", "pump", "flow_m3_h", "01 10:00", 3.7),
        ("zone-1", "tower", "level_m", "01 08:00", 2.31),
        ("zone-1", "tower", "level_m", "01 09:00", 2.31),
        ("zone-2", "tap-01", "volume_m3", "01 08:00", 118.25),
    ]
    assert store(connection, FILE) == (4, 0, 4, 0, 0), "again"


def test_what_a_french_excel_wrote_is_read(connection: Connection) -> None:
    text = "\ufefftime;asset;channel;value\r\n2026-03-01T08:00:00Z;tower;level_m;2,31\r\n\r\n"
    assert store(connection, text, "zone-1") == (1, 1, 0, 0, 0)
    assert stored(connection)[0][4] == 2.31


def test_a_bad_row_is_set_aside_with_its_reason_and_its_neighbours_are_stored(connection: Connection) -> None:
    bad = (
        "2026-03-01T08:00:00Z,zone-1,tower,level_m,wet,m\n"
        "yesterday,zone-1,tower,level_m,2,m\n"
        "2026-03-01T08:00:00Z,zone-1,tower,level_m,2,bar\n"
        "2026-03-01T08:00:00Z,zone-1,tower,height,2,m\n"
        "2026-03-01T08:00:00Z,zone-9,tower,level_m,2,m\n"
        "2026-03-01T08:00:00Z\n"
        "2029-03-01T08:00:00Z,zone-1,tower,level_m,2,m\n"
        "12,zone-1,tower,level_m,2,m\n"
    )
    assert store(connection, FILE + bad)[:2] == (12, 4)
    reasons = sorted(row[0] for row in connection.execute("SELECT reason FROM set_aside"))
    assert reasons == [
        "bad_record", "bad_record", "bad_record", "time_in_future", "unknown_channel",
        "unknown_gateway", "unknown_gateway", "wrong_unit",
    ]  # fmt: skip
    assert connection.execute(
        "SELECT bool_and(received + replayed = stored + duplicate + conflict + set_aside) FROM gateway_day"
    ).fetchone() == (True,)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("", "names no time, asset, channel, value", id="empty"),
        pytest.param("time,asset,channel\n", "names no value", id="column"),
        pytest.param("time,asset,channel,value\n", "no column tells the zone", id="zone"),
    ],
)
def test_a_file_without_its_columns_is_refused_whole(connection: Connection, text: str, problem: str) -> None:
    with pytest.raises(BacklogUnreadable, match=problem):
        store(connection, text)


def test_a_large_file_tells_how_far_it_is(connection: Connection) -> None:
    rows = "".join(f"{1_772_000_000 + n},zone-1,tower,level_m,{n / 10_000}\n" for n in range(25_000))
    told = [
        progress.rows
        for progress in store_backlog(
            connection, ("time,zone,asset,channel,value\n" + rows).splitlines(keepends=True), zone=None, now=NOW
        )
    ]
    assert told == [10_000, 20_000, 25_000]
    assert len(stored(connection)) == 25_000
