"""Alerts as pages and API read them: the record and its events. Who was told what is in `sms.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, NamedTuple

from alerts.closing import may_undo
from alerts.shelf import is_shelved
from ingest.db import Connection, queries
from web.errors import NotThere
from web.masks import hide_phones

SQL = queries("web", "alerts")

MARKS = ("confirmed", "repair_claimed", "false_alarm_claimed")  # events by which people say what an alert was worth


class Pile(StrEnum):
    """Where an alert lies: what is still to be done about it."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    SHELVED = "shelved"
    ENDED = "ended"  # over, and nobody has named its cause
    CLOSED = "closed"
    QUIET = "quiet"  # over and needs no cause: found late, explained by another, or for information alone


@dataclass(frozen=True, slots=True)
class Photo:
    """A picture of an alert without its pixels."""

    photo_id: int
    added_at: datetime
    added_by: str
    shows: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Alert:
    """The record people act on, with its zone's name and size; columns of table `alert`."""

    alert_id: int
    code: str
    zone_id: str
    zone_name: str
    people: int
    fault: str
    asset_id: str
    severity: int
    state: str
    first_evidence_at: datetime
    last_evidence_at: datetime
    opened_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    resolved_at: datetime | None
    is_late: bool
    confidence: float
    evidence: dict[str, Any]
    explained_by: int | None
    times: int = 1
    shelved_until: datetime | None = None
    shelved_by: str | None = None
    shelved_why: str | None = None
    assigned_to: str | None = None
    cause: str | None = None
    closed_at: datetime | None = None
    closed_by: str | None = None
    ended_by_hand: bool = False
    ended_at: datetime | None = None  # by the readings; `resolved_at` is when we knew

    @property
    def is_live(self) -> bool:
        """Whether it still needs somebody."""
        return self.state != "resolved"

    def is_shelved(self, now: datetime) -> bool:
        """Whether it lies on the shelf: nobody is told of it for now."""
        return self.is_live and is_shelved(self.shelved_until, now)

    def may_reopen(self, now: datetime) -> bool:
        """Whether its closing can still be taken back."""
        return may_undo(self.closed_at, now)

    def sentence(self, language: str) -> str:
        """What the detector saw, in words."""
        sentences = self.evidence.get("sentence", {})
        return str(sentences.get(language) or sentences.get("fr") or "")


class Told(NamedTuple):
    """A message to somebody of a zone, or (without `notification_id`) from them; `alert_id` is what it is about."""

    at: datetime
    name: str
    notification_id: int | None
    alert_id: int | None


class Visit(NamedTuple):
    """What was seen and done on a visit, and on which alert it was noted."""

    at: datetime
    text: str
    alert_id: int


@dataclass(frozen=True, slots=True)
class Event:
    """One line of an alert's story, in platform time."""

    event_id: int
    at: datetime
    kind: str
    who: str
    detail: dict[str, Any]

    @property
    def day(self) -> date:
        """The day that it is about: of a visit the one that was said, else its own."""
        return date.fromisoformat(self.detail["on"]) if "on" in self.detail else self.at.date()

    @property
    def shown_detail(self) -> dict[str, Any]:
        """The detail as people may read it: phone numbers in texts show their last three digits."""
        return {name: hide_phones(value) if isinstance(value, str) else value for name, value in self.detail.items()}


@dataclass(frozen=True, slots=True)
class Member:
    """One person of a zone's committee."""

    contact_id: int
    name: str
    role: str
    phone: str
    language: str
    tap: str | None


def _alerts(which: str) -> str:
    return f"{SQL['alerts']} {SQL[which]}"


def live_alerts(
    connection: Connection,
    *,
    zone: str | None = None,
    fault: str | None = None,
    piles: Sequence[Pile] | None = None,
    now: datetime | None = None,
) -> list[Alert]:
    """Alerts that are not over, gravest first, then by people affected. `piles` are those of `now`."""
    parameters = {"zone": zone, "fault": fault, "now": now, "piles": None if piles is None else list(piles)}
    return [Alert(*row) for row in connection.execute(_alerts("live"), parameters)]


