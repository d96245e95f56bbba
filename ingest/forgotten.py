"""Who asked to be forgotten, without their number: a hash of it under a key of this database.

Whoever has the whole database has the key too and can try every number there is; who sees rows, an export or a log
learns nothing.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection
from datetime import datetime

from ingest.db import Connection, queries

SQL = queries("ingest", "forgotten")


def hash_of(connection: Connection, phone: str) -> bytes:
    """What is kept of a number."""
    ((key,),) = connection.execute(SQL["key"]).fetchall()
    return hmac.digest(key, phone.encode(), "sha256")


def forgotten_among(connection: Connection, phones: Collection[str]) -> set[str]:
    """Which of these numbers asked to be forgotten and were not taken in again since."""
    by_hash = {hash_of(connection, phone): phone for phone in phones}
    rows = connection.execute(SQL["known"], {"hashes": list(by_hash)})
    return {by_hash[found] for (found,) in rows}


def take_in_again(connection: Connection, phone: str, *, now: datetime) -> None:
    """They gave their number anew: it may be registered."""
    connection.execute(SQL["again"], {"hash": hash_of(connection, phone), "now": now})
