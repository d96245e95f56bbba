"""Reads give what was stored: charts from rollups are those from readings, a matrix holds the last good reading."""

import gc
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.model import Flag
from gateway.zones import Zone
from ingest import db, readings_pg
from ingest.arrays import array_cursor
from ingest.columns import Columns
from ingest.db import connect, open_pool
from ingest.readings_pg import PgReadings, series_statement
from ingest.registry import import_zones
from ingest.writer import ReadingWriter
from tests.ingest.process import wait_until

pytestmark = pytest.mark.db
START = datetime(2026, 11, 23, 22, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def connection(database_url: str, zones: list[Zone]) -> Iterator[psycopg.Connection]:  # type: ignore[type-arg]
    with connect(database_url) as connection:
        import_zones(connection, zones[:1])
        yield connection


def rows_of(rows: list[tuple[int, float, float, int]]) -> Columns:
    """Rows are (channel, minutes after the start, value, flag)."""
    channel, minutes, value, flag = (np.array(column) for column in zip(*rows, strict=True))
    measured_us = round(START.timestamp() * 1e6) + (minutes * 60e6).astype(np.int64)
    return Columns(
        channel.astype(np.int32), measured_us, measured_us, value.astype(np.float64), flag.astype(np.int16)
    )  # fmt: skip


def store(connection: psycopg.Connection, rows: list[tuple[int, float, float, int]]) -> None:  # type: ignore[type-arg]
    ReadingWriter(connection).write(rows_of(rows))


@given(
    st.dictionaries(
        st.tuples(st.sampled_from((1, 2)), st.integers(0, 200)),
        st.tuples(st.integers(-9, 9), st.booleans()),
        min_size=1,
        max_size=30,
    ),
    st.sampled_from((1, 2, 3, 24, 48)),
)
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_chart_from_rollups_is_the_chart_from_readings(
    connection: psycopg.Connection,  # type: ignore[type-arg]
    readings: dict[tuple[int, int], tuple[int, bool]],
    hours: int,
) -> None:
    connection.execute("TRUNCATE reading, latest, reading_hour, reading_day, reading_note")
    store(
        connection,
        [
            (channel, 20 * step, value, Flag.BAD if is_bad else Flag.GOOD)
            for (channel, step), (value, is_bad) in readings.items()
        ],
    )
    resolution = hours * HOUR
    assert series_statement(resolution) != "binned_readings"
    start, end = START - 3 * HOUR, START + 100 * HOUR
    for channel in (1, 2):
        found = PgReadings(connection).series(channel, start, end, resolution=resolution)
        rows = connection.execute(
            readings_pg.SQL["binned_readings"], {"channel": channel, "start": start, "end": end, "bin": resolution}
        ).fetchall()
        t_s, value, minimum, maximum, n, _ = np.array(rows, dtype=np.float64).reshape(-1, 6).T
        np.testing.assert_array_equal(found.t_s, t_s)
        np.testing.assert_allclose(found.value, value, rtol=1e-12, atol=1e-12)
        np.testing.assert_array_equal(found.minimum, minimum)
        np.testing.assert_array_equal(found.maximum, maximum)
        np.testing.assert_array_equal(found.n, n)


def test_an_hour_with_a_bad_reading_says_so(connection: psycopg.Connection) -> None:  # type: ignore[type-arg]
    store(connection, [(1, 0, 5, Flag.GOOD), (1, 20, 900, Flag.BAD), (1, 60, 6, Flag.GOOD), (1, 180, 7, Flag.BAD)])
    found = PgReadings(connection).series(1, START, START + 4 * HOUR, resolution=HOUR)
    assert found.value.tolist() == [5, 6]  # the hour of which nothing good is known stays a gap
    assert found.flag.tolist() == [Flag.BAD, Flag.GOOD]


def test_a_matrix_holds_the_last_good_reading_of_each_step(connection: psycopg.Connection) -> None:  # type: ignore[type-arg]
    store(
        connection,
        [
            (2, 25, 4, Flag.GOOD), (2, 21, 3, Flag.GOOD),  # they came in the wrong order
            (1, 0, 1, Flag.GOOD), (1, 8, 9, Flag.BAD), (1, 10, 2, Flag.SUSPECT), (1, 30, 8, Flag.GOOD),
        ],
    )  # fmt: skip
    nan = np.nan
    found = PgReadings(connection).matrix([2, 3, 1], START, START + HOUR / 2, timedelta(minutes=10))
    np.testing.assert_array_equal(found, [[nan, nan, 4], [nan, nan, nan], [1, 2, nan]])


def test_a_matrix_over_several_connections_is_the_matrix_over_one(
    connection: psycopg.Connection,  # type: ignore[type-arg]
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(5)
    channels = list(range(1, 9))
    store(
        connection, [(channel, float(minute), rng.normal(), Flag.GOOD) for channel in channels for minute in range(60)]
    )
    step = timedelta(minutes=7)
    whole = PgReadings(connection).matrix(channels, START, START + HOUR, step)
    assert not np.isnan(whole).any()
    monkeypatch.setattr(readings_pg, "MATRIX_CHANNELS", 3)
    with open_pool(database_url, size=2) as pool:
        np.testing.assert_array_equal(PgReadings(pool).matrix(channels, START, START + HOUR, step), whole)


def test_a_connection_that_died_keeps_nothing_of_what_it_brought(database_url: str) -> None:
    with open_pool(database_url, size=1) as pool:
        with pool.connection() as held:
            died = held
            with psycopg.connect(database_url) as other:
                other.execute("SELECT pg_terminate_backend(%s::int, 5000::bigint)", [held.info.backend_pid])
        with pool.connection() as fresh:
            assert fresh.execute("SELECT 1").fetchone() == (1,)
    assert died.pgconn.pgconn_ptr is None


def test_connections_that_only_several_at_once_needed_are_given_back(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "SPARE_S", 0.05)
    with open_pool(database_url, size=4) as pool, connect(database_url) as looking:
        there = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        with ExitStack() as at_once:
            for _ in range(4):
                at_once.enter_context(pool.connection())
            assert looking.execute(there).fetchone() == (4 + 1,)
        wait_until(lambda: looking.execute(there).fetchone() == (1 + 1,), lambda: str(pool.get_stats()))


def test_a_matrix_of_more_channels_than_a_row_carries_holds_each(connection: psycopg.Connection) -> None:  # type: ignore[type-arg]
    store(connection, [(1, 5, 1.5, Flag.GOOD)])
    connection.execute(  # by hand, because no zone of the tests has so many; of the second 64 channels nothing is there
        "INSERT INTO reading SELECT id, flag, measured_at, received_at, id * 1.5 FROM reading, "
        "generate_series(2, 130) id WHERE id NOT BETWEEN 65 AND 128"
    )
    found = PgReadings(connection).matrix(range(1, 131), START, START + HOUR, HOUR)
    expected = [np.nan if 64 < channel <= 128 else channel * 1.5 for channel in range(1, 131)]
    np.testing.assert_array_equal(found[:, 0], expected)


def test_no_row_holds_more_than_some_thousand_readings_however_many_there_are(connection: psycopg.Connection) -> None:  # type: ignore[type-arg]
    store(connection, [(1, 5, 0.0, Flag.GOOD)])
    connection.execute(
        "INSERT INTO reading SELECT channel_id, flag, measured_at + second * interval '1 s', received_at, second"
        " FROM reading, generate_series(1, 8999) second"
    )
    readings, end, seconds = PgReadings(connection), START + 3 * HOUR, list(range(9000))
    assert readings.series(1, START, end).value.tolist() == seconds
    assert seconds in [series.value.tolist() for series in readings.window("zone-1", START, end).values()]
    asked = {"start": START, "end": end, "channel": 1, "zone": "zone-1", "only": None, "limit": None}
    for name in ("raw_series", "window"):
        rows = array_cursor(connection).execute(readings_pg.SQL[name], asked).fetchall()
        assert [len(row[-1]) for row in rows if row[-1] is not None] == [4096, 4096, 808], name


def test_no_row_of_a_matrix_holds_more_than_20_minutes(connection: psycopg.Connection) -> None:  # type: ignore[type-arg]  # rows differ
    store(connection, [(channel, float(minute), minute, Flag.GOOD) for channel in (1, 2) for minute in range(400)])
    readings, end = PgReadings(connection), START + 400 * HOUR / 60
    minutes = list(range(400))
    assert readings.series(1, START, end).value.tolist() == minutes
    window = [series.value.tolist() for series in readings.window("zone-1", START, end).values()]
    assert sorted(window, reverse=True) == [minutes, minutes, *[[]] * (len(window) - 2)]
    np.testing.assert_array_equal(readings.matrix([2, 1], START, end, timedelta(minutes=1)), [minutes, minutes])
    connection.execute("SET enable_sort = off")  # so that rows come in order of time only where that is asked for
    lasts = [[59, 119, 179, 239, 299, 359]] * 2
    np.testing.assert_array_equal(readings.matrix([2, 1], START, end, HOUR), lasts)
    asked = {"start": START, "end": end, "channels": [1, 2]}
    rows = array_cursor(connection).execute(readings_pg.SQL["arrays"], asked).fetchall()
    assert max(len(row[-1]) for row in rows) == 40


def test_reading_matrices_again_and_again_makes_no_classes_that_stay(connection: psycopg.Connection) -> None:  # type: ignore[type-arg]
    readings = PgReadings(connection)

    def read_and_count() -> int:
        for _ in range(5):
            readings.matrix([1], START, START + HOUR, timedelta(minutes=5))
        gc.collect()
        return sum(isinstance(one, type) for one in gc.get_objects())

    read_and_count()  # the first imports what it needs
    assert read_and_count() == read_and_count()


def test_a_matrix_without_steps_is_refused(connection: psycopg.Connection) -> None:  # type: ignore[type-arg]
    with pytest.raises(ValueError, match="no step of 0:00:00 fits"):
        PgReadings(connection).matrix([1], START, START + HOUR, timedelta(0))


def test_the_latest_reading_is_the_newest_by_measured_time(connection: psycopg.Connection) -> None:  # type: ignore[type-arg]
    store(connection, [(1, 30, 5, Flag.GOOD), (2, 10, 7, Flag.SUSPECT)])
    store(connection, [(1, 20, 4, Flag.GOOD), (2, 40, 8, Flag.GOOD)])
    found = {row.channel.channel_id: row for row in PgReadings(connection).latest()}
    assert {channel: (row.value, row.measured_at - START) for channel, row in found.items()} == {
        1: (5, HOUR / 2), 2: (8, HOUR * 2 / 3)
    }  # fmt: skip
    assert PgReadings(connection).latest("no-such-zone") == []
