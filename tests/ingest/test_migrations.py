"""The schema moves on while the previous version runs: nothing is lost, nobody waits long, nothing is set aside."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

import numpy as np
import psycopg
import pytest

from gateway.zones import Zone
from ingest import db
from ingest.columns import Columns
from ingest.db import Connection, check_schema, connect, migrate, migrations, schema_number
from ingest.errors import SchemaMismatch, StoreUnavailable
from ingest.registry import channel_ids, import_zones
from ingest.writer import ReadingWriter, Written
from ndiyan.embedded_broker import EmbeddedBroker
from tests.ingest.process import IngestProcess, book, wait_for_readings, wait_until
from tests.ingest.talker import Talker

pytestmark = pytest.mark.db
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
BLOCKED_S = 2.0  # a message is stored and answered within this, whatever is migrated
AS_REGISTERED_THEN = """
INSERT INTO zone (zone_id, name, commune, latitude, longitude, altitude_m, is_fictional, people, counted_in,
                  gnf_per_20_l)
VALUES ('zone-1', 'Tiangol', 'Labé', 11.3, -12.3, 1050, true, 1450, 2025, 100);
INSERT INTO gateway (gateway_id, zone_id) VALUES ('gw-1', 'zone-1');
INSERT INTO asset (zone_id, asset_id, kind, interval_s, rating) VALUES ('zone-1', 'tower', 'tower', 300, '{}');
INSERT INTO channel (zone_id, asset_id, name, unit, is_counter, minimum, maximum)
VALUES ('zone-1', 'tower', 'level_m', 'm', false, -1, 30);
"""
BEFORE_THE_ACCOUNT = 7  # the schema of the first demo: no account, no rollups, no notes
# What a next version might do, on the tables that ingest writes to all the time.
NEXT = {
    "9001_reading_source.sql": "ALTER TABLE reading ADD COLUMN source smallint;",
    "9002_boot_model.sql": "ALTER TABLE gateway_boot ADD COLUMN model text NOT NULL DEFAULT 'unknown';",
    "9003_inspection.sql": "CREATE TABLE inspection (channel_id integer REFERENCES channel, at timestamptz);",
    "9004_latest_by_time.sql": "CREATE INDEX latest_measured ON latest (measured_at);",
    "9005_day_source.sql": "ALTER TABLE gateway_day ADD COLUMN rejected bigint NOT NULL DEFAULT 0;",
    "9006_hour_checked.sql": "ALTER TABLE reading_hour ADD COLUMN checked_at timestamptz;"
    " ALTER TABLE reading_note ADD COLUMN checked_at timestamptz;",
}
ATTEMPTS = """
SELECT xact_start FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'migrator' AND wait_event_type = 'Lock'
"""

Ship = Callable[[dict[str, str]], None]


@pytest.fixture
def ship(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ship:
    """Adds migrations to those of this version, as the next one would."""

    def add(files: dict[str, str]) -> None:
        known = db.migrations()
        for name, text in files.items():
            file = tmp_path / name
            file.write_text(text, "utf-8")
            known.append((int(name[:4]), file.stem[5:], None, file))
        monkeypatch.setattr(db, "migrations", lambda: known)

    return add


@pytest.fixture
def connection(database_url: str, zones: list[Zone]) -> Iterator[Connection]:
    with connect(database_url, application="migrator") as connection:
        import_zones(connection, zones)
        yield connection


def test_readings_of_an_earlier_schema_are_kept_and_go_into_account_and_rollups(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = db.migrations()
    with connect(empty_database_url) as connection:
        monkeypatch.setattr(db, "migrations", lambda: [one for one in every if one[0] <= BEFORE_THE_ACCOUNT])
        migrate(connection)
        connection.execute(AS_REGISTERED_THEN)
        channel = channel_ids(connection)["zone-1", "tower", "level_m"]
        connection.execute("SELECT ensure_reading_partition(%s)", [NOON])
        rows = [(channel, 1, NOON + timedelta(minutes=10 * n), NOON, n / 4) for n in range(12)]
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO reading VALUES (%s, %s, %s, %s, %s)", rows)
        connection.execute("INSERT INTO latest SELECT channel_id, measured_at, received_at, value, flag FROM reading"
                           " ORDER BY measured_at DESC LIMIT 1")  # fmt: skip
        connection.execute("INSERT INTO gateway_boot VALUES ('zone-1', 'gw-1', 'ab', %s, %s, '{[1,13)}')", [NOON, NOON])
        monkeypatch.setattr(db, "migrations", lambda: every)
        with pytest.raises(SchemaMismatch, match=f"is at {BEFORE_THE_ACCOUNT}, this version needs"):
            check_schema(connection)
        migrate(connection)
        check_schema(connection)

        measured_us = np.array([round(row[2].timestamp() * 1e6) for row in rows])
        value = np.array([row[4] for row in rows])
        again = Columns(np.full(12, channel, np.int32), measured_us, measured_us, value, np.ones(12, np.int16))
        assert ReadingWriter(connection).write(again) == Written(0, 12, 0), "each is known by its key"
        hours = connection.execute("SELECT hour, n, first, last FROM reading_hourly ORDER BY hour").fetchall()
        assert hours == [(NOON, 6, 0.0, 1.25), (NOON + timedelta(hours=1), 6, 1.5, 2.75)]
        seq = connection.execute("SELECT seq::text FROM gateway_boot").fetchall()
        assert seq == [("{[1,13)}",)]


def test_a_migration_that_fails_leaves_nothing_of_itself(connection: Connection, ship: Ship) -> None:
    before = schema_number(connection)
    ship({"9001_good.sql": "CREATE TABLE good ();", "9002_bad.sql": "CREATE TABLE bad (); SELECT 1 / 0;"})
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(connection)
    assert before < schema_number(connection) == 9001
    row = connection.execute("SELECT to_regclass('good') IS NULL, to_regclass('bad') IS NULL").fetchone()
    assert row == (False, True)


def test_a_table_that_somebody_holds_too_long_is_told_and_left_as_it_was(
    connection: Connection, database_url: str, ship: Ship, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "MIGRATE_WITHIN_S", 0.0)
    ship(NEXT)
    with connect(database_url, autocommit=False) as reader:
        reader.execute("SELECT 1 FROM gateway_boot")
        with pytest.raises(StoreUnavailable, match="9002_boot_model: somebody held its tables for 0 s"):
            migrate(connection)
    assert schema_number(connection) == 9001
    assert migrate(connection)[0] == "9002_boot_model", "and when they are gone it goes on where it was"


@pytest.mark.broker
def test_the_previous_version_goes_on_storing_while_the_schema_moves_on(
    connection: Connection, database_url: str, broker: EmbeddedBroker, zones: list[Zone], tmp_path: Path, ship: Ship
) -> None:
    process = IngestProcess(database_url, broker.ingest_settings, tmp_path / "ingest.log")
    gateway = None
    try:
        process.wait_for("session new")
        gateway = Talker(broker.settings_for("gw-1"), zones[0], pause_s=0.003)
        gateway.wait_answered(100)
        ship(NEXT)
        applied: list[str] = []
        migrator = threading.Thread(target=lambda: applied.extend(migrate(connection)))
        with connect(database_url, autocommit=False) as report, connect(database_url) as onlooker:
            report.execute("SELECT count(*) FROM reading")  # a long report: its lock is in the way of the first one
            migrator.start()
            attempts: set[datetime] = set()
            wait_until(
                lambda: attempts.update(row[0] for row in onlooker.execute(ATTEMPTS)) or len(attempts) >= 3,
                lambda: f"{len(attempts)} attempts",
            )
        migrator.join()
        assert applied == [Path(name).stem for name in NEXT]
        gateway.wait_answered(len(gateway.answered_s) + 100)
        blocked_s = max(at_s - gateway.sent_s[seq] for seq, at_s in gateway.answered_s.items())
        assert process.tell_to_stop()[0] == 0
        process.start()  # a version that is older than the schema may start again, too
        sent = gateway.hush()
        wait_for_readings(database_url, sent)
        print(f"\n{sent} messages, {len(attempts)} attempts; the longest way to an answer took {blocked_s:.2f} s")
        assert blocked_s < BLOCKED_S
        assert book(database_url) == (sent, 0, 0, 0, 0)
        assert not [line for line in process.log().splitlines() if "ERROR" in line or "not storing" in line]
    finally:
        if gateway is not None:
            gateway.leave()
        process.end()


def test_migrations_are_numbered_without_a_gap() -> None:
    """A database that has had number n has had all before it, so its number alone says what it has."""
    files = {file.name for file in (resources.files("ingest") / "migrations").iterdir() if file.name.endswith(".sql")}
    found = migrations()
    assert {file.name for *_, file in found} == files, "every file has a name that is taken"
    numbers = sorted({number for number, *_ in found})
    assert numbers == list(range(1, len(numbers) + 1))
