"""What a person does to an alert, from a page, the API or an SMS. Each leaves an event; a repeat changes nothing."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from alerts.shelf import shelf_end
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


def shelve(connection: Connection, alert_id: int, *, span: timedelta, why: str, who: str, now: datetime) -> bool:
    """Tell nobody of a live alert for `span`. False when it is not live (any more).

    Raises
    ------
    ShelfRefused : no reason, or a span out of bounds (see `alerts.shelf`)
    """
    with connection.transaction():
        row = connection.execute(SQL["severity_of_live"], {"alert": alert_id}).fetchone()
        if row is None:
            return False
        until, why = shelf_end(row[0], span, why, now=now), why.strip()
        connection.execute(SQL["shelve"], {"alert": alert_id, "until": until, "who": who, "why": why})
        note(connection, alert_id, kind="shelved", who=who, at=now, text=why, until=until.isoformat())
    return True


def unshelve(connection: Connection, alert_id: int, *, who: str, now: datetime) -> bool:
    """Take an alert off the shelf before its time. False when it does not lie there."""
    with connection.transaction():
        row = connection.execute(SQL["unshelve"], {"alert": alert_id, "now": now}).fetchone()
        if row is None:
            return False
        note(connection, alert_id, kind="unshelved", who=who, at=now)
    return True


def mark(connection: Connection, alert_id: int, *, is_true: bool, who: str, now: datetime) -> bool:
    """Say whether an alert was right; the last word counts. False when that was the last word already."""
    kind = "confirmed" if is_true else "false_alarm_claimed"
    with connection.transaction():
        row = connection.execute(SQL["last_mark"], {"alert": alert_id}).fetchone()
        if row is not None and row[0] == kind:
            return False
        note(connection, alert_id, kind=kind, who=who, at=now)
    return True


def note(connection: Connection, alert_id: int, *, kind: str, who: str, at: datetime, **detail: object) -> None:
    """Add a line to an alert's story; what that changes of who is told is decided soon."""
    connection.execute(
        SQL["insert_event"], {"alert": alert_id, "at": at, "kind": kind, "who": who, "detail": json.dumps(detail)}
    )
    connection.execute(SQL["look_again"], {"alert": alert_id, "at": at})
