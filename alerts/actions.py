"""What a person does to an alert, from a page, the API or an SMS. Each is idempotent and leaves an event."""

from __future__ import annotations

import json
from datetime import datetime

from ingest.db import Connection, queries

SQL = queries("alerts", "actions")


def acknowledge(connection: Connection, alert_id: int, *, who: str, now: datetime) -> bool:
    """Somebody has seen it: no further reminder. False when it was not open (any more)."""
    with connection.transaction():
        row = connection.execute(SQL["acknowledge"], {"alert": alert_id, "who": who, "now": now}).fetchone()
        if row is None:
            return False
        note(connection, alert_id, kind="acknowledged", who=who, at=now)
    return True


def note(connection: Connection, alert_id: int, *, kind: str, who: str, at: datetime, **detail: object) -> None:
    """Add a line to an alert's story."""
    connection.execute(
        SQL["insert_event"], {"alert": alert_id, "at": at, "kind": kind, "who": who, "detail": json.dumps(detail)}
    )
