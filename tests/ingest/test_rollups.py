"""Hours and days are what the readings say, in whatever order and however often these came."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.model import Flag
from gateway.zones import Zone
from ingest import rollups
from ingest.arrays import array_cursor
from ingest.columns import Columns
from ingest.db import connect
from ingest.registry import import_zones
from ingest.rollups import HOURS_ANEW, READINGS_ANEW
from ingest.writer import ReadingWriter

pytestmark = pytest.mark.db
BASE_US = round(datetime(2026, 11, 23, 22, 0, tzinfo=UTC).timestamp() * 1e6)
STEP_US = 1_200_000_000  # 20 minutes: three readings an hour, so that days and hours change often
CHANNELS = (1, 2)

COLUMNS = "channel_id, {}, n, min, max, sum, first, last, steps, bad"
FROM_READINGS = """
WITH r AS (
    SELECT channel_id, measured_at, value, flag,
           CASE WHEN flag <> 4 THEN
               value - lag(value) OVER (PARTITION BY channel_id, flag = 4 ORDER BY measured_at)
           END AS step
    FROM reading
)
SELECT channel_id, date_trunc('hour', measured_at) AS hour, (count(*) FILTER (WHERE flag <> 4))::integer,
       min(value) FILTER (WHERE flag <> 4), max(value) FILTER (WHERE flag <> 4),
       sum(value ORDER BY measured_at) FILTER (WHERE flag <> 4),
       (array_agg(value ORDER BY measured_at) FILTER (WHERE flag <> 4))[1],
       (array_agg(value ORDER BY measured_at DESC) FILTER (WHERE flag <> 4))[1],
       coalesce(sum(step ORDER BY measured_at) FILTER (WHERE step > 0), 0), (count(*) FILTER (WHERE flag = 4))::integer
FROM r GROUP BY channel_id, hour ORDER BY channel_id, hour
"""
WRONG_LAST_HOUR = """
SELECT d.channel_id, d.day, d.last_hour FROM reading_day d WHERE d.last_hour IS DISTINCT FROM (
    SELECT max(date_trunc('hour', r.measured_at, 'UTC')) FROM reading r
    WHERE r.channel_id = d.channel_id AND r.flag <> 4 AND r.measured_at >= d.day
      AND r.measured_at < d.day + interval '1 day')
