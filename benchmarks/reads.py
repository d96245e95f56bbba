"""How fast readings come back: a year's chart, all latest values, and a day of many zones as one matrix.

`ndiyan bench reads` runs it on a PostgreSQL of its own, filled through the product's writer, and asks through the
product's reads. Times "in the database" are those of EXPLAIN ANALYZE for the very statement that the product sends;
"call" is what the caller waits, from Python objects in to objects out. "Least" is the best of the rounds, and what
"times less" compares: the statement itself, where the median also tells what else the machine did.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.processes import MeasureError
from benchmarks.rig import CHANNELS, COPY_END, COPY_HEADER, DAY_S, INTERVAL_S, binary_rows, register
from gateway.model import Flag
from ingest.columns import Columns
from ingest.db import Connection, connect, migrate, open_pool, queries
from ingest.readings_pg import PgReadings, series_statement
from ingest.writer import ReadingWriter
from ndiyan.embedded_postgres import EmbeddedPostgres, postgres_account

T = TypeVar("T")

SQL, READS = queries("benchmarks", "reads"), queries("ingest", "readings")
YEAR_ZONES, YEAR_DAYS = 3, 365
LATEST_ZONES = 1000
STEPS_A_DAY = DAY_S // INTERVAL_S
STEP, HOUR, DAY = timedelta(seconds=INTERVAL_S), timedelta(hours=1), timedelta(days=1)


def measure(zones: int, rounds: int, say: Callable[[str], None], *, year_days: int = YEAR_DAYS) -> dict[str, Any]:
    """Fill a database, ask, and return the medians by the names of the JSON output.

    `zones` are those of the matrix; `year_days` makes the year shorter.
    """
    with tempfile.TemporaryDirectory(prefix="ndiyan-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)  # the server's account comes through here
        server = EmbeddedPostgres(folder, secret_file=folder / "pg", log=folder / "pg.log", account=postgres_account())
        server.start()
        try:
            with connect(server.url()) as connection:
                migrate(connection)
                channel_id = register(connection, LATEST_ZONES)
                end = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
                start = end - DAY
                say(f"a year of {YEAR_ZONES} zones")
                write_year(connection, channel_id[:YEAR_ZONES].ravel(), start, year_days)
                _write_latest(connection, channel_id.ravel(), start)
                connection.execute(SQL["analyze"])
                found = year_chart(connection, int(channel_id[0, 0]), start, year_days, rounds)
                found |= _latest(connection, rounds)
                connection.execute(SQL["database_of_a_day"])
            say(f"a day of {zones} zones")
            with connect(server.url("day")) as connection:
                migrate(connection)
                found |= _matrix(connection, server.url("day"), register(connection, zones).ravel(), start, say)
        finally:
            server.stop()
    return found | {"rounds": rounds}


def write_year(connection: Connection, channel_id: NDArray[np.int32], end: datetime, days: int) -> None:
    """Days of readings up to `end`, week by week, with the rollups that ingest keeps."""
    writer = ReadingWriter(connection)
    end_s = round(end.timestamp())
    begin_s = end_s - days * DAY_S
    for first_s in range(begin_s, end_s, 7 * DAY_S):
        writer.write(readings(channel_id, np.arange(first_s, min(first_s + 7 * DAY_S, end_s), INTERVAL_S)))


def _write_latest(connection: Connection, channel_id: NDArray[np.int32], at: datetime) -> None:
    """One reading of each channel, newer than all before."""
    ReadingWriter(connection).write(readings(channel_id, np.array([round(at.timestamp())])))


def year_chart(connection: Connection, channel: int, end: datetime, days: int, rounds: int) -> dict[str, Any]:
    """The chart of a channel's days up to `end` by the hour, from the hours that are kept and from the readings."""
    parameters = {"channel": channel, "start": end - days * DAY, "end": end, "bin": HOUR}
    reads = PgReadings(connection)
    rollup_ms = [_database_ms(connection, READS[series_statement(HOUR)], parameters) for _ in range(rounds)]
    on_the_fly_ms = [_database_ms(connection, READS["binned_readings"], parameters) for _ in range(rounds)]
    call_ms, series = _timed(lambda: reads.series(channel, end - days * DAY, end, resolution=HOUR), rounds)
    if len(series.t_s) != days * 24 or not (series.n == DAY_S // INTERVAL_S // 24).all():
        raise MeasureError(f"a year's chart has {len(series.t_s)} points of {series.n.sum()} readings")
    return {
        "year_chart_db_ms": round(statistics.median(rollup_ms), 2),
        "year_chart_db_least_ms": round(min(rollup_ms), 2),
        "year_chart_call_ms": round(call_ms, 2),
        "year_chart_on_the_fly_db_ms": round(statistics.median(on_the_fly_ms), 2),
        "year_chart_on_the_fly_db_least_ms": round(min(on_the_fly_ms), 2),
        "year_chart_times_less": round(min(on_the_fly_ms) / min(rollup_ms), 1),
    }


def _latest(connection: Connection, rounds: int) -> dict[str, Any]:
    latest_ms = [_database_ms(connection, READS["latest"], {"zone": None}) for _ in range(rounds)]
    call_ms, rows = _timed(PgReadings(connection).latest, rounds)
    return {
        "latest_channels": len(rows),
        "latest_db_ms": round(statistics.median(latest_ms), 2),
        "latest_db_least_ms": round(min(latest_ms), 2),
        "latest_call_ms": round(call_ms, 2),
    }


def _matrix(
    connection: Connection, url: str, channel_id: NDArray[np.int32], start: datetime, say: Callable[[str], None]
) -> dict[str, Any]:
    """Write a day step by step, as it arrives, and read it as a matrix; once, because it is long."""
    begin_s = round(start.timestamp())
    _write_latest(connection, channel_id, start)  # makes the week's partition
    connection.execute(SQL["empty"])
    for step in range(STEPS_A_DAY):
        rows = readings(channel_id, np.array([begin_s + step * INTERVAL_S]))
        with connection.cursor() as cursor, cursor.copy(SQL["copy_reading"]) as copy:
            copy.write(COPY_HEADER + binary_rows(rows) + COPY_END)
    connection.execute(SQL["analyze"])
    say("the matrix")
    with open_pool(url, size=2) as pool:
        began_s = time.perf_counter()
        matrix = PgReadings(pool).matrix(channel_id.tolist(), start, start + DAY, STEP)
        took_s = time.perf_counter() - began_s
    truth = _value(channel_id[:, None], begin_s + INTERVAL_S * np.arange(STEPS_A_DAY))
    if not np.array_equal(matrix, truth):
        raise MeasureError(f"{np.count_nonzero(matrix != truth)} of {truth.size} readings differ in the matrix")
    return {
        "matrix_s": round(took_s, 2),
        "matrix_channels": len(channel_id),
        "matrix_readings": truth.size,
        "matrix_readings_per_s": round(truth.size / took_s),
        "matrix_mb": round(matrix.nbytes / 1e6, 1),
    }


def _value(channel_id: NDArray[np.int32], at_s: NDArray[np.int64]) -> NDArray[np.float64]:
    """What a channel has at a time, to two decimals: like a counter with busy hours, it never steps back."""
    busy = 10 * np.sin(at_s * (2 * np.pi / DAY_S) + channel_id)
    found: NDArray[np.float64] = np.round(
        channel_id % len(CHANNELS) + busy + at_s % (1000 * DAY_S) / INTERVAL_S * 0.25, 2
    )
    return found


def readings(channel_id: NDArray[np.int32], at_s: NDArray[np.int64]) -> Columns:
    """Each channel at each time, in the order of time."""
    channel, at = np.tile(channel_id, len(at_s)), np.repeat(at_s, len(channel_id))
    at_us, flag = at * 1_000_000, np.full(len(at), Flag.GOOD, dtype=np.int16)
    return Columns(channel, at_us, at_us, _value(channel, at), flag)


def _database_ms(connection: Connection, statement: str, parameters: Mapping[str, object]) -> float:
    """How long the server plans and runs a statement [ms]."""
    ((plan,),) = connection.execute(SQL["explain"] + " " + statement, parameters).fetchall()
    return float(plan[0]["Planning Time"] + plan[0]["Execution Time"])


def _timed(ask: Callable[[], T], rounds: int) -> tuple[float, T]:
    """The median time of a call [ms], and what it gave."""
    took_ms = []
    for _ in range(rounds):
        began_s = time.perf_counter()
        answer = ask()
        took_ms.append((time.perf_counter() - began_s) * 1e3)
    return statistics.median(took_ms), answer
