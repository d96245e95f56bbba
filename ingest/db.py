"""The database: pool, named queries, migrations. Everything in PostgreSQL is reached through here."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool

from ingest.errors import SchemaMismatch, StoreUnavailable
from ingest.sqlstate import Meaning, meaning_of

Connection = psycopg.Connection[Any]

MIGRATION = re.compile(r"(\d{4})_([a-z_]+)(?:\.(plain|timescale))?\.sql")
NAME_LINE = re.compile(r"^-- ([a-z][a-z0-9_]*)\s*$")
MIGRATION_LOCK = 0x6E646979  # any constant of ours: two migrators wait for each other
LOCK_WAIT_S = 0.5  # so long a migration that waits for a table holds up whoever comes after
LET_THROUGH_S = 0.5  # and then it stands back
MIGRATE_WITHIN_S = 120.0
LIFE_S = 600.0  # of a connection in a pool: its server process keeps what its largest answer took, in a soak 28 MB
SPARE_S = 60.0  # so long nobody needed it: of many at once one goes each time; kept, each is 10 MB of the server's
MUST_BE_ON = {
    "fsync": "after a power failure it may not start again",
    "full_page_writes": "after a power failure pages may be half old and half new",
    "synchronous_commit": "a power failure takes what it has called committed",
}  # settings of the server, and what is lost without them (docs/reliability.md)


def connect(
    url: str, *, autocommit: bool = True, application: str = "ndiyan", server: Mapping[str, str] | None = None
) -> Connection:
    """One connection in UTC; bounds on waiting so that a lost server is noticed. `server` sets more of the session."""
    settings = {"timezone": "UTC", **(server or {})}
    return psycopg.connect(
        url,
        autocommit=autocommit,
        application_name=application,
        connect_timeout=10,
        keepalives=1, keepalives_idle=5, keepalives_interval=2, keepalives_count=3,
        options=" ".join(f"-c {name}={value}" for name, value in settings.items()),
    )  # fmt: skip


def cut(connection: Connection) -> None:
    """Free whoever waits for an answer on this connection, also of a server that hangs; for another thread."""
    with contextlib.suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(connection.fileno())) as link:
        link.shutdown(socket.SHUT_RDWR)


def is_asking(connection: Connection | None) -> bool:
    """Whether the server still owes us an answer on this connection; for any thread."""
    return connection is not None and connection.info.transaction_status is TransactionStatus.ACTIVE


def open_pool(
    url: str, *, size: int = 8, application: str = "ndiyan", is_needed: bool = True
) -> ConnectionPool[Connection]:
    """A pool of connections in UTC; opens at once, so a wrong URL fails here, unless it `is_needed` only later."""
    pool = ConnectionPool(
        url,
        min_size=1,
        max_size=size,
        timeout=10,
        max_lifetime=LIFE_S,
        max_idle=SPARE_S,
        reconnect_timeout=5,  # then whoever asks next tries at once; the pool's own pauses double without bound
        open=False,
        check=_check,
        kwargs={
            "autocommit": True,
            "application_name": application,
            "connect_timeout": 10,
            "options": "-c timezone=UTC -c statement_timeout=30s -c idle_in_transaction_session_timeout=60s",
        },
    )
    pool.open(wait=is_needed, timeout=30)
    return pool


def _check(connection: Connection) -> None:
    """Whether a connection still works. One that does not gives back what it last received, megabytes of readings: with
    the error of whoever then waited in vain it would stay until Python looks for circles, which can take hours."""
    try:
        ConnectionPool.check_connection(connection)
    except psycopg.Error:
        connection.pgconn.finish()
        raise


@cache
def queries(package: str, file: str) -> dict[str, str]:
    """Named statements of `<package>/sql/<file>.sql`.

    A statement begins with a line `-- its_name`; comment lines after it are its sentence.
    """
    text = (files(package) / "sql" / f"{file}.sql").read_text("utf-8")
    found: dict[str, str] = {}
    name: str | None = None
    for line in text.splitlines():
        if match := NAME_LINE.match(line):
            name = match[1]
            if name in found:
                raise ValueError(f"{package}/sql/{file}.sql: {name} stands twice")
            found[name] = ""
        elif name is not None and not line.startswith("--"):
            found[name] += line + "\n"
    return {name: body.strip().rstrip(";") for name, body in found.items()}


def migrations() -> list[tuple[int, str, str | None, Traversable]]:
    """All migrations as (number, name, variant, file), in order; variants are `plain` and `timescale`."""
    found = []
    for file in (files("ingest") / "migrations").iterdir():
        if match := MIGRATION.fullmatch(file.name):
            found.append((int(match[1]), match[2], match[3], file))
    return sorted(found, key=lambda item: (item[0], item[2] or ""))


def newest_migration() -> int:
    """The number this version of the program works with."""
    return max(number for number, *_ in migrations())


def migrate(connection: Connection, *, variant: str | None = None) -> list[str]:
    """Bring the schema up to date while the previous version runs; each migration in a transaction of its own.

    Returns the names of what was applied now. Two migrators wait for each other. Which variant of a
    migration is taken (`plain` or `timescale`) is decided at the first one and stays, until `ingest.timescale` converts
    it: it is `variant`, or what the server offers.

    Whoever waits for a lock on a table holds up everybody who comes after, so a migration that does not get its locks
    within `LOCK_WAIT_S` is undone, lets them through, and is tried again.

    Raises
    ------
    StoreUnavailable : somebody held a table for longer than `MIGRATE_WITHIN_S`; what was applied before stays
    """
    applied = []
    with migration_lock(connection):
        connection.execute(
            "CREATE TABLE IF NOT EXISTS migration (number integer PRIMARY KEY, name text NOT NULL,"
            " variant text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        row = connection.execute("SELECT variant FROM migration LIMIT 1").fetchone()
        variant = row[0] if row else variant or offered_variant(connection)
        done = {row[0] for row in connection.execute("SELECT number FROM migration")}
        for number, name, only, file in migrations():
            if number in done or (only is not None and only != variant):
                continue
            _apply_between_writers(connection, file.read_bytes(), number, name, variant)
            applied.append(f"{number:04d}_{name}")
    return applied


def schema_number(connection: Connection) -> int:
    """The newest migration that this database has had, 0 for none."""
    try:
        row = connection.execute("SELECT max(number) FROM migration").fetchone()
    except psycopg.errors.UndefinedTable:
        return 0
    return int(row[0]) if row and row[0] is not None else 0


def check_schema(connection: Connection) -> None:
    """Raise `SchemaMismatch` unless the schema is at least the one that this version works with.

    A newer schema is fine: migrations only add, and what a version uses is removed in a later release than the one that
    stops using it. So the database is migrated first, while the previous version runs, and then the programs change.
    """
    found, wanted = schema_number(connection), newest_migration()
    if found < wanted:
        raise SchemaMismatch(f"database schema is at {found}, this version needs {wanted}: run `ndiyan db migrate`")


def weak_settings(connection: Connection) -> list[tuple[str, str]]:
    """The server's settings with which a commit may not be on its disk: the name of each, and a sentence about it."""
    rows = connection.execute(
        "SELECT name FROM pg_settings WHERE name = ANY(%s) AND setting = 'off' ORDER BY name", [list(MUST_BE_ON)]
    )
    return [(name, f"the database's {name} is off, wanted on: {MUST_BE_ON[name]}") for (name,) in rows]


