"""What a reply does: tied to an alert by its phone and its code, acted on once, answered only where that helps.

Replies count only from phones of a committee, and never command anything. "Repaired" does not close an alert: the
sensors do.
"""

from __future__ import annotations

import logging
import uuid
from datetime import datetime, timedelta

from alerts.actions import acknowledge, note
from alerts.carriers import Urgency
from alerts.messages import help_text, not_understood_text, segments, which_text
from alerts.replies import DIGITS, Intention, Reply, read_reply
from ingest.db import Connection, queries

log = logging.getLogger(__name__)

SQL = queries("alerts", "conversation")
ANSWER_VALID_FOR = timedelta(hours=1)
KIND_OF = {
    Intention.ON_THE_WAY: "on_the_way",
    Intention.REPAIRED: "repair_claimed",
    Intention.FALSE_ALARM: "false_alarm_claimed",
}


def answer(connection: Connection, sms_in_id: int, *, phone: str, text: str, now: datetime) -> None:
    """Act on one stored inbound SMS, in the caller's transaction."""
    reply = read_reply(text)
    people = connection.execute(SQL["people"], {"phone": phone}).fetchall()
    handled: dict[str, object] = {
        "id": sms_in_id, "now": now, "intention": reply.intention.value, "is_sure": reply.is_sure,
        "contact": people[0][0] if people else None, "alert": None,
    }  # fmt: skip
    if not people:
        log.info("an SMS from an unknown phone is kept", extra={"phone": f"…{phone[-3:]}"})
        connection.execute(SQL["handled"], handled)
        return
    contact_id, name, role, language, zone_id = people[0]
    who = f"{name} ({role})"
    live = connection.execute(SQL["live_for_phone"], {"phone": phone}).fetchall()
    codes = {code: alert_id for alert_id, code in live}
    alert_id = codes.get(reply.code) if reply.code else next(iter(codes.values())) if len(codes) == 1 else None
    said: str | None = None
    if reply.intention is Intention.HELP:
        said = help_text(language, next(iter(codes), "A1"))
    elif reply.intention not in DIGITS.values() or not reply.is_sure:
        said = not_understood_text(language) if live else None
    elif alert_id is None and len(codes) > 1:
        said = which_text(language, list(codes), _digit_of(reply))
    elif alert_id is not None:
        handled["alert"] = alert_id
        _act(connection, alert_id, reply, who=who, text=text, now=now)
    if said is not None:
        connection.execute(
            SQL["queue_answer"],
            {
                "ref": uuid.uuid4(), "alert": alert_id, "zone": zone_id, "contact": contact_id, "phone": phone,
                "step": f"reply-{sms_in_id}", "language": language, "text": said, "segments": segments(said).number,
                "urgency": Urgency.ANSWER, "now": now, "valid_until": now + ANSWER_VALID_FOR,
            },
        )  # fmt: skip
    connection.execute(SQL["handled"], handled)


def called(connection: Connection, sms_in_id: int, *, phone: str, now: datetime) -> None:
    """Somebody rang us: from a known phone with one live alert that means "seen", whatever else it means nothing."""
    people = connection.execute(SQL["people"], {"phone": phone}).fetchall()
    live = connection.execute(SQL["live_for_phone"], {"phone": phone}).fetchall() if people else []
    alert_id = live[0][0] if len(live) == 1 else None
    if alert_id is not None:
        _, name, role, _, _ = people[0]
        note(connection, alert_id, kind="rang", who=f"{name} ({role})", at=now)
        acknowledge(connection, alert_id, who=f"{name} ({role})", now=now)
    connection.execute(
        SQL["handled"],
        {
            "id": sms_in_id, "now": now, "intention": Intention.SEEN.value if alert_id else Intention.UNCLEAR.value,
            "is_sure": alert_id is not None, "contact": people[0][0] if people else None, "alert": alert_id,
        },
    )  # fmt: skip


def _act(connection: Connection, alert_id: int, reply: Reply, *, who: str, text: str, now: datetime) -> None:
    note(connection, alert_id, kind="reply", who=who, at=now, text=text[:160], intention=reply.intention.value)
    acknowledge(connection, alert_id, who=who, now=now)
    if kind := KIND_OF.get(reply.intention):
        note(connection, alert_id, kind=kind, who=who, at=now)


def _digit_of(reply: Reply) -> str:
    return next(digit for digit, intention in DIGITS.items() if intention is reply.intention)
