"""Which readings were due, and of which came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from ingest.db import Connection, queries

SQL = queries("web", "received")


def fetch_began(connection: Connection, zones: Sequence[str] | None = None) -> Mapping[str, datetime]:
    """When some zones, or all, were first heard, to the hour: before that nothing was due.

    A zone that never was is absent: nothing is due of it yet.
    """
    return dict(connection.execute(SQL["began"], {"zones": zones if zones is None else list(zones)}).fetchall())