def _apply_between_writers(connection: Connection, statements: bytes, number: int, name: str, variant: str) -> None:
    end_s = time.monotonic() + MIGRATE_WITHIN_S
    while True:
        try:
            with connection.transaction():
                connection.execute("SELECT set_config('lock_timeout', %s, true)", (f"{LOCK_WAIT_S}s",))
                connection.execute(statements)
                connection.execute(
                    "INSERT INTO migration (number, name, variant) VALUES (%s, %s, %s)", (number, name, variant)
                )
        except psycopg.OperationalError as error:
            if meaning_of(error) is not Meaning.AGAIN:
                raise
            if time.monotonic() > end_s:
                raise StoreUnavailable(
                    f"migration {number:04d}_{name}: somebody held its tables for {MIGRATE_WITHIN_S:g} s: try again"
                ) from error
            time.sleep(LET_THROUGH_S)
        else:
            return


def offered_variant(connection: Connection) -> str:
    """Whether the server has loaded TimescaleDB, told by a setting of its own that any user may read."""
    row = connection.execute("SELECT current_setting('timescaledb.disable_load', true)").fetchone()
    return "timescale" if row == ("off",) else "plain"


@contextmanager
def migration_lock(connection: Connection) -> Iterator[None]:
    """Nobody else changes the schema while the body runs."""
    connection.execute("SELECT pg_advisory_lock(%s)", (MIGRATION_LOCK,))
    try:
        yield
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", (MIGRATION_LOCK,))
