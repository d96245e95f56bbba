"""A plain database becomes one with TimescaleDB, in place and week by week: `ndiyan db timescale`.

`create_hypertable(migrate_data => true)` is no way: it refuses a table that is partitioned already, as ours is, and
would copy all of it in one transaction that shuts everybody out. So the new table grows beside the old one. Each week
is copied, stored by column when it has been over for long, and compared with the old one, in a transaction of its own;
at the end the tables change places in a moment. Until then pages and alerts read the old one. Ingest waits meanwhile
and confirms nothing, so gateways keep what they have.

Whatever ends it, the old table is whole. The next run compares the weeks that are there and goes on with the others.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from psycopg import errors

from ingest.db import (
    LET_THROUGH_S,
    LOCK_WAIT_S,
    MIGRATE_WITHIN_S,
    Connection,
    check_schema,
    connect,
    migration_lock,
    migrations,
    offered_variant,
    queries,
)
from ingest.errors import ConversionRefused, StoreUnavailable

SQL = queries("ingest", "timescale")
OLDEST = (2, 18)  # the first with `add_columnstore_policy`
WEEK = timedelta(days=7)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # a Thursday: where TimescaleDB's weeks begin
CLOSED_AFTER = timedelta(days=14)  # as the migration that compresses has it; asked of the database once it is there
READINGS_PER_S = 50_000  # docs/databases.md: copying, columns and comparing together, measured on a busy machine
COLUMN_SHARE = 0.1  # docs/databases.md: bytes of a reading by column, of those by row

Progress = Callable[[int, int], None]


class Plan(NamedTuple):
    """What a conversion would do: readings (as last counted), weeks, bytes now, besides meanwhile, and afterwards."""

    readings: int
    weeks: int
    bytes_now: int
    bytes_beside: int
    bytes_after: int
    seconds: float
    version: str
    is_begun: bool

    def as_text(self) -> str:
        """The same for people."""
        begun = "; an earlier run has begun, its weeks are compared and kept" if self.is_begun else ""
        return (
            f"TimescaleDB {self.version}: about {self.readings:,} readings of {self.weeks} weeks, about"
            f" {_minutes(self.seconds)}{begun}\n"
            f"disk: {_gb(self.bytes_now)} now, {_gb(self.bytes_beside)} more while it lasts, {_gb(self.bytes_after)}"
            " when it is done\n"
            "meanwhile: pages and alerts go on with the old table; ingest waits and confirms nothing, gateways keep"
            " what they have; what people write by hand is refused"
        )


class Converted(NamedTuple):
    """What it came to; `weeks_kept` were there from an earlier run."""

    readings: int
    weeks: int
    weeks_kept: int
    bytes_before: int
    bytes_after: int

    def as_text(self) -> str:
        """The same for people."""
        return (
            f"{self.readings:,} readings of {self.weeks} weeks ({self.weeks_kept} from an earlier run):"
            f" {_gb(self.bytes_before)} before, {_gb(self.bytes_after)} now"
        )


class _Part(NamedTuple):
    """A week of the plain table."""

    start: datetime
    end: datetime
    size: int
    readings: int


def plan(connection: Connection, now: datetime) -> Plan:
    """What `convert` would do at `now`; nothing is changed.

    Raises
    ------
    ConversionRefused : it would not do it, and what must be done first
    """
    version = _version(connection)
    parts = _parts(connection)
    size = sum(part.size for part in parts)
    readings = sum(max(0, part.readings) for part in parts)
    closed = sum(part.size for part in parts if part.end <= now - CLOSED_AFTER)
    after = round(size - closed * (1 - COLUMN_SHARE))
    largest = max((part.size for part in parts), default=0)
    is_begun = connection.execute(SQL["is_begun"]).fetchone() is not None
    return Plan(
        readings, len(parts), size, after + largest, after, readings / READINGS_PER_S, version, is_begun
    )  # fmt: skip


def convert(url: str, now: datetime, *, progress: Progress) -> Converted:
    """Put the readings of the database of `url` into a hypertable; repeated until it is done, it does so once.

    `progress` is called with (readings that are there, readings in all as last counted).

    Raises
    ------
    ConversionRefused : the server or the database is not ready for it; nothing was changed
    StoreUnavailable : somebody read for longer than is waited for; what was copied stays for the next run
    """
    with connect(url) as worker, migration_lock(worker):
        _version(worker)
        parts = _parts(worker)
        total = sum(max(0, part.readings) for part in parts)
        if worker.execute(SQL["is_begun"]).fetchone() is None:
            _begin(worker)
        row = worker.execute(SQL["column_after"]).fetchone()
        closed_before = now - row[0] if row else None
        readings = weeks = kept = 0
        with connect(url) as holder, holder.transaction():
            holder.execute(SQL["hold"])
            for start in _weeks(parts):
                stored, was_there = _bring(worker, start, closed_before)
                readings, weeks, kept = readings + stored, weeks + (stored > 0), kept + was_there
                progress(readings, max(readings, total))
            _replace(holder)
        worker.execute(SQL["settle"])
        ((after,),) = worker.execute(SQL["size"]).fetchall()
    return Converted(readings, weeks, kept, sum(part.size for part in parts), after)


def _version(connection: Connection) -> str:
    """The version of TimescaleDB to be used; `ConversionRefused` where that cannot be."""
    check_schema(connection)
    if connection.execute("SELECT FROM migration WHERE variant = 'timescale' LIMIT 1").fetchone() is not None:
        raise ConversionRefused("this database is one of TimescaleDB already: there is nothing to do")
    ((version, owner, me),) = connection.execute(SQL["offered"]).fetchall()
    major = connection.info.server_version // 10_000
    if version is None:
        raise ConversionRefused(
            f"this server does not offer TimescaleDB: install it for PostgreSQL {major}, add timescaledb to"
            " shared_preload_libraries, restart PostgreSQL, and try again"
        )
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < OLDEST:
        raise ConversionRefused(f"TimescaleDB {version} is too old: at least {OLDEST[0]}.{OLDEST[1]} is needed")
    if offered_variant(connection) != "timescale":
        raise ConversionRefused(
            f"TimescaleDB {version} is installed and not loaded: add timescaledb to shared_preload_libraries,"
            " restart PostgreSQL, and try again"
        )
    if owner != me:
        raise ConversionRefused(f"the readings belong to {owner} and this is {me}: put {owner} into database.url")
    return str(version)


def _parts(connection: Connection) -> list[_Part]:
    return [_Part(*row) for row in connection.execute(SQL["parts"])]


def _weeks(parts: Sequence[_Part]) -> list[datetime]:
    """Where the weeks of TimescaleDB begin in which the parts lie."""
    ends = {moment for part in parts for moment in (part.start, part.end - timedelta(microseconds=1))}
    return sorted({EPOCH + (moment - EPOCH) // WEEK * WEEK for moment in ends})


def _begin(connection: Connection) -> None:
    """Make the empty table in its schema, by the migrations that make it in an empty database."""
    try:
        with connection.transaction():
            connection.execute(SQL["begin"])
            for _, _, variant, file in migrations():
                if variant == "timescale":
                    connection.execute(file.read_bytes())
    except errors.InsufficientPrivilege as error:
        raise ConversionRefused(
            f"this account may not make the extension ({error.diag.message_primary}):"
            " as a superuser, in this database, CREATE EXTENSION timescaledb"
        ) from error


def _bring(connection: Connection, start: datetime, closed_before: datetime | None) -> tuple[int, bool]:
    """Copy a week unless it is there as it should be; how many readings it has, and whether it was there."""
    week = {"start": start, "end": start + WEEK}
    with connection.transaction():
        wanted, found = _tally(connection, "tally_old", week), _tally(connection, "tally_new", week)
        if found == wanted:
            return wanted[0], wanted[0] > 0
        if found[0]:  # from an earlier run, and ingest has stored more of it since
            connection.execute(SQL["forget_week"], week)
        connection.execute(SQL["copy_week"], week)
        if closed_before is not None and start + WEEK <= closed_before:
            connection.execute(SQL["column_week"], week)
        if (found := _tally(connection, "tally_new", week)) != wanted:
            raise ConversionRefused(
                f"the week from {start:%Y-%m-%d}: {found[0]} readings were copied of {wanted[0]}, or others:"
                " nothing was replaced"
            )
    return wanted[0], False


def _tally(connection: Connection, name: str, week: dict[str, datetime]) -> tuple[int, int]:
    ((count, checksum),) = connection.execute(SQL[name], week).fetchall()
    return int(count), int(checksum)


def _replace(connection: Connection) -> None:
    """Let the new table take the place of the old one, inside the caller's transaction."""
    moved, functions = (
        [text.encode() for name in names for (text,) in connection.execute(SQL[name]).fetchall()]
        for names in (("rights", "views"), ("functions", "definers"))
    )
    _wait_until_alone(connection)
    connection.execute(SQL["new_first"])
    for statement in moved:
        connection.execute(statement)
    connection.execute(SQL["old_names"])
    for statement in functions:
        connection.execute(statement)
    try:
        connection.execute(SQL["replace"])
    except errors.DependentObjectsStillExist as error:
        raise ConversionRefused(
            f"something of your own hangs on the table of readings ({error.diag.message_detail}):"
            " drop it, convert, and make it again; what was copied stays"
        ) from error


def _wait_until_alone(connection: Connection) -> None:
    """Shut out whoever reads; who waits for longer than a moment stands back, so that nobody queues behind."""
    end_s = time.monotonic() + MIGRATE_WITHIN_S
    while True:
        try:
            with connection.transaction():
                connection.execute("SELECT set_config('lock_timeout', %s, true)", (f"{LOCK_WAIT_S}s",))
                connection.execute(SQL["alone"])
        except errors.LockNotAvailable as error:
            if time.monotonic() > end_s:
                raise StoreUnavailable(
                    f"somebody read the readings for {MIGRATE_WITHIN_S:g} s without a pause (a backup?):"
                    " all weeks are copied, run it again"
                ) from error
            time.sleep(LET_THROUGH_S)
        else:
            return


def _gb(size: int) -> str:
    return f"{size / 1e9:,.2f} GB"


def _minutes(seconds: float) -> str:
    return f"{max(1, round(seconds / 60)):,} min at {READINGS_PER_S:,} readings a second"
