"""SMS as pages and API read them: who was told what, what became of it, what came back, and how the routes are.

What nobody knows is never called delivered: it has a place of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from ingest.db import Connection, queries
from web.errors import NotThere
from web.masks import hide_phone, hide_phones

SQL = queries("web", "sms")

COUNTED = timedelta(days=7)
ASKED_LATE = timedelta(minutes=5)  # routes are asked once a minute


class Group(StrEnum):
    """States of notifications that people look for together."""

    WAITING = "waiting"
    UNKNOWN = "unknown"
    FAILED = "failed"
    DELIVERED = "delivered"


STATES: dict[Group, list[str]] = {
    Group.WAITING: ["held", "queued", "submitting"],
    Group.UNKNOWN: ["uncertain", "accepted", "no_receipt", "abandoned"],
    Group.FAILED: ["failed", "undelivered", "expired"],
    Group.DELIVERED: ["delivered"],
}


@dataclass(frozen=True, slots=True)
class Notification:
    """One attempt to tell one person one thing."""

    notification_id: int
    alert_id: int | None
    zone_id: str | None
    contact_id: int | None
    name: str
    role: str
    phone: str
    kind: str
    step: str
    reason: str
    language: str
    text: str
    segments: int
    urgency: int
    carrier: str
    state: str
    attempts: int
    provider_id: str | None
    error: str | None
    possible_duplicate: bool
    settled_by: str | None
    created_at: datetime
    next_try_at: datetime
    valid_until: datetime
    submitted_at: datetime | None
    accepted_at: datetime | None
    delivered_at: datetime | None

    @property
    def group(self) -> Group | None:
        """Where people look for it; None for what was replaced and never had to leave."""
        return next((group for group, states in STATES.items() if self.state in states), None)

    @property
    def shown_text(self) -> str:
        """The text as people may read it: the repairer's number in it shows its last three digits."""
        return hide_phones(self.text)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One hand-over to a route; without an outcome it is under way or nobody was there to hear of it."""

    notification_id: int
    carrier: str
    began_at: datetime
    ended_at: datetime | None
    outcome: str | None
    provider_id: str | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class ReceiptSeen:
    """A receipt as it came."""

    notification_id: int
    carrier: str
    provider_ids: list[str]
    fate: str
    at: datetime
    received_at: datetime
    phone: str | None
    raw: str

    @property
    def shown_raw(self) -> str:
        """The raw receipt with its phone masked; its ids stay whole."""
        return hide_phone(self.raw, self.phone) if self.phone else self.raw


@dataclass(frozen=True, slots=True)
class Inbound:
    """What came in: an SMS, or a call that nobody answered."""

    sms_in_id: int
    kind: str
    carrier: str
    phone: str
    text: str
    received_at: datetime
    contact_id: int | None
    name: str
    role: str
    alert_id: int | None
    intention: str | None
    is_sure: bool | None
    handled_at: datetime | None
    may_be_repeat: bool

    @property
    def shown_text(self) -> str:
        """The text as people may read it."""
        return hide_phones(self.text)


@dataclass(frozen=True, slots=True)
class Stranger:
    """A phone that belongs to nobody we know, and what it sent."""

    phone: str
    sms: int
    calls: int
    first_at: datetime
    last_at: datetime
    last_id: int
    last_text: str

    @property
    def shown_text(self) -> str:
        """The last text as people may read it."""
        return hide_phones(self.last_text)


@dataclass(frozen=True, slots=True)
class Story:
    """A notification with all that happened to it."""

    told: Notification
    attempts: tuple[Attempt, ...]
    receipts: tuple[ReceiptSeen, ...]
    answers: tuple[Inbound, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many wait now, and what became of those of the last days."""

    waiting: int
    unknown: int
    failed: int
    delivered: int


@dataclass(frozen=True, slots=True)
class Route:
    """How a route was when it was last asked."""

    carrier: str
    is_up: bool
    since: datetime
    detail: str
    balance: float | None
    balance_unit: str
    expires_at: datetime | None
    asked_at: datetime
    low_since: datetime | None

    def is_stale(self, now: datetime) -> bool:
        """Whether nobody has asked it lately, so that nothing can be said of it now."""
        return now - self.asked_at > ASKED_LATE


