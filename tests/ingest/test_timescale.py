"""On TimescaleDB weeks long past are stored by column, and nothing else is different: what holds for the others holds
for them. Runs where the server offers the extension."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.zones import Zone
from ingest.columns import Columns
from ingest.db import Connection, connect
from ingest.registry import import_zones
from ingest.writer import ReadingWriter, Written
from tests.conftest import skip_without
from tests.ingest.test_rollups import assert_rollups_are_right, batch_of, readings

pytestmark = pytest.mark.db
LONG_AGO = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
def connection(request: pytest.FixtureRequest, database_url: str, zones: list[Zone]) -> Iterator[Connection]:
    """A database in which only tests compress; the server's own jobs are not told to."""
    with connect(database_url) as connection:
        is_hypertable = facts(connection, "SELECT variant FROM migration LIMIT 1") == [("timescale",)]
        if not is_hypertable or facts(connection, "SHOW timescaledb.license") != [("timescale",)]:
            reason = "this PostgreSQL does not offer it under its Community licence"
            skip_without(request.config, "TimescaleDB", reason, optional=True)
        connection.execute("SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs")
        import_zones(connection, zones[:1])
        yield connection


def compress(connection: Connection) -> None:
    connection.execute("SELECT compress_chunk(chunk) FROM show_chunks('reading') AS chunk")


def series(channel: int, start: datetime, values: list[float]) -> Columns:
    """Readings of a channel, ten minutes apart."""
    measured = round(start.timestamp() * 1e6) + np.arange(len(values), dtype=np.int64) * 600_000_000
    return Columns(
        np.full(len(values), channel, dtype=np.int32), measured, measured + 1000, np.array(values),
        np.ones(len(values), dtype=np.int16),
    )  # fmt: skip


def facts(connection: Connection, query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()


def test_closed_weeks_are_stored_by_channel_and_time_and_nothing_is_ever_thrown_away(connection: Connection) -> None:
    assert facts(
        connection,
        "SELECT segmentby, orderby FROM timescaledb_information.hypertable_columnstore_settings"
        " WHERE hypertable = 'reading'::regclass",
    ) == [("channel_id", "measured_at")]
    assert facts(
        connection,
        "SELECT proc_name, config ->> 'compress_after' FROM timescaledb_information.jobs"
        " WHERE hypertable_name IS NOT NULL",
    ) == [("policy_compression", "14 days")], "and no policy that drops old readings"


def test_the_servers_job_compresses_what_has_been_over_for_two_weeks_and_leaves_the_rest(
    connection: Connection,
) -> None:
    now = datetime.now(UTC)
    writer = ReadingWriter(connection)
    writer.write(series(1, now - timedelta(days=40), [1.0, 2.0]))
    writer.write(series(1, now - timedelta(minutes=20), [3.0, 4.0]))
    ((job,),) = facts(connection, "SELECT job_id FROM timescaledb_information.jobs WHERE hypertable_name = 'reading'")
    connection.execute("CALL run_job(%s)", [job])
    chunks = facts(connection, "SELECT is_compressed FROM timescaledb_information.chunks ORDER BY range_start")
    assert chunks == [(True,), (False,)]
    assert facts(connection, "SELECT value FROM reading ORDER BY measured_at") == [(1.0,), (2.0,), (3.0,), (4.0,)]


def test_late_readings_of_a_compressed_week_are_stored_once_and_repair_its_rollups(connection: Connection) -> None:
    writer = ReadingWriter(connection)
    writer.write(batch_of([(1, step, float(step), False) for step in range(60) if not 20 <= step < 40]))
    compress(connection)
    late = batch_of([(1, step, float(step), False) for step in range(15, 45)])
    assert writer.write(late) == Written(stored=20, duplicate=10, conflict=0)
    compress(connection)
    assert writer.write(late) == Written(stored=0, duplicate=30, conflict=0)
    assert writer.write(batch_of([(1, 30, -1.0, False)])) == Written(stored=0, duplicate=0, conflict=1)
    assert facts(connection, "SELECT count(*), sum(value) FROM reading") == [(60, sum(range(60)))]
    assert_rollups_are_right(connection)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.lists(readings, min_size=1, max_size=12), st.booleans()), min_size=1, max_size=6))
def test_whatever_is_compressed_between_the_batches_the_first_of_each_is_stored_and_the_rollups_are_right(
    connection: Connection, batches: list[tuple[list[tuple[int, int, float, bool]], bool]]
) -> None:
    connection.execute("TRUNCATE reading, reading_conflict, latest, reading_hour, reading_day")
    writer = ReadingWriter(connection)
    expected: dict[tuple[int, int], float] = {}
    for rows, is_compressed_then in batches:
        written = writer.write(batch_of(rows))
        before = len(expected)
        for channel, step, value, _ in rows:
            expected.setdefault((channel, step), value)
        assert written.stored == len(expected) - before
        if is_compressed_then:
            compress(connection)
    stored = facts(connection, "SELECT value FROM reading ORDER BY channel_id, measured_at")
    assert [value for (value,) in stored] == [value for _, value in sorted(expected.items())]
    assert_rollups_are_right(connection)


def test_the_key_is_the_judge_in_a_compressed_week_too(connection: Connection) -> None:
    insert = "INSERT INTO reading VALUES (1, 1, %s, %s, 7)"
    connection.execute(insert, [LONG_AGO, LONG_AGO])
    compress(connection)
    with pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute(insert, [LONG_AGO, LONG_AGO])


def test_a_spike_today_takes_no_compressed_week_apart(connection: Connection) -> None:
    ((level,),) = facts(connection, "SELECT channel_id FROM channel WHERE (asset_id, name) = ('tower', 'level_m')")
    writer = ReadingWriter(connection)
    writer.write(series(level, LONG_AGO, [1.0 + step % 2 / 10 for step in range(300)]))
    compress(connection)
    connection.execute("SET timescaledb.max_tuples_decompressed_per_dml_transaction = 100")  # for 100,000 readings
    today = LONG_AGO + timedelta(days=60)
    writer.write(series(level, today, [2.0, 2.0, 2.8]))
    writer.write(series(level, today + timedelta(minutes=30), [2.0]))
    assert facts(connection, "SELECT value FROM reading WHERE flag = 3") == [(2.8,)]


def test_a_spike_that_is_long_past_is_flagged_and_its_neighbours_are_not(connection: Connection) -> None:
    writer = ReadingWriter(connection)
    writer.write(series(1, LONG_AGO, [float(step) for step in range(300)]))
    writer.write(series(2, LONG_AGO, [float(step) for step in range(300)]))
    compress(connection)
    connection.execute("SET timescaledb.max_tuples_decompressed_per_dml_transaction = 100")
    connection.execute("SELECT flag_suspect(ARRAY[2], ARRAY[%s::timestamptz])", [LONG_AGO + timedelta(minutes=1500)])
    assert facts(connection, "SELECT channel_id, value FROM reading WHERE flag = 3") == [(2, 150.0)]
    assert facts(connection, "SELECT count(*) FROM reading") == [(600,)]
