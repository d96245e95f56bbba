"""What a person does to an alert, from a page, the API or an SMS. Each leaves an event; a repeat changes nothing."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta

from alerts.closing import LONGEST_NAME, LONGEST_NOTE, UNDO_WITHIN, checked_closing, checked_words
from alerts.errors import ActionRefused
from alerts.shelf import shelf_end
from alerts.telling import rest
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


def assign(connection: Connection, alert_id: int, *, to: str, who: str, now: datetime) -> bool:
    """Give a live alert to somebody by name. False when it is not live (any more) or is theirs already.

    Raises
    ------
    ActionRefused : no name, or one that is too long
    """
    name = checked_words("to", to, most=LONGEST_NAME)
    with connection.transaction():
        row = connection.execute(SQL["assign"], {"alert": alert_id, "to": name}).fetchone()
        if row is None:
            return False
        note(connection, alert_id, kind="assigned", who=who, at=now, text=name)
    return True


def note_visit(connection: Connection, alert_id: int, *, text: str, on: date, who: str, now: datetime) -> None:
    """Write down what somebody saw or did on the spot.

    Raises
    ------
    ActionRefused : no words, too many, or a day that has not come
    """
    words = checked_words("text", text, most=LONGEST_NOTE)
    if on > now.date():
        raise ActionRefused("on", on.isoformat(), "is in the future")
    with connection.transaction():
        note(connection, alert_id, kind="visited", who=who, at=now, text=words, on=on.isoformat())


def close(connection: Connection, alert_id: int, *, cause: str, words: str, who: str, now: datetime) -> bool:
    """Name why an alert came. False when somebody has done so.

    One that is live ends with it, and no further message leaves: that water flows again is told when readings show it,
    and what they go on showing comes back (see `alerts.lifecycle`).

    Raises
    ------
    ActionRefused : as `alerts.closing.checked_closing`
    """
    found, text = checked_closing(cause, words)
    with connection.transaction():
        row = connection.execute(
            SQL["close"], {"alert": alert_id, "cause": found.value, "who": who, "now": now}
        ).fetchone()
        if row is None:
            return False
        detail = {"cause": found.value, "by_hand": row[0]} | ({"text": text} if text else {})
        note(connection, alert_id, kind="closed", who=who, at=now, **detail)
        if row[0]:
            rest(connection, alert_id)
    return True


def reopen(connection: Connection, alert_id: int, *, who: str, now: datetime) -> bool:
    """Take a closing back. False when there is none, when it is too late, or when the fault is an alert anew."""
    with connection.transaction():
        row = connection.execute(SQL["reopen"], {"alert": alert_id, "since": now - UNDO_WITHIN}).fetchone()
        if row is None:
            return False
        note(connection, alert_id, kind="reopened", who=who, at=now)
    return True


def note(connection: Connection, alert_id: int, *, kind: str, who: str, at: datetime, **detail: object) -> None:
    """Add a line to an alert's story; what that changes of who is told is decided soon."""
    connection.execute(
        SQL["insert_event"], {"alert": alert_id, "at": at, "kind": kind, "who": who, "detail": json.dumps(detail)}
    )
    connection.execute(SQL["look_again"], {"alert": alert_id, "at": at})