def _notifications(which: str) -> str:
    return f"{SQL['notifications']} {SQL[which]}"


def notifications_of(connection: Connection, alert_ids: Sequence[int]) -> dict[int, list[Notification]]:
    """alert_id → who was told what about it, oldest first."""
    found: dict[int, list[Notification]] = defaultdict(list)
    if alert_ids:
        for row in connection.execute(_notifications("of_alerts"), {"alerts": list(alert_ids)}):
            told = Notification(*row)
            if told.alert_id is not None:
                found[told.alert_id].append(told)
    return found


def notifications_page(
    connection: Connection,
    *,
    group: Group | None = None,
    state: str | None = None,
    zone: str | None = None,
    before: tuple[datetime, int] | None = None,
    limit: int,
) -> list[Notification]:
    """Notifications newest first, of a group of states or of one; `before` is the last one already seen."""
    states = [state] if state is not None else None if group is None else STATES[group]
    parameters = {"states": states, "zone": zone, "limit": limit} | _before(before)
    return [Notification(*row) for row in connection.execute(_notifications("page"), parameters)]


def find_story(connection: Connection, notification_id: int) -> Story:
    """One notification with all that happened to it; `NotThere` when there is none of this id."""
    row = (
        connection.execute(_notifications("one"), {"id": notification_id}).fetchone()
        if abs(notification_id) < 2**63
        else None
    )
    if row is None:
        raise NotThere("notification", notification_id)
    (story,) = stories_of(connection, [Notification(*row)])
    return story


def stories_of(connection: Connection, told: Sequence[Notification]) -> list[Story]:
    """What happened to each of them: hand-overs, receipts, and what its owner answered about the same alert."""
    ids = {"ids": [one.notification_id for one in told]}
    attempts, receipts = defaultdict(list), defaultdict(list)
    for row in connection.execute(SQL["attempts"], ids):
        attempts[row[0]].append(Attempt(*row))
    for row in connection.execute(SQL["receipts"], ids):
        receipts[row[0]].append(ReceiptSeen(*row))
    answers = {alert: inbound_about(connection, alert) for alert in {one.alert_id for one in told} if alert is not None}
    return [
        Story(
            one,
            tuple(attempts[one.notification_id]),
            tuple(receipts[one.notification_id]),
            tuple(
                came
                for came in (answers[one.alert_id] if one.alert_id is not None else ())
                if came.phone == one.phone and came.received_at >= one.created_at
            ),
        )
        for one in told
    ]


def inbound_about(connection: Connection, alert_id: int) -> list[Inbound]:
    """What came in about an alert, oldest first."""
    return [Inbound(*row) for row in connection.execute(SQL["in_alert"], {"alert": alert_id})]


def inbound_page(
    connection: Connection,
    *,
    known: bool | None = None,
    kind: str | None = None,
    before: tuple[datetime, int] | None = None,
    limit: int,
) -> list[Inbound]:
    """What came in, newest first; `known` chooses whether from somebody we know, `kind` between `sms` and `call`."""
    parameters = {"known": known, "kind": kind, "limit": limit} | _before(before)
    return [Inbound(*row) for row in connection.execute(SQL["inbound"], parameters)]


def strangers_page(connection: Connection, *, before: tuple[datetime, int] | None = None, limit: int) -> list[Stranger]:
    """Unknown phones that wrote or rang, the newest first."""
    return [Stranger(*row) for row in connection.execute(SQL["strangers"], {"limit": limit} | _before(before))]


def fetch_counts(connection: Connection, now: datetime) -> Counts:
    """How many wait now, and what became of those of the last seven days."""
    parameters: dict[str, object] = {"since": now - COUNTED}
    parameters |= {group.value: states for group, states in STATES.items()}
    return Counts(*connection.execute(SQL["counts"], parameters).fetchone() or (0, 0, 0, 0))


def fetch_routes(connection: Connection) -> list[Route]:
    """All routes that were ever asked."""
    return [Route(*row) for row in connection.execute(SQL["routes"])]


def _before(before: tuple[datetime, int] | None) -> dict[str, object]:
    return {"before_at": before[0] if before else None, "before_id": before[1] if before else None}
