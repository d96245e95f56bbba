"""What people read off and sent by SMS, as pages show it: never as if a sensor had said it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ingest.db import Connection, queries

SQL = queries("web", "by_hand")


@dataclass(frozen=True, slots=True)
class HandMade:
    """One number that a person read; `asset` and `channel` are those of the sensor beside which it stands."""

    asset: str
    channel: str
    unit: str
    value: float
    at: datetime
    name: str
    role: str
    is_taken_back: bool
    is_suspect: bool


def fetch_by_hand(connection: Connection, zone_id: str, start: datetime, end: datetime) -> list[HandMade]:
    """What was read by hand in a zone within [start, end), the newest first."""
    asked = {"zone": zone_id, "start": start, "end": end}
    return [HandMade(*row) for row in connection.execute(SQL["within"], asked)]
