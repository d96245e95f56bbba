"""PANNE: somebody sees that water fails. It is kept, told to who repairs, and they hear what happens next.

All that is reported of one zone and not closed is one breakdown, with the code of the first report (P12). An engineer
closes a report with a cause; anybody of the committee closes the breakdown by SMS. Who reported it is told once.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from alerts.carriers import Urgency
from alerts.closing import BreakdownCause
from alerts.consent import call_for_zone
from alerts.messages import answer_text, language_for, segments
from alerts.people import Person
from alerts.telling import VALID_FOR
from ingest.db import Connection, queries

SQL = queries("alerts", "breakdown")
SPECIALISTS = ["reparateur", "ingenieur"]
TOLD_AGAIN_AFTER = timedelta(hours=6)  # of one zone: half a village may report the same pump
WAITS_AT_MOST = timedelta(hours=1)  # for a route, before somebody is to call
FOLLOWED = VALID_FOR + timedelta(days=1)  # since news of a breakdown was written: by then its fate is known
ENDED_BY_SMS_WITHIN = timedelta(days=7)  # "3" a month later is about something else


class Breakdown(NamedTuple):
    """What is reported of one zone and not over."""

    code: str
    zone_id: str
    zone_name: str
    reported_at: datetime  # by the last who did


def open_breakdowns(connection: Connection, zones: Sequence[str], *, now: datetime) -> list[Breakdown]:
    """The breakdowns of these zones that an SMS can end, the newest first."""
    asked = {"zones": list(zones), "since": now - ENDED_BY_SMS_WITHIN}
    return [Breakdown(*row) for row in connection.execute(SQL["open"], asked)]


def report(connection: Connection, person: Person, *, phone: str, sms_in_id: int, text: str, now: datetime) -> str:
    """Keep a report and tell the zone's specialist; returns what the reporter is answered.

    Where there is no specialist who can be told, an engineer is to call the zone.
    """
    asked = {
        "zone": person.zone_id, "contact": person.contact_id, "sms": sms_in_id, "phone": phone, "text": text,
        "now": now, "since": now - TOLD_AGAIN_AFTER, "roles": SPECIALISTS,
    }  # fmt: skip
    connection.execute(SQL["keep"], asked)
    ((place,),) = connection.execute(SQL["zone_name"], asked).fetchall()
    known = connection.execute(SQL["told_lately"], asked).fetchone()
    if known is not None:
        name, to_phone, has_left = known
        said = "breakdown_known" if has_left else "breakdown_told"
        return answer_text(person.language, said, place=place, name=name, phone=to_phone)
    told = _tell_next(connection, asked | {"place": place, "reporter": person.name})
    if told is None:
        return answer_text(person.language, "breakdown_alone", place=place)
    return answer_text(person.language, "breakdown_told", place=place, name=told[0], phone=told[1])


def pass_on_unheard(connection: Connection, now: datetime) -> None:
    """Tell the next one of each breakdown whose news reached nobody: an SMS may end undelivered a day later.

    Where the news still waits for a route, so would all other: an engineer is to call the zone.
    """
    asked = {"now": now, "since": now - FOLLOWED, "waits_since": now - WAITS_AT_MOST, "roles": SPECIALISTS}
    for zone_id, place, reporter, phone, waits in connection.execute(SQL["unheard"], asked).fetchall():
        about = asked | {"zone": zone_id, "place": place, "reporter": reporter, "phone": phone}
        if waits:
            _call(connection, about)
        else:
            _tell_next(connection, about)


def _tell_next(connection: Connection, asked: Mapping[str, Any]) -> tuple[str, str] | None:
    """Tell who repairs in a zone what was reported; their name and phone, or None when an engineer is to call."""
    specialist = connection.execute(SQL["specialist"], asked).fetchone()
    if specialist is None:
        _call(connection, asked)
        return None
    contact_id, name, phone, language = specialist
    _tell(
        connection, zone_id=asked["zone"], contact_id=contact_id, phone=phone, language=language,
        kind="report", step="report", reason="breakdown_reported", urgency=Urgency.ALERT, now=asked["now"],
        text=answer_text(
            language, "breakdown", place=asked["place"], name=asked["reporter"], phone=asked["phone"],
            report=open_breakdowns(connection, [asked["zone"]], now=asked["now"])[0].code,
        ),
    )  # fmt: skip
    return name, phone


def _call(connection: Connection, asked: Mapping[str, Any]) -> None:
    """Put a zone on the engineers' list, unless it stands there and nobody has called yet."""
    ((is_on_the_list,),) = connection.execute(SQL["is_on_the_list"], asked).fetchall()
    if not is_on_the_list:
        call_for_zone(connection, asked["zone"], step="report", why="breakdown_reported", now=asked["now"])


def end_breakdown(connection: Connection, about: Breakdown, person: Person, *, phone: str, now: datetime) -> str:
    """Close all that was reported of a zone because one of its committee says so; returns what they are answered.

    Each of the others who reported it is told, once.
    """
    asked = {"zone": about.zone_id}
    known = {phone}
    for number, reporter in connection.execute(SQL["reports_of_zone"], asked).fetchall():
        close_report(connection, number, cause=BreakdownCause.OTHER, who=person.who, now=now, known_to=known)
        known.add(reporter)
    return answer_text(person.language, "breakdown_ended", place=about.zone_name, report=about.code)


def close_report(
    connection: Connection,
    report_id: int,
    *,
    cause: BreakdownCause,
    who: str,
    now: datetime,
    known_to: Collection[str] = (),
) -> bool:
    """Close a report; False when it was closed already.

    Who reported it hears so once, however often it is closed, unless their phone is one of `known_to`.
    """
    asked = {"report": report_id, "cause": cause.value, "who": who, "now": now, "known_to": list(known_to)}
    with connection.transaction():
        row = connection.execute(SQL["close"], asked).fetchone()
        if row is None:
            return False
        is_told, contact_id, phone, language, zone_id, place = row
        if is_told:
            found = language_for(language).text("causes", cause.value)
            _tell(
                connection, zone_id=zone_id, contact_id=contact_id, phone=phone, language=language,
                kind="report_closed", step=f"closed-{report_id}", reason="breakdown_closed", urgency=Urgency.ROUTINE,
                now=now, text=answer_text(language, "breakdown_closed", place=place, cause=found),
            )  # fmt: skip
            connection.execute(SQL["told_end"], asked)
    return True


def reopen_report(connection: Connection, report_id: int) -> str | None:
    """Undo the closing; returns the cause that was named, None when it is open."""
    row = connection.execute(SQL["reopen"], {"report": report_id}).fetchone()
    return None if row is None else str(row[0])


def _tell(
    connection: Connection, *, zone_id: str, contact_id: int, phone: str, language: str, kind: str, step: str,
    reason: str, urgency: Urgency, text: str, now: datetime,
) -> None:  # fmt: skip
    connection.execute(
        SQL["tell"],
        {
            "ref": uuid.uuid4(), "zone": zone_id, "contact": contact_id, "phone": phone, "language": language,
            "kind": kind, "step": step, "reason": reason, "text": text, "segments": segments(text).number,
            "urgency": urgency, "now": now, "valid_until": now + VALID_FOR,
        },
    )  # fmt: skip
