"""A connection that sees the rows of one zone alone: the database decides, whatever the pages ask.

The role `ndiyan_zone` may do what its grants say and sees the rows of the zone in `ndiyan.zone` (migration 0043). A
filter in our own statements would have to stand in each of more than a hundred, and be right in the next one too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.pq import TransactionStatus

from ingest.db import Connection, queries

SQL = queries("web", "narrow")


def narrow(connection: Connection, zone_id: str) -> None:
    """Let the connection see this zone's rows alone until `widen`."""
    connection.execute(SQL["name_zone"], {"zone": zone_id})
    connection.execute(SQL["narrow"])


def widen(connection: Connection) -> None:
    """Undo `narrow`; a connection that cannot be widened is closed, so that nobody gets it."""
    try:
        if connection.info.transaction_status is not TransactionStatus.IDLE:
            connection.rollback()
        connection.execute(SQL["widen"])
        connection.execute(SQL["name_zone"], {"zone": ""})
    except psycopg.Error:
        connection.close()


@contextmanager
def widened(connection: Connection, zone_id: str | None) -> Iterator[Connection]:
    """The same connection, for a moment as the service itself: for what belongs to accounts, not to zones."""
    if zone_id is None:
        yield connection
        return
    connection.execute(SQL["widen"])
    try:
        yield connection
    finally:
        narrow(connection, zone_id)
