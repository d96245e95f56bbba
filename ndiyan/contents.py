"""What a database holds, so that two can be compared: rows and checksum of each table, and the overview."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from psycopg import sql

from ingest.db import Connection, newest_migration, queries, schema_number
from web.fleet import fetch_fleet

SQL = queries("ndiyan", "backup")


@dataclass(frozen=True, slots=True)
class Contents:
    """Rows and checksum by table; `overview` is a digest of what the overview shows at `as_of`, None where this version
    of the program does not know the schema."""

    as_of: datetime
    tables: dict[str, tuple[int, str]]
    overview: str | None


def fetch_contents(connection: Connection, as_of: datetime) -> Contents:
    """Read everything once; in one snapshot when the connection is in a transaction that has one."""
    count = sql.SQL("SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)), 0)::text FROM {} t")
    tables: dict[str, tuple[int, str]] = {}
    for (name,) in connection.execute(SQL["tables"]).fetchall():
        rows, checksum = connection.execute(count.format(sql.Identifier(name))).fetchall()[0]
        tables[name] = (rows, checksum)
    is_known = schema_number(connection) == newest_migration()
    return Contents(as_of, tables, overview_digest(connection, as_of) if is_known else None)


def overview_digest(connection: Connection, now: datetime) -> str:
    """SHA-256 of what the overview's query answers at `now`."""
    return hashlib.sha256(repr(fetch_fleet(connection, now)).encode()).hexdigest()


def differences(wanted: Contents, found: Contents) -> list[str]:
    """What is not the same, a sentence each."""
    told = []
    for name in sorted(wanted.tables | found.tables):
        (rows, checksum), (got, got_checksum) = wanted.tables.get(name, (0, "")), found.tables.get(name, (0, ""))
        if rows != got:
            told.append(f"{name}: {got} rows, {rows} expected")
        elif checksum != got_checksum:
            told.append(f"{name}: {rows} rows as expected, with other contents")
    if wanted.overview and found.overview and wanted.overview != found.overview:
        told.append(f"the overview of {wanted.as_of:%Y-%m-%d %H:%M} UTC is another one")
    return told