"""


@pytest.fixture
def connection(database_url: str, zones: list[Zone]) -> Iterator[psycopg.Connection]:  # type: ignore[type-arg]
    with connect(database_url) as connection:
        import_zones(connection, zones[:1])
        yield connection


def batch_of(rows: list[tuple[int, int, float, bool]]) -> Columns:
    """Rows are (channel, step of 20 minutes, value, whether it is bad)."""
    channel, step, value, bad = (np.array(column) for column in zip(*rows, strict=True))
    measured = BASE_US + step.astype(np.int64) * STEP_US
    flag = np.where(bad.astype(bool), Flag.BAD, Flag.GOOD).astype(np.int16)
    return Columns(channel.astype(np.int32), measured, measured + 1000, value.astype(np.float64), flag)


def assert_rollups_are_right(connection: psycopg.Connection) -> None:  # type: ignore[type-arg]
    hours = connection.execute(f"SELECT {COLUMNS.format('hour')} FROM reading_hourly ORDER BY 1, 2").fetchall()
    expected = connection.execute(FROM_READINGS).fetchall()
    assert hours == expected
    days = connection.execute(f"SELECT {COLUMNS.format('day')} FROM reading_daily ORDER BY 1, 2").fetchall()
    model: dict[tuple[int, datetime], list[tuple[float, ...]]] = {}
    for channel, hour, *sums in expected:
        model.setdefault((channel, hour.replace(hour=0)), []).append(sums)
    assert [row[:2] for row in days] == list(model)
    assert connection.execute(WRONG_LAST_HOUR).fetchall() == []
    for _, _, n, low, high, total, first, last, steps, bad in days:
        sums = model.pop(next(iter(model)))
        good = [row for row in sums if row[0]]
        assert (n, bad) == (sum(row[0] for row in sums), sum(row[7] for row in sums))
        if good:
            assert (low, high) == (min(row[1] for row in good), max(row[2] for row in good))
            assert (first, last) == (good[0][4], good[-1][5])
            added, moved = good[0][3], 0.0
            for row in good[1:]:
                added += row[3]
            for row in sums:
                moved += row[6]
            assert (total, steps) == (added, moved), "to the last bit"


readings = st.tuples(
    st.sampled_from(CHANNELS),
    st.integers(0, 170),
    st.floats(0, 1e3).map(lambda v: round(v, 2)),
    st.sampled_from([False] * 4 + [True]),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(readings, min_size=1, max_size=80), st.randoms(use_true_random=False), st.data())
def test_shuffled_doubled_and_split_readings_give_the_same_rollups(
    connection: psycopg.Connection,  # type: ignore[type-arg]
    rows: list[tuple[int, int, float, bool]],
    dice,  # type: ignore[no-untyped-def]
    data: st.DataObject,
) -> None:
    connection.execute("TRUNCATE reading, reading_conflict, latest, reading_hour, reading_day")
    order = data.draw(st.sampled_from(["in order", "shuffled", "nearly"]))
    arriving = sorted(rows, key=lambda row: row[1])
    if order == "shuffled":
        dice.shuffle(arriving)
    elif order == "nearly":
        arriving = sorted(rows, key=lambda row: row[1] + dice.randrange(9))
    arriving += dice.sample(arriving, len(arriving) // 3)
    writer = ReadingWriter(connection)
    while arriving:
        size = dice.randrange(1, 12)
        writer.write(batch_of(arriving[:size]))
        arriving = arriving[size:]
        if dice.random() < 0.15:
            writer = ReadingWriter(connection)  # ingest was killed
    assert_rollups_are_right(connection)


def test_a_counter_that_was_exchanged_moves_on_by_its_positive_steps(connection: psycopg.Connection) -> None:  # type: ignore[type-arg]
    values = [100.0, 103.5, 104.0, 0.0, 2.5, 4.0]
    ReadingWriter(connection).write(batch_of([(1, n, value, False) for n, value in enumerate(values)]))
    steps = connection.execute("SELECT hour, steps FROM reading_hourly ORDER BY hour").fetchall()
    assert [row[1] for row in steps] == [4.0, 4.0], "the step back to 0 counts for nothing"


def test_a_late_reading_repairs_its_hour_its_day_and_the_step_behind_it(connection: psycopg.Connection) -> None:  # type: ignore[type-arg]
    writer = ReadingWriter(connection)
    writer.write(batch_of([(1, 0, 10.0, False), (1, 4, 30.0, False), (1, 200, 50.0, False)]))
    writer.write(batch_of([(1, 2, 5.0, False)]))
    assert_rollups_are_right(connection)
    hours = connection.execute("SELECT n, steps FROM reading_hourly ORDER BY hour").fetchall()
    assert hours[:2] == [(2, 0.0), (1, 25.0)]


def test_a_failed_batch_leaves_no_trace_in_the_rollups(connection: psycopg.Connection) -> None:  # type: ignore[type-arg]
    writer = ReadingWriter(connection)
    writer.write(batch_of([(1, 0, 1.0, False)]))
    with connection.transaction(force_rollback=True):
        writer.write(batch_of([(1, 1, 9.0, False), (1, 5, 9.0, False)]))
    writer.forget()
    writer.write(batch_of([(1, 2, 2.0, False), (1, 4, 3.0, False)]))
    assert_rollups_are_right(connection)


def test_late_readings_of_a_month_repair_every_hour_of_it(connection: psycopg.Connection) -> None:  # type: ignore[type-arg]
    assert HOURS_ANEW < 720, "so that the hours are added up in parts"
    writer = ReadingWriter(connection)
    writer.write(batch_of([(1, 3 * hour, hour % 7 / 4, hour % 50 == 0) for hour in range(720)]))
    writer.write(batch_of([(1, 3 * hour + 1, hour % 5 / 4, hour % 40 == 0) for hour in range(720)]))
    assert_rollups_are_right(connection)


def test_a_channel_that_speaks_each_second_is_added_up_a_few_hours_at_a_time(
    connection: psycopg.Connection,  # type: ignore[type-arg]
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Libpq keeps the room of its largest row for as long as the connection lives, were it one of a dense hour."""
    fetched: list[list[int]] = []

    class Counting:
        def __init__(self, of: psycopg.Connection) -> None:  # type: ignore[type-arg]
            self._cursor = array_cursor(of)

        def execute(self, *asked: object) -> "Counting":
            self._cursor.execute(*asked)  # type: ignore[arg-type]
            return self

        def fetchall(self) -> list[tuple[Any, ...]]:
            rows = self._cursor.fetchall()
            fetched.append([len(row[1]) for row in rows])
            return rows

    writer = ReadingWriter(connection)
    second = np.arange(0, 40 * 3600, 1)
    measured = BASE_US + second * 1_000_000
    dense = Columns(
        np.ones(len(second), np.int32), measured, measured, np.sin(second), np.zeros(len(second), np.int16) + Flag.GOOD
    )
    writer.write(dense)
    monkeypatch.setattr(rollups, "array_cursor", Counting)
    hourly = measured[::3600][:39] + 500_000
    writer.write(
        Columns(np.ones(39, np.int32), hourly, measured[-39:], np.ones(39), np.zeros(39, np.int16) + Flag.GOOD)
    )
    at_once = [sum(rows) for rows in fetched]
    assert sum(at_once) >= 39 * 3601
    assert max(at_once) <= READINGS_ANEW + 3602
    assert max(map(max, fetched)) == 4096
    assert_rollups_are_right(connection)
