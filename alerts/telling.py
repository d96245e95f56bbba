"""What is told of an alert, queued in the transaction that decides it; the decisions are those of `alerts.routing`."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from alerts.carriers import Urgency
from alerts.ladder import Position, named
from alerts.messages import PASSING, MessageKind, segments, sms_text
from alerts.routing import (
    NO_WATER,
    REMEMBERED,
    ContactRow,
    Decision,
    PastNotification,
    Standing,
    Telling,
    Word,
    closing,
    decide,
    whom_to_call,
)
from ingest.db import Connection, queries

SQL = queries("alerts", "telling")
VALID_FOR = timedelta(hours=24)  # what is told is worthless after a day (SMS.md §5.4), unless it is still so
FIGURES_HOLD = timedelta(minutes=30)  # "depuis 1 h": until the second person is told
HEARD_WITHIN = timedelta(hours=1)  # older readings say nothing about what people find when they go and look


@dataclass(frozen=True, slots=True)
class Words:
    """What the texts of an alert say; its evidence is that of `opened_at`."""

    opened_at: datetime
    zone_name: str
    code: str
    asset: str
    evidence: dict[str, Any]

    def values(self, at: datetime) -> dict[str, Any]:
        """The figures that one may still say at this time."""
        is_old = at - self.opened_at >= FIGURES_HOLD
        return {name: value for name, value in self.evidence["values"].items() if not is_old or name not in PASSING}


def begin(connection: Connection, alert_id: int, *, now: datetime) -> None:
    """Set a new alert on its ladder and take the first step, in the caller's transaction."""
    standing, words = _standing(connection, alert_id, now)
    take_step(connection, standing, words, Position(0, words.opened_at), now=now)


def take_next(
    connection: Connection,
    alert_id: int,
    position: Position,
    *,
    now: datetime,
    routes: int,
    ringing: frozenset[str] = frozenset(),
) -> set[str]:
    """Do the next thing about a live alert, in the caller's transaction.

    Returns whose phones, of those that serve several zones, it lets ring with "no water".
    """
    standing, words = _standing(connection, alert_id, now)
    told = take_step(connection, standing, words, position, now=now, routes=routes, ringing=ringing)
    is_urgent = standing.severity >= NO_WATER
    return {one.contact.phone for one in told if is_urgent and one.kind is MessageKind.OPENED and one.contact.is_shared}


def take_step(
    connection: Connection,
    alert: Standing,
    words: Words,
    position: Position,
    *,
    now: datetime,
    routes: int = 1,
    ringing: frozenset[str] = frozenset(),
) -> Sequence[Telling]:
    """Decide, and write down what follows; returns what is told."""
    people, past = _people(connection, alert.zone_id), []
    if people:
        past = _past(connection, alert.alert_id, people, now)
    row = connection.execute(SQL["word"], {"alert": alert.alert_id}).fetchone()
    word = None if row is None else Word(*row)
    decision = decide(alert, position, people, past, word, now=now, routes=routes, ringing=ringing)
    for telling in decision.tellings:
        _queue(connection, alert, words, telling, people, now)
    if decision.why_not is not None:
        detail = json.dumps(
            {"reason": decision.why_not.value}
            | ({"step": decision.step} if decision.step else {})
            | ({"round": position.round} if position.round > 1 else {})
        )
        connection.execute(SQL["not_told"], {"alert": alert.alert_id, "now": now, "detail": detail})
    if decision.call is not None:
        _call(connection, alert, decision, people, now)
    place = decision.position
    connection.execute(
        SQL["stand"],
        {
            "alert": alert.alert_id, "rung": place.rung, "origin": place.origin_at, "look": decision.look_at,
            "round": place.round,
        },
    )  # fmt: skip
    return decision.tellings


def tell_end(connection: Connection, alert_id: int, *, now: datetime, settles: timedelta = timedelta(0)) -> None:
    """Tell that an alert is over to those who were told of it, in the caller's transaction.

    What they were told before and came back is believed once it has stayed away for `settles`.
    """
    row = connection.execute(SQL["round"], {"alert": alert_id}).fetchone()
    number, was_over = row or (1, False)
    if was_over and settles:
        connection.execute(SQL["wait_with_end"], {"alert": alert_id, "ends": now + settles})
        return
    alert, words = _standing(connection, alert_id, now)
    rest(connection, alert_id)
    people = _people(connection, alert.zone_id)
    past = _past(connection, alert_id, people, now)
    for telling in closing(alert, people, past, now=now, round_number=number):
        _queue(connection, alert, words, telling, people, now)


