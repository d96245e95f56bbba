"""What late data costs when its week is compressed already, against raw COPY of the same rows into an open week.

`ndiyan bench late` runs it on a server with TimescaleDB. A week of readings every five minutes is compressed; then its
missing days come in, one a round, through ingest's own writer, rollups included, in the order of time. After each
round the week is compressed again. Half of the channels fell silent after four days: their backlog is what a gateway
sends after a long outage. The others lack three days in the middle of what is stored: each such reading must be looked
up, its hours are added up anew, and the server opens compressed readings to keep the key; it is the worst case.
"""

from __future__ import annotations

import secrets
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from benchmarks.ingest import COPY_BATCH
from benchmarks.rig import COPY_END, COPY_HEADER, DAY_S, INTERVAL_S, binary_rows
from gateway.model import Flag
from ingest.columns import Columns
from ingest.db import Connection, connect, migrate, queries
from ingest.writer import ReadingWriter, Written
from ndiyan.errors import NdiyanError

SQL = queries("benchmarks", "late")
WEEK_START_S = 1_767_830_400  # a Thursday, on which TimescaleDB's weeks begin
DAYS = range(7)
BACKLOG_DAYS, GAP_DAYS = (4, 5, 6), (1, 3, 5)  # one a round


def measure(url: str, channels: int, say: Callable[[str], None]) -> dict[str, Any] | None:
    """The medians of a round each late day; None when the server compresses no weeks. `url` may make databases."""
    with _own_database(url) as connection:
        migrate(connection)
        row = connection.execute(SQL["version"]).fetchone()
        if row is None:
            return None
        connection.execute(SQL["stop_jobs"])
        silent, holed = np.split(_registry(connection, 2 * channels), 2)
        writer = ReadingWriter(connection)
        for day in DAYS:
            for ids, late_days in ((silent, BACKLOG_DAYS), (holed, GAP_DAYS)):
                if day not in late_days:
                    _write(writer, _batches(ids, day))
        open_bytes = _value(connection, "size")
        connection.execute(SQL["compress"])
        compressed_bytes = _value(connection, "size")
        found: dict[str, list[float]] = {"copy": [], "backlog": [], "gap": [], "again": []}
        for number, days in enumerate(zip(BACKLOG_DAYS, GAP_DAYS, strict=True), start=1):
            backlog, gap = list(_batches(silent, days[0])), list(_batches(holed, days[1]))
            found["copy"].append(_copy_limit(connection, backlog))
            found["backlog"].append(_timed(connection, writer, backlog, lambda n: Written(n, 0, 0)))
            found["gap"].append(_timed(connection, writer, gap, lambda n: Written(n, 0, 0)))
            connection.execute(SQL["compress"])
            found["again"].append(_timed(connection, writer, gap, lambda n: Written(0, n, 0)))
            say(f"round {number}: " + ", ".join(f"{key} {values[-1]:,.0f}/s" for key, values in found.items()))
        server = connection.info.server_version // 10_000
    middle = {key: statistics.median(values) for key, values in found.items()}
    return {
        **{f"ratio_{key}_to_copy": round(middle[key] / middle["copy"], 3) for key in ("backlog", "gap", "again")},
        **{f"{key}_readings_per_s": round(rate) for key, rate in middle.items()},
        "bytes_per_reading": round(open_bytes, 1),
        "bytes_per_reading_compressed": round(compressed_bytes, 1),
        "channels": channels,
        "batch": COPY_BATCH,
        "postgresql": server,
        "timescaledb": row[0],
    }


@contextmanager
def _own_database(url: str) -> Iterator[Connection]:
    name = f"ndiyan_bench_{secrets.token_hex(4)}"
    with connect(url) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            with connect(urlsplit(url)._replace(path=f"/{name}").geturl()) as connection:
                yield connection
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _registry(connection: Connection, channels: int) -> NDArray[np.int32]:
    connection.execute(SQL["zone"])
    connection.execute(SQL["asset"], {"interval_s": INTERVAL_S})
    rows = connection.execute(SQL["channels"], {"channels": channels}).fetchall()
    connection.execute(SQL["limit_table"])
    connection.execute(SQL["limit_hypertable"])
    return np.array([row[0] for row in rows], dtype=np.int32)


def _batches(ids: NDArray[np.int32], day: int) -> Iterator[Columns]:
    """A day of all channels, in the order of time: a daily swing with some noise, rounded as sensors round."""
    start_s = WEEK_START_S + day * DAY_S
    at_s = np.repeat(np.arange(start_s, start_s + DAY_S, INTERVAL_S), len(ids))
    channel = np.tile(ids, DAY_S // INTERVAL_S)
    noise = np.random.default_rng(day).uniform(-0.02, 0.02, size=len(at_s))
    value = np.round(5 + 4 * (np.sin(2 * np.pi * at_s / DAY_S + channel) + noise), 2)
    received_us = np.full(len(at_s), round(time.time() * 1e6), dtype=np.int64)
    flag = np.full(len(at_s), Flag.GOOD, dtype=np.int16)
    columns = Columns(channel, at_s.astype(np.int64) * 1_000_000, received_us, value, flag)
    for first in range(0, len(at_s), COPY_BATCH):
        yield columns.take(np.arange(first, min(first + COPY_BATCH, len(at_s))))


def _copy_limit(connection: Connection, batches: list[Columns]) -> float:
    """Readings a second that one connection copies into an empty table, sorted in batches."""
    connection.execute(SQL["empty_limit"])
    rows = [binary_rows(batch.take(np.lexsort((batch.measured_us, batch.channel_id)))) for batch in batches]
    connection.execute(SQL["settle"])
    begin = time.perf_counter()
    for part in rows:
        with connection.transaction(), connection.cursor() as cursor, cursor.copy(SQL["copy_limit"]) as copy:
            copy.write(COPY_HEADER + part + COPY_END)
    return sum(map(len, batches)) / (time.perf_counter() - begin)


def _timed(
    connection: Connection, writer: ReadingWriter, batches: list[Columns], expected: Callable[[int], Written]
) -> float:
    """Readings a second through ingest's writer, which must say of all of them what is expected."""
    connection.execute(SQL["settle"])
    begin = time.perf_counter()
    written = _write(writer, batches)
    took_s = time.perf_counter() - begin
    readings = sum(map(len, batches))
    if written != expected(readings):
        raise NdiyanError(f"the writer did not do what it must: {written} of {readings} readings")
    return readings / took_s


def _write(writer: ReadingWriter, batches: Iterator[Columns] | list[Columns]) -> Written:
    return Written(*map(sum, zip(*(writer.write(batch) for batch in batches), strict=True)))


def _value(connection: Connection, name: str) -> float:
    ((value,),) = connection.execute(SQL[name]).fetchall()
    return float(value)
