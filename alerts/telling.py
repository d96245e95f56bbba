"""Notifications are written in the alert's own transaction; the sender takes them from there."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from alerts.carriers import Urgency
from alerts.messages import MessageKind, segments, sms_text
from alerts.routing import NO_WATER, REMEMBERED, ContactRow, Event, PastNotification, who_hears
from ingest.db import Connection, queries

SQL = queries("alerts", "telling")
VALID_FOR = timedelta(hours=24)  # the notification of a fault is worthless after a day (SMS.md §5.4)


def tell(connection: Connection, event: Event, *, now: datetime) -> list[int]:
    """Queue what `event` has to tell, in the caller's transaction; the same event again queues nothing new."""
    ((zone_id, zone_name, code, asset, evidence),) = connection.execute(
        SQL["alert_words"], {"alert": event.alert_id}
    ).fetchall()
    contacts = [ContactRow(*row) for row in connection.execute(SQL["contacts"], {"zone": zone_id})]
    past = connection.execute(SQL["told_before"], {"zone": zone_id, "alert": event.alert_id, "since": now - REMEMBERED})
    history = [PastNotification(*row) for row in past]
    told = {(p.contact_id, p.kind) for p in history if p.alert_id == event.alert_id}
    repairer = next((c for c in contacts if c.role == "reparateur"), None)
    queued = []
    for telling in who_hears(event, contacts, history, now=now):
        contact = telling.contact
        if telling.kind != MessageKind.REMINDER and (contact.contact_id, telling.kind) in told:
            continue
        call = None if repairer is None or repairer == contact else (repairer.name, repairer.phone)
        text = sms_text(
            MessageKind(telling.kind), event.fault, contact.language,
            zone_name=zone_name, code=code, values=evidence["values"], asset=asset, call=call,
        )  # fmt: skip
        row = connection.execute(
            SQL["queue"],
            {
                "ref": uuid.uuid4(), "alert": event.alert_id, "zone": zone_id, "contact": contact.contact_id,
                "phone": contact.phone, "kind": telling.kind, "step": telling.step, "reason": telling.reason.value,
                "language": contact.language, "text": text, "segments": segments(text).number,
                "urgency": _urgency(event, telling.kind), "now": now, "send_at": telling.send_at,
                "valid_until": telling.send_at + VALID_FOR,
            },
        ).fetchone()  # fmt: skip
        if row:
            queued.append(int(row[0]))
    return queued


def _urgency(event: Event, kind: str) -> Urgency:
    if kind != MessageKind.OPENED:
        return Urgency.ROUTINE
    return Urgency.NO_WATER if event.severity >= NO_WATER else Urgency.ALERT
