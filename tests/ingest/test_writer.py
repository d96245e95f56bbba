"""The write path: however readings arrive, each is stored once and the latest value is right."""

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.zones import Zone
from ingest.columns import Columns
from ingest.db import connect
from ingest.registry import channel_ids, import_zones
from ingest.writer import ReadingWriter, Written

pytestmark = pytest.mark.db
BASE_US = round(datetime(2026, 11, 24, 12, 50, tzinfo=UTC).timestamp() * 1e6)
MINUTE_US = 60_000_000


@pytest.fixture
def connection(database_url: str, zones: list[Zone]) -> Iterator[psycopg.Connection]:  # type: ignore[type-arg]
    with connect(database_url) as connection:
        import_zones(connection, zones[:1])
        yield connection


def columns(rows: list[tuple[int, int, float]]) -> Columns:
    """Rows are (channel, minute, value)."""
    channel, minute, value = zip(*rows, strict=True) if rows else ((), (), ())
    measured = BASE_US + np.array(minute, dtype=np.int64) * MINUTE_US
    return Columns(
        np.array(channel, dtype=np.int32), measured, measured + 1000, np.array(value, dtype=np.float64),
        np.ones(len(rows), dtype=np.int16),
    )  # fmt: skip


def stored(connection: psycopg.Connection) -> dict[tuple[int, int], float]:  # type: ignore[type-arg]
    rows = connection.execute("SELECT channel_id, extract(epoch FROM measured_at)::float8, value FROM reading")
    return {(channel, round((t_s * 1e6 - BASE_US) / MINUTE_US)): value for channel, t_s, value in rows}


def latest(connection: psycopg.Connection) -> dict[int, float]:  # type: ignore[type-arg]
    return dict(connection.execute("SELECT channel_id, value FROM latest").fetchall())


def test_a_batch_is_stored_and_read_back_as_it_was(connection: psycopg.Connection) -> None:  # type: ignore[type-arg]
    channel = next(iter(channel_ids(connection).values()))
    assert ReadingWriter(connection).write(columns([(channel, 1, 1.25), (channel, 0, -3.5)])) == Written(2, 0, 0)
    assert stored(connection) == {(channel, 0): -3.5, (channel, 1): 1.25}
    assert latest(connection) == {channel: 1.25}


def test_the_same_batch_again_is_all_duplicates(connection: psycopg.Connection) -> None:  # type: ignore[type-arg]
    batch, writer = columns([(1, 0, 1.0), (2, 0, 2.0), (1, 5, 3.0)]), ReadingWriter(connection)
    assert writer.write(batch) == Written(3, 0, 0)
    assert writer.write(batch) == Written(0, 3, 0)
    assert ReadingWriter(connection).write(batch) == Written(0, 3, 0), "also by a process that starts anew"


def test_another_value_for_a_stored_time_is_a_recorded_conflict(connection: psycopg.Connection) -> None:  # type: ignore[type-arg]
    writer = ReadingWriter(connection)
    writer.write(columns([(1, 0, 1.0)]))
    assert writer.write(columns([(1, 0, 9.0)])) == Written(0, 0, 1)
    assert stored(connection) == {(1, 0): 1.0}
    assert connection.execute("SELECT value FROM reading_conflict").fetchall() == [(9.0,)]
    assert writer.write(columns([(2, 0, 5.0), (2, 0, 6.0)])) == Written(1, 0, 1), "within one batch as well"


def test_a_stale_watermark_is_absorbed_by_the_key(connection: psycopg.Connection, database_url: str) -> None:  # type: ignore[type-arg]
    late = ReadingWriter(connection)
    with connect(database_url) as other:
        ReadingWriter(other).write(columns([(1, 0, 1.0), (1, 1, 2.0)]))
    assert late.write(columns([(1, 0, 1.0), (1, 2, 3.0), (2, 0, 4.0)])) == Written(2, 1, 0)
    assert latest(connection) == {1: 3.0, 2: 4.0}


def test_a_late_week_gets_its_partition(connection: psycopg.Connection) -> None:  # type: ignore[type-arg]
    ninety_days = 90 * 24 * 60
    assert ReadingWriter(connection).write(columns([(1, 0, 1.0), (1, -ninety_days, 2.0)])) == Written(2, 0, 0)
    assert latest(connection) == {1: 1.0}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.lists(st.tuples(st.integers(1, 3), st.integers(0, 6), st.sampled_from([0.0, 1.0])), max_size=8), max_size=6
    )
)
def test_any_order_of_arrival_stores_the_first_of_each(
    connection: psycopg.Connection,  # type: ignore[type-arg]
    batches: list[list[tuple[int, int, float]]],
) -> None:
    connection.execute("TRUNCATE reading, reading_conflict, latest")
    writer = ReadingWriter(connection)
    model: dict[tuple[int, int], float] = {}
    for batch in batches:
        expected = Written(0, 0, 0)
        for channel, minute, value in batch:
            kept = model.setdefault((channel, minute), value)
            expected = expected._replace(
                stored=len(model), duplicate=expected.duplicate, conflict=expected.conflict + (kept != value)
            )
        before = len(stored(connection))
        written = writer.write(columns(batch))
        assert written.stored == len(model) - before
        assert written.conflict == expected.conflict
        assert sum(written) == len(batch)
    assert stored(connection) == model
    newest = {channel: max(m for c, m in model if c == channel) for channel, _ in model}
    assert latest(connection) == {channel: model[channel, minute] for channel, minute in newest.items()}
