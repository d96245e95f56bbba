"""A route whose credit runs out is told to the engineers, once, by another route where there is one."""

from __future__ import annotations

import uuid
from datetime import datetime

from alerts.carriers import Health, Urgency
from alerts.messages import answer_text, segments
from alerts.telling import VALID_FOR
from ingest.db import Connection, queries

SQL = queries("alerts", "credit")


def tell_low_credit(connection: Connection, name: str, health: Health, *, by: int, now: datetime) -> int:
    """Queue it for every engineer's phone, beginning with route number `by`; returns how many hear of it."""
    said = {"route": name}
    if health.balance is not None:
        said["left"] = f"{health.balance:.0f} {health.balance_unit}"
    if health.expires_at is not None:
        said["day"] = f"{health.expires_at:%d/%m/%Y}"
    engineers = connection.execute(SQL["engineers"]).fetchall()
    for contact_id, zone_id, phone, language in engineers:
        text = answer_text(language, "low_credit", **said)
        connection.execute(
            SQL["queue"],
            {
                "ref": uuid.uuid4(), "zone": zone_id, "contact": contact_id, "phone": phone, "step": name,
                "language": language, "text": text, "segments": segments(text).number, "urgency": Urgency.ALERT,
                "route": by, "now": now, "valid_until": now + VALID_FOR,
            },
        )  # fmt: skip
    return len(engineers)
