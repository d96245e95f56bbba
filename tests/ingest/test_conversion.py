"""A plain database becomes one of TimescaleDB in place: nothing is lost, and whatever stops it may be repeated.

All but the refusal runs where the server offers the extension.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from gateway.clock import ManualClock
from gateway.zones import Zone
from ingest.columns import Columns
from ingest.db import Connection, connect, migrate, offered_variant
from ingest.errors import ConversionRefused
from ingest.registry import import_zones
from ingest.timescale import SQL, Converted, convert, plan
from ingest.writer import ReadingWriter, Written
from ndiyan.backup import BackupConfig, make_backup
from ndiyan.restore import restore
from tests.conftest import skip_without

pytestmark = pytest.mark.db
NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)  # a Wednesday
START = NOW - timedelta(days=40)
STEPS = 40 * 24
CHANNELS = (1, 2, 3)
ALL = "SELECT channel_id, measured_at, received_at, value, flag FROM reading ORDER BY 1, 2"


@pytest.fixture
def plain(request: pytest.FixtureRequest, empty_database_url: str, zones: list[Zone]) -> Iterator[Connection]:
    """A plain database with forty days of three channels by the hour, on a server that offers TimescaleDB."""
    with connect(empty_database_url) as connection:
        licence = connection.execute("SELECT current_setting('timescaledb.license', true)").fetchone()
        if offered_variant(connection) != "timescale" or licence == ("apache",):
            reason = "this PostgreSQL does not offer it under its Community licence"
            skip_without(request.config, "TimescaleDB", reason, optional=True)
        migrate(connection, variant="plain")
        import_zones(connection, zones[:1])
        ReadingWriter(connection).write(readings(range(STEPS)))
        yield connection


@pytest.fixture
def url(plain: Connection, empty_database_url: str) -> str:
    return empty_database_url


def readings(steps: range, value: float = 0.0) -> Columns:
    """Of each channel one an hour, its value the number of the hour since `START` and `value`."""
    measured = round(START.timestamp() * 1e6) + np.array(steps, dtype=np.int64) * 3_600_000_000
    every = len(CHANNELS)
    return Columns(
        np.repeat(np.array(CHANNELS, dtype=np.int32), len(steps)), np.tile(measured, every),
        np.tile(measured, every) + 1000, np.tile(np.array(steps, dtype=np.float64) + value, every),
        np.ones(every * len(steps), dtype=np.int16),
    )  # fmt: skip


def rows(connection: Connection, query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()


def silent(done: int, total: int) -> None:
    """Nobody looks."""


def test_every_reading_is_there_afterwards_and_old_weeks_lie_by_column(plain: Connection, url: str) -> None:
    plain.execute("UPDATE reading SET flag = 4 WHERE channel_id = 2 AND value = 100")
    before = rows(plain, ALL)
    assert len(before) == 3 * STEPS
    assert convert(url, NOW, progress=silent)[:3] == (3 * STEPS, 6, 0)  # Thursdays, 22 January to 26 February
    assert rows(plain, ALL) == before
    assert rows(
        plain, "SELECT range_end, is_compressed FROM timescaledb_information.chunks ORDER BY range_end"
    ) == [
        (datetime(2026, 1, 29, tzinfo=UTC), True), (datetime(2026, 2, 5, tzinfo=UTC), True),
        (datetime(2026, 2, 12, tzinfo=UTC), True), (datetime(2026, 2, 19, tzinfo=UTC), False),  # over for 13.5 days
        (datetime(2026, 2, 26, tzinfo=UTC), False), (datetime(2026, 3, 5, tzinfo=UTC), False),
    ]  # fmt: skip


def test_it_is_then_like_one_that_was_made_so(plain: Connection, url: str) -> None:
    convert(url, NOW, progress=silent)
    assert migrate(plain) == []
    assert rows(plain, "SELECT DISTINCT variant FROM migration") == [("timescale",)]
    assert rows(plain, "SELECT nspname FROM pg_namespace WHERE nspname = 'ndiyan_conversion'") == []
    policy = "SELECT hypertable_schema, proc_name FROM timescaledb_information.jobs WHERE hypertable_name = 'reading'"
    assert rows(plain, policy) == [("public", "policy_compression")]
    writer = ReadingWriter(plain)
    assert writer.write(readings(range(24))) == Written(stored=0, duplicate=72, conflict=0)  # a week by column
    assert writer.write(readings(range(STEPS, STEPS + 24))) == Written(stored=72, duplicate=0, conflict=0)
    with pytest.raises(ConversionRefused, match="is one of TimescaleDB already: there is nothing to do"):
        plan(plain, NOW)


def test_whoever_might_read_or_write_may_do_so_afterwards(plain: Connection, url: str) -> None:
    plain.execute("CREATE VIEW own_view AS SELECT max(value) AS most FROM reading")
    plain.execute("DROP ROLE IF EXISTS conversion_test")
    plain.execute("CREATE ROLE conversion_test")
    try:
        plain.execute("GRANT SELECT ON reading TO conversion_test")
        plain.execute("GRANT SELECT ON grafana_reading TO conversion_test")
        convert(url, NOW, progress=silent)
        may = "SELECT has_table_privilege('conversion_test', '{}', 'SELECT')"
        assert rows(plain, may.format("reading")) == rows(plain, may.format("grafana_reading")) == [(True,)]
        may_not = "SELECT has_table_privilege('conversion_test', 'reading', 'INSERT')"
        assert rows(plain, may_not) == [(False,)]
        assert rows(plain, "SELECT most FROM own_view") == [(STEPS - 1,)]
        assert rows(plain, "SELECT count(*) FROM grafana_reading") == [(3 * STEPS,)]
        as_owner = (
            "SELECT proname FROM pg_proc WHERE prosecdef AND proname IN ('flag_suspect', 'ensure_reading_partition')"
        )
        assert len(rows(plain, as_owner)) == 2
    finally:
        plain.execute("DROP OWNED BY conversion_test")
        plain.execute("DROP ROLE conversion_test")


def test_while_it_lasts_readings_are_read_and_whoever_stores_waits(plain: Connection, url: str) -> None:
    seen: list[int] = []

    def look(done: int, total: int) -> None:
        with connect(url) as other:
            ((count,),) = rows(other, "SELECT count(*) FROM reading")
            seen.append(count)
            other.execute("SET lock_timeout = '20ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                ReadingWriter(other).write(readings(range(STEPS, STEPS + 1)))
            with pytest.raises(psycopg.errors.LockNotAvailable):
                other.execute("UPDATE reading SET flag = 1")

    convert(url, NOW, progress=look)
    assert seen == [3 * STEPS] * 8  # the first and the last are empty


def test_what_is_stopped_changes_nothing_and_goes_on_from_there(plain: Connection, url: str) -> None:
    def stop(done: int, total: int) -> None:
        if done > STEPS:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(url, NOW, progress=stop)
    assert rows(plain, "SELECT DISTINCT variant FROM migration") == [("plain",)]
    found = plan(plain, NOW)
    assert (found.is_begun, found.weeks) == (True, 7)

    plain.execute("UPDATE reading SET flag = 3 WHERE channel_id = 1 AND value = 10")  # in a week that is copied
    ReadingWriter(plain).write(readings(range(STEPS, STEPS + 3)))
    before = rows(plain, ALL)
    done = convert(url, NOW, progress=silent)
    assert done.weeks_kept == 2  # of the three that were there, one is another since
    assert rows(plain, ALL) == before


def test_something_of_ones_own_on_the_table_stops_it_before_anything_is_replaced(plain: Connection, url: str) -> None:
    plain.execute("CREATE MATERIALIZED VIEW own AS SELECT count(*) FROM reading")
    with pytest.raises(ConversionRefused, match=r"something of your own hangs on the table of readings .*own"):
        convert(url, NOW, progress=silent)
    assert rows(plain, "SELECT DISTINCT variant FROM migration") == [("plain",)]
    plain.execute("DROP MATERIALIZED VIEW own")
    assert convert(url, NOW, progress=silent).weeks_kept == 6


@pytest.mark.slow
def test_its_backup_gives_all_of_it_back(plain: Connection, url: str, server_folder: Path, clock: ManualClock) -> None:
    convert(url, NOW, progress=silent)
    before = rows(plain, ALL)
    made = make_backup(url, BackupConfig(server_folder / "converted"), clock, say=lambda line: None)
    assert made.manifest.timescaledb is not None
    plain.close()
    done = restore(url, made, None, over=True, now=clock.now())
    with connect(url) as connection:
        assert rows(connection, ALL) == before
        assert ReadingWriter(connection).write(readings(range(24))).duplicate == 72
    with connect(url.rpartition("/")[0] + "/postgres") as admin:
        admin.execute(psycopg.sql.SQL("DROP DATABASE {}").format(psycopg.sql.Identifier(str(done.kept_as))))


def test_the_command_says_what_it_will_do_and_what_it_has_done(plain: Connection, url: str, tmp_path: Path) -> None:
    plain.execute("ANALYZE reading")

    def ndiyan(*arguments: str) -> str:
        (tmp_path / "ndiyan.toml").write_text(f'[database]\nurl = "{url}"\n', "utf-8")
        command = [sys.executable, "-P", "-m", "ndiyan", "--settings", str(tmp_path / "ndiyan.toml"), "db", "timescale"]
        return subprocess.run([*command, *arguments], capture_output=True, text=True, check=True).stdout

    preview = ndiyan("--preview")
    assert "about 2,880 readings of 7 weeks, about 1 min" in preview
    assert "ingest waits and confirms nothing" in preview
    assert ndiyan().startswith("2,880 readings of 6 weeks (0 from an earlier run): ")


def test_every_worker_of_ingest_waits_at_its_turn_while_readings_are_moved(database_url: str) -> None:
    with connect(database_url) as holder, connect(database_url) as worker:
        holder.execute("INSERT INTO writer_turn (worker, holder) VALUES (2, '')")
        worker.execute("SET lock_timeout = '100ms'")
        with holder.transaction():
            holder.execute(SQL["hold"])
            for number in (1, 2):
                with pytest.raises(psycopg.errors.LockNotAvailable, match="advisory"):
                    worker.execute("SELECT take_writer_turns('me', %s)", [[number]])
        worker.execute("SELECT take_writer_turns('me', ARRAY[1, 2])")


def test_a_server_without_it_is_refused_with_the_remedy(database_url: str) -> None:
    with connect(database_url) as connection:
        if rows(connection, "SELECT DISTINCT variant FROM migration") == [("timescale",)]:
            pytest.skip("this server has it")
        with pytest.raises(
            ConversionRefused, match=r"(does not offer|installed and not loaded).*shared_preload_librar"
        ):
            plan(connection, NOW)


def test_a_conversion_tells_its_sizes_in_words() -> None:
    told = Converted(1_000, 5, 2, 3_000_000_000, 400_000_000).as_text()
    assert told == "1,000 readings of 5 weeks (2 from an earlier run): 3.00 GB before, 0.40 GB now"
