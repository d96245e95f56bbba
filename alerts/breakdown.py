"""PANNE: somebody sees that water fails. It is kept, told to who repairs, and they hear what happens next."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from alerts.carriers import Urgency
from alerts.consent import call_for_zone
from alerts.messages import answer_text, segments
from alerts.people import Person
from alerts.telling import VALID_FOR
from ingest.db import Connection, queries

SQL = queries("alerts", "breakdown")
SPECIALISTS = ["reparateur", "ingenieur"]
TOLD_AGAIN_AFTER = timedelta(hours=6)  # of one zone: half a village may report the same pump


def report(connection: Connection, person: Person, *, phone: str, sms_in_id: int, text: str, now: datetime) -> str:
    """Keep a report and tell the zone's specialist; returns what the reporter is answered.

    Where there is no specialist to tell, an engineer is to call the zone.
    """
    asked = {
        "zone": person.zone_id, "contact": person.contact_id, "sms": sms_in_id, "phone": phone, "text": text,
        "now": now, "since": now - TOLD_AGAIN_AFTER, "roles": SPECIALISTS,
    }  # fmt: skip
    connection.execute(SQL["keep"], asked)
    ((place,),) = connection.execute(SQL["zone_name"], asked).fetchall()
    known = connection.execute(SQL["told_lately"], asked).fetchone()
    if known is not None:
        return answer_text(person.language, "breakdown_known", place=place, name=known[0], phone=known[1])
    specialist = connection.execute(SQL["specialist"], asked).fetchone()
    if specialist is None:
        ((is_on_the_list,),) = connection.execute(SQL["is_on_the_list"], asked).fetchall()
        if not is_on_the_list:
            call_for_zone(connection, person.zone_id, step="report", why="breakdown_reported", now=now)
        return answer_text(person.language, "breakdown_alone", place=place)
    contact_id, name, to_phone, language = specialist
    told = answer_text(language, "breakdown", place=place, name=person.name, phone=phone)
    connection.execute(
        SQL["tell"],
        {
            "ref": uuid.uuid4(), "zone": person.zone_id, "contact": contact_id, "phone": to_phone, "language": language,
            "text": told, "segments": segments(told).number, "urgency": Urgency.ALERT, "now": now,
            "valid_until": now + VALID_FOR,
        },
    )  # fmt: skip
    return answer_text(person.language, "breakdown_told", place=place, name=name, phone=to_phone)
