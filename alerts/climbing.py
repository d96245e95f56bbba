"""The ladder is climbed by the clock, from rows: also when no reading comes and while the judge is busy.

Each pass takes at most one step of each alert that is due, and of those of which a phone can hear that rings anyway,
then lets go what was held: what waits for one phone, be it for the morning, beside or behind another message or for a
route that was down, leaves as one message.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from alerts.breakdown import pass_on_unheard
from alerts.carriers import Urgency
from alerts.ladder import Position
from alerts.lease import take_turn
from alerts.messages import Bundle, Item, MessageKind, digest_text, segments
from alerts.routing import BUNDLED_WITHIN, DAY, NO_WATER, PastNotification, Why, end_of_quiet, when_free
from alerts.telling import FIGURES_HOLD, VALID_FOR, look_at_end, take_next, write_anew
from ingest.db import Connection, queries

SQL = queries("alerts", "climbing")
AT_ONCE = 500
RINGS_AT_NIGHT = (MessageKind.OPENED, MessageKind.RESOLVED)  # of severity 3
FOLLOWED = VALID_FOR + timedelta(days=2)  # since a message was written; later receipts tell nobody anything


class Waiting(NamedTuple):
    """One thing that a phone is to be told."""

    number: int
    alert_id: int
    contact_id: int | None
    zone_id: str
    language: str
    kind: str
    is_held: bool
    due_at: datetime
    told_in: int | None
    urgency: int
    code: str
    severity: int
    fault: str
    reason: str
    zone_name: str
    route: int


def climb(connection: Connection, now: datetime, *, routes: int = 1) -> int:
    """Take the steps that are due and let go what was held; returns how many alerts and phones were moved on.

    `routes` is how many networks an SMS can leave by. Call it before each pass of the sender.
    """
    with connection.transaction():
        _begin_anew(connection, now)
        due = connection.execute(SQL["due"], {"now": now, "limit": AT_ONCE}).fetchall()
        ringing: set[str] = set()
        for alert_id, rung, origin_at, number, ends_at, is_over in due:
            if is_over:
                look_at_end(connection, alert_id, ends_at, now=now)
            else:
                position = Position(rung, origin_at, number)
                ringing |= take_next(connection, alert_id, position, now=now, routes=routes)
        if ringing:
            taken = [alert_id for alert_id, *_ in due]
            _take_along(connection, frozenset(ringing), taken, now=now, routes=routes)
    with connection.transaction():
        take_turn(connection)
        pass_on_unheard(connection, now)
        _follow(connection, now)
        connection.execute(SQL["answered"])
        connection.execute(SQL["open_again"], {"now": now})
        connection.execute(SQL["set_free"])
        _renew(connection, now)
        asked = {"now": now, "stale_since": now - BUNDLED_WITHIN}
        phones = [phone for (phone,) in connection.execute(SQL["phones_that_wait"], asked).fetchall()]
        for phone in phones:
            _let_go(connection, phone, now)
    return len(due) + len(phones)


def _begin_anew(connection: Connection, now: datetime) -> None:
    """What is there again after people were told of its end is news: who was told so hears it, and then the ladder.

    And the ladder begins with what is there and nobody has heard of. A step whose person was not told is taken again.
    """
    connection.execute(SQL["another_instead"], {"now": now})
    back = [alert_id for (alert_id,) in connection.execute(SQL["back_after_its_end"]).fetchall()]
    if back:
        connection.execute(SQL["not_in_charge"], {"alerts": back})
        _next_round(connection, back, "told_again", now)
    unheard = [alert_id for (alert_id,) in connection.execute(SQL["unheard"]).fetchall()]
    if unheard:
        _next_round(connection, unheard, "unheard", now)


def _next_round(connection: Connection, alerts: Sequence[int], why: str, now: datetime) -> None:
    for alert_id, number in connection.execute(SQL["next_round"], {"alerts": alerts, "now": now}).fetchall():
        event = {"alert": alert_id, "at": now, "kind": why, "who": "ndiyan"}
        connection.execute(SQL["insert_event"], event | {"detail": json.dumps({"round": number})})


def _take_along(
    connection: Connection, ringing: frozenset[str], taken: Sequence[int], *, now: datetime, routes: int
) -> None:
    """Who is told of "no water" in one zone is told now of all other whose next step they are; not of two steps."""
    asked = {"phones": list(ringing), "no_water": NO_WATER, "taken": taken}
    for alert_id, *place in connection.execute(SQL["may_come_along"], asked).fetchall():
        take_next(connection, alert_id, Position(*place), now=now, routes=routes, ringing=ringing)


def _renew(connection: Connection, now: datetime) -> None:
    """What has waited for a route since its figures were measured is told without them, for as long as it is there."""
    asked = {"before": now + VALID_FOR - FIGURES_HOLD, "valid_until": now + VALID_FOR}
    for number, alert_id, contact_id, is_late in connection.execute(SQL["renew"], asked).fetchall():
        if alert_id is not None:  # a bundle has no figures
            write_anew(connection, number, alert_id, contact_id, is_late=is_late, now=now)


def _follow(connection: Connection, now: datetime) -> None:
    """What one message told has the fate of the message, and stands in the story of each alert."""
    asked = {"since": now - FOLLOWED}
    for alert_id, number, state, is_new, name, role, text, at in connection.execute(SQL["follow"], asked).fetchall():
        kinds = ["told"] if is_new and state in ("accepted", "delivered", "no_receipt", "undelivered") else []
        kinds += ["delivered"] if state == "delivered" else []
        for kind in kinds:
            detail = {"notification_id": number, "name": name, "role": role} | (
                {"text": text} if kind == "told" else {}
            )
            connection.execute(
                SQL["insert_event"],
                {"alert": alert_id, "at": at, "kind": kind, "who": f"{name} ({role})", "detail": json.dumps(detail)},
            )


def _let_go(connection: Connection, phone: str, now: datetime) -> None:
    """Let one phone ring with all that waits for it, or put it off; at night with "no water" and its end alone."""
    which = {"phone": phone, "now": now, "stale_since": now - BUNDLED_WITHIN}
    rows = [Waiting(*row) for row in connection.execute(SQL["what_waits"], which)]
    numbers = [one.number for one in rows]
    morning = end_of_quiet(now)
    if morning is not None and not any(one.severity >= NO_WATER and one.kind in RINGS_AT_NIGHT for one in rows):
        connection.execute(SQL["until_morning"], {"waiting": numbers, "at": morning})
        return
    asked = {"phone": phone, "since": now - DAY, "waiting": numbers}
    past = [PastNotification(*row) for row in connection.execute(SQL["told_to_phone"], asked)]
    urgent = [one for one in rows if one.severity >= NO_WATER and one.kind == MessageKind.OPENED]
    is_stale = any(not one.is_held for one in rows)  # some were free to leave, and could not
    free_at, _ = when_free(
        [one for one in past if not one.is_void], frozenset(one.zone_id for one in urgent or rows),
        is_urgent=bool(urgent), now=now,
    )  # fmt: skip
    if free_at > now and not is_stale:
        connection.execute(SQL["put_off"], {"waiting": numbers, "at": free_at})
    elif len(rows) == 1 and rows[0].is_held:
        connection.execute(SQL["let_go"], {"id": rows[0].number, "now": now})
    elif len(rows) > 1:
        _bundle(connection, phone, rows, now)


def _bundle(connection: Connection, phone: str, rows: Sequence[Waiting], now: datetime) -> None:
    is_after_outage = any(not one.is_held or one.reason == Why.NO_ROUTE_FOR_A_WHILE for one in rows)
    why = Bundle.AFTER_OUTAGE if is_after_outage else Bundle.TOGETHER
    # Of one alert several may have waited: the ladder comes back to who has not answered. News goes before the known.
    items: dict[int, Item] = {}
    for one in rows:
        is_over, is_known = one.kind == MessageKind.RESOLVED, one.kind == MessageKind.REMINDER
        items.setdefault(one.alert_id, Item(one.code, one.zone_name, one.fault, is_over, is_known))
    text = digest_text(rows[0].language, list(items.values()), why)
    ((bundle,),) = connection.execute(
        SQL["bundle"],
        {
            "ref": uuid.uuid4(), "zone": rows[0].zone_id, "contact": rows[0].contact_id, "phone": phone,
            "language": rows[0].language, "text": text, "segments": segments(text).number,
            "urgency": max(Urgency(one.urgency) for one in rows), "route": max(one.route for one in rows), "now": now,
            "valid_until": now + VALID_FOR,
        },
    ).fetchall()  # fmt: skip
    connection.execute(SQL["replace"], {"bundles": [one.told_in for one in rows if one.told_in is not None]})
    connection.execute(
        SQL["take_in"],
        {
            "bundle": bundle,
            "now": now,
            "valid_until": now + VALID_FOR,
            "is_after_outage": is_after_outage,
            "waiting": [one.number for one in rows],
        },
    )
