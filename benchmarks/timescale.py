"""The same readings on plain PostgreSQL and, moved by `ndiyan db timescale`, on TimescaleDB: `ndiyan bench timescale`.

On one server in one run: a year of some zones by ingest's own writer, then a day of many; a year's chart from the hours
and from the readings; bytes of a reading. Then the database is converted, and all is asked again. CPU is that of the
writer and of its session at the server together, so that a busy machine does not lie.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.processes import cpu_s
from benchmarks.reads import DAY, YEAR_DAYS, YEAR_ZONES, readings, write_year, year_chart
from benchmarks.rig import DAY_S, INTERVAL_S, register
from ingest.db import Connection, connect, migrate, queries
from ingest.timescale import convert
from ingest.writer import ReadingWriter
from ndiyan.embedded_postgres import EmbeddedPostgres, postgres_account

SQL = queries("benchmarks", "timescale")
ZONES = 1000  # of the last day, so that a batch is like those of ingest
BATCH_STEPS = 12  # an hour of all of them at a time


def measure(rounds: int, say: Callable[[str], None], *, year_days: int = YEAR_DAYS) -> dict[str, Any]:
    """Fill, ask, convert, ask again; the figures by the names of the JSON output."""
    with tempfile.TemporaryDirectory(prefix="ndiyan-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)  # the server's account comes through here
        server = EmbeddedPostgres(
            folder, secret_file=folder / "pg", log=folder / "pg.log", account=postgres_account(),
            settings={"shared_preload_libraries": "timescaledb"},
        )  # fmt: skip
        server.start()
        try:
            with connect(server.url()) as connection:
                migrate(connection, variant="plain")
                channel_id = register(connection, ZONES)
                end = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
                say(f"a year of {YEAR_ZONES} zones")
                write_year(connection, channel_id[:YEAR_ZONES].ravel(), end - 2 * DAY, year_days)
                plain = _asked(connection, "plain", channel_id, end - 2 * DAY, year_days, rounds)
                say("moving to TimescaleDB")
                begin_s = time.monotonic()
                done = convert(server.url(), end, progress=lambda there, total: None)
                took_s = time.monotonic() - begin_s
                columns = _asked(connection, "timescaledb", channel_id, end - DAY, year_days, rounds)
        finally:
            server.stop()
    both = {
        f"{key}_{name}": found[key] for key in plain for name, found in (("plain", plain), ("timescaledb", columns))
    }
    return both | {
        "readings_converted": done.readings, "converted_readings_per_s": round(done.readings / took_s),
        "bytes_before": done.bytes_before, "bytes_after": done.bytes_after, "rounds": rounds,
    }  # fmt: skip


def _asked(
    connection: Connection, kind: str, channel_id: NDArray[np.int32], day: datetime, year_days: int, rounds: int
) -> dict[str, float]:
    """Bytes of what is there, a year's chart, and what a day of all zones costs to store."""
    connection.execute(SQL["settle"])
    ((size,),) = connection.execute(SQL[f"bytes_{kind}"]).fetchall()
    chart = year_chart(connection, int(channel_id[0, 0]), day, year_days, rounds)
    start_s, writer = round(day.timestamp()), ReadingWriter(connection)
    backend, stored = connection.info.backend_pid, 0
    spent_s = time.process_time() + cpu_s(backend)
    for first_s in range(start_s, start_s + DAY_S, BATCH_STEPS * INTERVAL_S):
        times = np.arange(first_s, first_s + BATCH_STEPS * INTERVAL_S, INTERVAL_S)
        stored += writer.write(readings(channel_id.ravel(), times)).stored
    spent_s = time.process_time() + cpu_s(backend) - spent_s
    return {
        "bytes_a_reading": round(float(size), 1), "storing_us": round(1e6 * spent_s / stored, 2),
        "year_by_hour_ms": chart["year_chart_db_least_ms"],
        "year_from_readings_ms": chart["year_chart_on_the_fly_db_least_ms"],
    }  # fmt: skip
