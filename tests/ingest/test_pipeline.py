"""A batch is one transaction: what is bad is set aside, what is good is stored, and errors are told apart."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from gateway.clock import ManualClock
from gateway.config import MqttSettings
from gateway.model import Flag
from gateway.zones import Zone
from ingest.admission import Directory, Message
from ingest.claims import FirstWorker
from ingest.config import IngestConfig
from ingest.db import Connection, connect
from ingest.errors import SchemaMismatch, StoreUnavailable
from ingest.pipeline import Pipeline, fetch_directory
from ingest.profiles.sparkplug import Aliases
from ingest.registry import import_zones
from ingest.service import Inbox, _Worker
from ingest.sqlstate import Meaning, meaning_of
from ingest.subscriber import Subscriber

NOON_S = datetime(2026, 11, 24, 12, 50, tzinfo=UTC).timestamp()


@pytest.fixture
def connection(database_url: str, zones: list[Zone]) -> Iterator[psycopg.Connection]:  # type: ignore[type-arg]
    with connect(database_url) as connection:
        import_zones(connection, zones[:1])
        yield connection


def message(zone: Zone, *records: dict[str, object], gateway: str | None = None, raw: bytes | None = None) -> Message:
    topic = f"ndiyan/1/{zone.zone_id}/{gateway or zone.gateway_id}/up/senml"
    return Message(topic, json.dumps(records).encode() if raw is None else raw, round(NOON_S * 1e6), 1, 1)


def level(seq: int, value: float = 1.0, **more: object) -> dict[str, object]:
    return {
        "bn": "tower/", "n": "level_m", "u": "m", "v": value, "bt": NOON_S - 20_000 + seq, "boot": "ab", "seq": seq
    } | more  # fmt: skip


@pytest.mark.db
def test_poison_of_each_kind_leaves_its_neighbours_stored(connection: psycopg.Connection, zones: list[Zone]) -> None:  # type: ignore[type-arg]
    zone = zones[0]
    stored = Pipeline(connection).store(
        [
            message(zone, level(1), level(2, u="bar"), level(3)),
            message(zone, raw=b"\x00\xffpoison"),
            message(zone, level(4), gateway="stranger"),
            message(zone, level(5)),
        ]
    )
    assert (stored.stored, stored.set_aside) == (3, 3)
    assert stored.taken[zone.zone_id, zone.gateway_id, "ab"] == [(1, 3), (5, 5)]
    rows = connection.execute("SELECT reason, payload FROM set_aside ORDER BY set_aside_id").fetchall()
    assert [row[0] for row in rows] == ["wrong_unit", "not_senml", "unknown_gateway"]
    assert rows[1][1] == b"\x00\xffpoison"
    seq = connection.execute("SELECT seq::text FROM gateway_boot WHERE gateway_id = %s", [zone.gateway_id]).fetchone()
    assert seq == ("{[1,4),[5,6)}",)


@pytest.mark.db
def test_a_redelivery_changes_nothing(connection: psycopg.Connection, zones: list[Zone]) -> None:  # type: ignore[type-arg]
    batch = [message(zones[0], level(1), level(2, v="x"))]
    pipeline = Pipeline(connection)
    pipeline.store(batch)
    again = pipeline.store(batch)
    assert (again.stored, again.duplicate) == (0, 1)
    assert connection.execute("SELECT count(*) FROM set_aside").fetchone() == (1,)


@pytest.mark.db
def test_a_zone_imported_while_running_is_known_at_once(connection: psycopg.Connection, zones: list[Zone]) -> None:  # type: ignore[type-arg]
    pipeline = Pipeline(connection)
    assert pipeline.store([message(zones[1], level(1))]).set_aside == 1
    import_zones(connection, zones[:2])
    assert pipeline.store([message(zones[1], level(2))]).stored == 1


def narrowed(zone: Zone, maximum: float) -> Zone:
    """The zone, its tower lower."""
    assets = tuple(
        replace(
            asset,
            channels=tuple(
                replace(spec, maximum=maximum) if spec.name == "level_m" else spec for spec in asset.channels
            ),
        )
        for asset in zone.assets
    )
    return replace(zone, assets=assets)


@pytest.mark.db
def test_a_zone_changed_while_running_is_known_with_the_next_heartbeat(
    connection: psycopg.Connection,  # type: ignore[type-arg]
    zones: list[Zone],
    database_url: str,
    clock: ManualClock,
) -> None:
    config = IngestConfig(database_url, MqttSettings("127.0.0.1", 1))
    worker, link = _Worker(config, clock), Subscriber(config, clock, Inbox(Pipeline(connection), window_messages=1))
    came = worker.open().new_admission()
    came.add([message(zones[0], level(1, value=1.0))])
    import_zones(connection, [narrowed(zones[0], 0.5)])
    worker.beat({}, link.said, FirstWorker(link), is_empty=False)
    worker.store(came)
    worker.close()
    link.stop()
    assert connection.execute("SELECT flag FROM reading").fetchall() == [(Flag.BAD,)]


@pytest.mark.db
def test_an_import_while_the_registry_is_read_shows_at_the_next_look(
    connection: psycopg.Connection,  # type: ignore[type-arg]
    zones: list[Zone],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def read_and_import(reader: Connection, aliases: Aliases) -> Directory:
        found = fetch_directory(reader, aliases)
        import_zones(reader, zones[1:2])
        return found

    with monkeypatch.context() as patched:
        patched.setattr("ingest.pipeline.fetch_directory", read_and_import)
        pipeline = Pipeline(connection)
    assert pipeline.store([message(zones[1], level(1))]).stored == 1


@pytest.mark.db
def test_what_is_set_aside_is_kept_in_one_statement_and_the_same_twice_counts_once(
    connection: psycopg.Connection,  # type: ignore[type-arg]
    zones: list[Zone],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batch = [message(zones[0], raw=b"poison %d" % (number % 1500)) for number in range(2000)]
    pipeline = Pipeline(connection)
    statements: list[object] = []
    execute = connection.execute

    def noted(statement: Any, *more: Any, **options: Any) -> Any:
        statements.append(statement)
        return execute(statement, *more, **options)

    monkeypatch.setattr(connection, "execute", noted)
    pipeline.store(batch)
    monkeypatch.undo()
    assert len(statements) < 20
    kept = connection.execute("SELECT payload FROM set_aside ORDER BY set_aside_id").fetchall()
    assert kept == [(b"poison %d" % number,) for number in range(1500)], "in the order in which they came"
    account = "SELECT received, stored, duplicate, set_aside FROM gateway_day"
    assert connection.execute(account).fetchall() == [(2000, 0, 500, 1500)]


@pytest.mark.db
@pytest.mark.parametrize(("kind", "raw", "kept"), [
    pytest.param("senml", b'[{"bn":"tap-01/","n":"volume_m3","u":"m3","v":1}]', 2, id="no-time"),
    pytest.param("senml", b'[{"bn":"tap-01/","n":"volume_m3","u":"m3","v":1,"t":-60}]', 2, id="relative-time"),
    pytest.param("senml", b'[{"bn":"tap-01/","n":"volume_m3","u":"m3","v":1,"bt":1772448000}]', 1, id="time"),
    pytest.param("senml", b'[{"bn":"tap-01/","n":"volume_m3","u":"m3","v":1,"boot":"ab","seq":1}]', 1, id="number"),
    pytest.param("senml", b'[{"bn":"tap-01/","n":"volume_m3","u":"m3","v":"wet"}]', 1, id="no-record"),
    pytest.param("senml", b"poison", 1, id="no-pack"),
    pytest.param("status", b"{}", 1, id="status"),
    pytest.param("ours", b"1", 2, id="no-kind-of-ours"),
])  # fmt: skip
def test_of_the_same_bytes_at_two_times_both_wait_unless_they_are_the_same_measurement(
    connection: psycopg.Connection,  # type: ignore[type-arg]
    kind: str,
    raw: bytes,
    kept: int,
) -> None:
    topic = "ndiyan/1/zone-1/gw-nobody/up/" + kind
    pipeline = Pipeline(connection)
    for minute in (0, 10, 10):
        pipeline.store([Message(topic, raw, 1_772_448_000_000_000 + 60_000_000 * minute, 1, 1)])
    assert connection.execute("SELECT count(*) FROM set_aside").fetchone() == (kept,)


@pytest.mark.db
def test_a_renamed_column_stops_the_stream_and_sets_nothing_aside(
    connection: psycopg.Connection,  # type: ignore[type-arg]
    zones: list[Zone],
) -> None:
    pipeline = Pipeline(connection)
    connection.execute("ALTER TABLE reading RENAME COLUMN value TO amount")
    with pytest.raises(SchemaMismatch, match="42703"):
        pipeline.store([message(zones[0], level(1))])
    connection.execute("ALTER TABLE reading RENAME COLUMN amount TO value")
    assert connection.execute("SELECT count(*) FROM set_aside").fetchone() == (0,)
    assert pipeline.store([message(zones[0], level(1))]).stored == 1, "and goes on when a person has mended it"


@pytest.mark.db
def test_one_reading_of_ten_thousand_that_the_database_refuses_is_set_aside_alone(
    connection: psycopg.Connection,  # type: ignore[type-arg]
    zones: list[Zone],
) -> None:
    connection.execute("ALTER TABLE reading ADD CONSTRAINT no_seven CHECK (value <> 7)")
    readings = [level(seq, 7.0 if seq == 6_666 else 1.0) for seq in range(1, 10_001)]
    batch = [
        message(
            zones[0],
            *readings[first : first + 20],
        )
        for first in range(0, 10_000, 20)
    ]
    stored = Pipeline(connection).store(batch)
    assert (stored.stored, stored.set_aside) == (9_999, 1)
    ((reason, payload),) = connection.execute("SELECT reason, payload FROM set_aside").fetchall()
    assert (reason, [record["seq"] for record in json.loads(payload)]) == ("database_refused", [6_666])
    (ranges,) = stored.taken.values()
    assert {seq for low, high in ranges for seq in range(low, high + 1)} == set(range(1, 10_001))


@pytest.mark.db
def test_a_lost_connection_keeps_the_batch(
    connection: psycopg.Connection, zones: list[Zone], database_url: str
) -> None:  # type: ignore[type-arg]
    pipeline = Pipeline(connection)
    with connect(database_url) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [connection.info.backend_pid])
    with pytest.raises(StoreUnavailable):
        pipeline.store([message(zones[0], level(1))])


def error_with(sqlstate: str | None) -> psycopg.Error:
    if sqlstate is None:
        return psycopg.OperationalError("the connection is lost")
    try:
        return psycopg.errors.lookup(sqlstate)("told by its state")
    except KeyError:
        unknown = psycopg.OperationalError("told by its state")
        unknown.sqlstate = sqlstate  # type: ignore[misc]
        return unknown


@pytest.mark.parametrize(
    ("sqlstate", "meaning"),
    [
        ("22003", Meaning.ROW), ("22021", Meaning.ROW), ("23514", Meaning.ROW), ("23505", Meaning.ROW),
        ("22P02", Meaning.OURS), ("22P03", Meaning.OURS), ("22P04", Meaning.OURS), ("23502", Meaning.OURS),
        ("54000", Meaning.ROW), ("54001", Meaning.ROW), ("54011", Meaning.ROW),
        ("40001", Meaning.AGAIN), ("40P01", Meaning.AGAIN), ("55P03", Meaning.AGAIN), ("57014", Meaning.AGAIN),
        ("08006", Meaning.AWAY), ("53100", Meaning.AWAY), ("53300", Meaning.AWAY), ("57P01", Meaning.AWAY),
        ("58030", Meaning.AWAY), (None, Meaning.AWAY), ("ZZ999", Meaning.AWAY),
        ("42P01", Meaning.OURS), ("42703", Meaning.OURS), ("42501", Meaning.OURS), ("25006", Meaning.OURS),
        ("XX001", Meaning.OURS), ("XX002", Meaning.OURS),
    ],
)  # fmt: skip
def test_errors_are_told_apart_by_their_sqlstate(sqlstate: str | None, meaning: Meaning) -> None:
    assert meaning_of(error_with(sqlstate)) is meaning