def look_at_end(connection: Connection, alert_id: int, ends_at: datetime | None, *, now: datetime) -> None:
    """Look after an alert that is over: its end may wait to be told."""
    if ends_at is None:
        rest(connection, alert_id)
    elif now < ends_at:
        connection.execute(SQL["wait_with_end"], {"alert": alert_id, "ends": ends_at})
    else:
        tell_end(connection, alert_id, now=now)


def rest(connection: Connection, alert_id: int) -> None:
    """Look at an alert no more until it comes back."""
    connection.execute(SQL["rest"], {"alert": alert_id})


def _standing(connection: Connection, alert_id: int, now: datetime) -> tuple[Standing, Words]:
    asked = {"alert": alert_id, "heard_since": now - HEARD_WITHIN}
    (row,) = connection.execute(SQL["standing"], asked).fetchall()
    return Standing(*row[:10]), Words(*row[10:])


def _people(connection: Connection, zone_id: str) -> list[ContactRow]:
    return [ContactRow(*row) for row in connection.execute(SQL["contacts"], {"zone": zone_id})]


def _past(connection: Connection, alert_id: int, people: list[ContactRow], now: datetime) -> list[PastNotification]:
    asked = {"alert": alert_id, "phones": [one.phone for one in people], "since": now - REMEMBERED}
    return [PastNotification(*row) for row in connection.execute(SQL["told_before"], asked)]


def write_anew(
    connection: Connection, number: int, alert_id: int, contact_id: int, *, is_late: bool, now: datetime
) -> None:
    """Put a message that is still to leave in the words of now; `is_late`: no route took it."""
    alert, words = _standing(connection, alert_id, now)
    people = _people(connection, alert.zone_id)
    for contact in people:
        if contact.contact_id == contact_id:
            text = _text(alert, words, MessageKind.OPENED, contact, people, now, is_late=is_late)
            connection.execute(SQL["write_anew"], {"id": number, "text": text, "segments": segments(text).number})


def _text(
    alert: Standing, words: Words, kind: MessageKind, contact: ContactRow, people: list[ContactRow], at: datetime, *,
    is_late: bool = False,
) -> str:  # fmt: skip
    repairer = next((one for one in people if one.role == "reparateur"), None)
    return sms_text(
        kind, alert.fault, contact.language, zone_name=words.zone_name, code=words.code,
        values=words.values(at), asset=words.asset,
        call=None if repairer is None or repairer == contact else (repairer.name, repairer.phone),
        is_late=is_late,
    )  # fmt: skip


def _queue(
    connection: Connection, alert: Standing, words: Words, telling: Telling, people: list[ContactRow], now: datetime
) -> None:
    """What goes to a phone of several zones passes the climber, who lets it go with all else that they are told."""
    contact = telling.contact
    is_held = telling.send_at > now or contact.is_shared
    text = _text(alert, words, telling.kind, contact, people, telling.send_at)
    connection.execute(
        SQL["queue"],
        {
            "ref": uuid.uuid4(), "alert": alert.alert_id, "zone": alert.zone_id, "contact": contact.contact_id,
            "phone": contact.phone, "kind": telling.kind.stored, "step": telling.step, "reason": telling.reason.value,
            "language": contact.language, "text": text, "segments": segments(text).number,
            "urgency": urgency_of(alert.severity, telling.kind), "route": telling.route,
            "state": "held" if is_held else "queued", "now": now, "send_at": telling.send_at,
            "valid_until": telling.send_at + VALID_FOR,
        },
    )  # fmt: skip


def _call(connection: Connection, alert: Standing, decision: Decision, people: list[ContactRow], now: datetime) -> None:
    whom = whom_to_call(alert, people)
    row = connection.execute(
        SQL["call"],
        {
            "alert": alert.alert_id, "contact": None if whom is None else whom.contact_id,
            "step": named(decision.step, decision.position.round), "why": decision.call, "now": now,
        },
    ).fetchone()  # fmt: skip
    if row is not None:
        detail = {} if whom is None else {"name": whom.name, "role": whom.role}
        connection.execute(SQL["called_for"], {"alert": alert.alert_id, "now": now, "detail": json.dumps(detail)})


def urgency_of(severity: int, kind: MessageKind) -> Urgency:
    """What leaves first."""
    if kind is not MessageKind.OPENED:
        return Urgency.ROUTINE
    return Urgency.NO_WATER if severity >= NO_WATER else Urgency.ALERT