def count_piles(
    connection: Connection, *, now: datetime, since: datetime, zone: str | None = None, fault: str | None = None
) -> dict[Pile, int]:
    """How many alerts lie where; of those that are over, the ones that ended since an instant."""
    asked = {"now": now, "since": since, "zone": zone, "fault": fault}
    rows = dict(connection.execute(SQL["count_piles"], asked).fetchall())
    return {pile: rows.get(pile.value, 0) for pile in Pile}


def faults_seen(connection: Connection) -> list[str]:
    """What alerts there ever were about."""
    return [fault for (fault,) in connection.execute(SQL["faults"])]


def photos_of(connection: Connection, alert_id: int) -> list[Photo]:
    """The photos of an alert, oldest first; phone numbers in their words show their last three digits."""
    return [
        Photo(photo, at, who, hide_phones(shows), *size)
        for photo, at, who, shows, *size in connection.execute(SQL["photos"], {"alert": alert_id})
    ]


def photo_bytes(connection: Connection, alert_id: int, photo_id: int) -> bytes:
    """A photo as JPEG; `NotThere` when this alert has none of this id."""
    row = connection.execute(SQL["photo"], {"alert": alert_id, "photo": photo_id}).fetchone()
    if row is None:
        raise NotThere("photo", photo_id)
    return bytes(row[0])


def alerts_page(
    connection: Connection,
    *,
    zone: str | None = None,
    states: Sequence[str] | None = None,
    piles: Sequence[Pile] | None = None,
    fault: str | None = None,
    now: datetime | None = None,
    before: tuple[datetime, int] | None = None,
    limit: int,
) -> list[Alert]:
    """Alerts newest first; `before` is (opened_at, alert_id) of the last one seen, `piles` are those of `now`."""
    parameters = {
        "zone": zone, "states": None if states is None else list(states), "limit": limit, "fault": fault, "now": now,
        "piles": None if piles is None else list(piles),
        "before_at": before[0] if before else None, "before_id": before[1] if before else None,
    }  # fmt: skip
    return [Alert(*row) for row in connection.execute(_alerts("page"), parameters)]


def find_alert(connection: Connection, alert_id: int) -> Alert:
    """One alert; `NotThere` when there is none of this id."""
    row = connection.execute(_alerts("one"), {"alert": alert_id}).fetchone()
    if row is None:
        raise NotThere("alert", alert_id)
    return Alert(*row)


def alerts_within(connection: Connection, zone_id: str, start: datetime, end: datetime) -> list[Alert]:
    """Alerts of a zone that were on at some moment of [start, end]."""
    return [Alert(*row) for row in connection.execute(_alerts("within"), _within(zone_id, start, end))]


def events_of(connection: Connection, alert_id: int) -> list[Event]:
    """The story of an alert, in the order in which it happened."""
    return [Event(*row) for row in connection.execute(SQL["events"], {"alert": alert_id})]


def explained_alerts(connection: Connection, alert_id: int) -> list[Alert]:
    """The alerts that this one explains, in the order in which they began."""
    return [Alert(*row) for row in connection.execute(_alerts("explained"), {"alert": alert_id})]


def last_mark(events: Sequence[Event]) -> Event | None:
    """The last word that people said on whether an alert was right; None while nobody said any."""
    return next((event for event in reversed(events) if event.kind in MARKS), None)


def told_between(connection: Connection, zone_id: str, start: datetime, end: datetime) -> list[Told]:
    """Each message to and from the people of a zone within [start, end)."""
    return [Told(*row) for row in connection.execute(SQL["told_between"], _within(zone_id, start, end))]


def visits_between(connection: Connection, zone_id: str, start: datetime, end: datetime) -> list[Visit]:
    """Each visit to a zone within [start, end)."""
    return [Visit(*row) for row in connection.execute(SQL["visits_between"], _within(zone_id, start, end))]


def settings_between(
    connection: Connection, zone_id: str, start: datetime, end: datetime
) -> list[tuple[datetime, str, float | None]]:
    """(when, parameter, value) of each number of a rule that was changed for a zone; None: back to what it was."""
    return list(connection.execute(SQL["settings_between"], _within(zone_id, start, end)))


def _within(zone_id: str, start: datetime, end: datetime) -> dict[str, object]:
    return {"zone": zone_id, "start": start, "end": end}


def committee_of(connection: Connection, zone_id: str) -> list[Member]:
    """The committee of a zone in the order of its file."""
    return [Member(*row) for row in connection.execute(SQL["committee"], {"zone": zone_id})]
