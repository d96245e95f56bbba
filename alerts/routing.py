"""Who hears what and when: pure decisions that return their reason.

The ladder of people is the committee's own order; engineers and repairers hear first of what only they can mend.
Quiet hours and caps keep a volunteer's phone switched on; they never hold back "no water" (severity 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum

from alerts.shelf import is_shelved
from gateway.model import Fault, State

SECOND_PERSON_AFTER = timedelta(minutes=30)  # SMS.md §5.4
REPAIRER_AFTER = timedelta(minutes=90)
REMINDED_EVERY = timedelta(hours=24)  # of what was taken in charge and still keeps people without water
QUIET_FROM, QUIET_UNTIL = time(21, 0), time(6, 0)  # Guinea is on UTC all year
PER_HOUR, PER_DAY = 6, 20
NO_WATER = 3
CALM_AGAIN_AFTER = timedelta(hours=68)  # a state is told calmly: at most every third morning
REMEMBERED = timedelta(days=3)  # of what people were told; all that a decision looks at

FIRST_ROLES = ("exploitant", "president", "fontainier", "tresorier", "hygiene")
SECOND_ROLES = ("president", "tresorier", "fontainier", "hygiene", "exploitant")
BY_SPECIALISTS: dict[str, tuple[str, ...]] = {
    Fault.COMMS_OUTAGE: ("ingenieur", "reparateur", "exploitant"),
    Fault.SENSOR_STUCK: ("reparateur", "ingenieur", "exploitant"),
    Fault.SENSOR_DRIFT: ("reparateur", "ingenieur", "exploitant"),
    Fault.SENSOR_SPIKES: ("reparateur", "ingenieur", "exploitant"),
    Fault.SENSOR_OUT_OF_RANGE: ("reparateur", "ingenieur", "exploitant"),
    Fault.FLOW_METER_STOPPED: ("reparateur", "ingenieur", "exploitant"),
    Fault.CLOCK_ERROR: ("ingenieur", "reparateur", "exploitant"),
    Fault.GATEWAY_BATTERY_LOW: ("reparateur", "ingenieur", "exploitant"),
}


class EventKind(StrEnum):
    """What happened to an alert."""

    OPENED = "opened"
    STILL_OPEN = "still_open"
    RESOLVED = "resolved"


class Why(StrEnum):
    """Why a person is told; stored with the notification."""

    FIRST_ON_THE_LADDER = "first_on_the_ladder"
    NOBODY_ANSWERED = "nobody_answered"
    REPAIR_IS_DUE = "repair_is_due"
    STILL_NOT_REPAIRED = "still_not_repaired"
    WAS_TOLD = "was_told"
    HELD_UNTIL_MORNING = "held_until_morning"


@dataclass(frozen=True, slots=True)
class Event:
    """Something about an alert that people may have to hear."""

    kind: EventKind
    alert_id: int
    fault: str
    severity: int
    opened_at: datetime
    acknowledged_at: datetime | None
    is_late: bool
    shelved_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class ContactRow:
    """One person of a zone's committee; a small `rank` is called first among the same role."""

    contact_id: int
    name: str
    role: str
    phone: str
    language: str
    rank: int


@dataclass(frozen=True, slots=True)
class PastNotification:
    """What was queued or sent to somebody of this zone before."""

    alert_id: int | None
    contact_id: int
    fault: str | None
    kind: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Telling:
    """A decision: this person hears this, not before `send_at`."""

    contact: ContactRow
    kind: str
    step: str
    reason: Why
    send_at: datetime


def who_hears(
    event: Event, contacts: Sequence[ContactRow], history: Sequence[PastNotification], *, now: datetime
) -> list[Telling]:
    """Who is told of `event`, and why; empty when nobody is.

    `history` is what this zone's people were told within `REMEMBERED`, and all about this alert.
    """
    if event.is_late:
        return []
    if event.kind is not EventKind.RESOLVED and is_shelved(event.shelved_until, now):
        return []
    if event.kind is EventKind.RESOLVED and event.fault == State.TOWER_EMPTY:
        return []  # a tower fills every day; that is no repair
    if event.kind is EventKind.RESOLVED:
        told = {past.contact_id for past in history if past.alert_id == event.alert_id and past.kind != "resolved"}
        chosen = [(contact, "resolved", "resolved", Why.WAS_TOLD) for contact in contacts if contact.contact_id in told]
    elif event.kind is EventKind.OPENED:
        if event.fault == State.TOWER_EMPTY and _told_lately(event, history, now):
            return []
        first = _first(contacts, BY_SPECIALISTS.get(event.fault, FIRST_ROLES), without=set())
        chosen = [(first, "opened", "first", Why.FIRST_ON_THE_LADDER)] if first else []
    else:
        chosen = _escalation(event, contacts, history, now)
    return [
        Telling(contact, kind, step, Why.HELD_UNTIL_MORNING if send_at > now else reason, send_at)
        for contact, kind, step, reason in chosen
        if _is_within_caps(event, contact, history, now)
        for send_at in [_when(event, kind, now)]
    ]


def _escalation(
    event: Event, contacts: Sequence[ContactRow], history: Sequence[PastNotification], now: datetime
) -> list[tuple[ContactRow, str, str, Why]]:
    about = [past for past in history if past.alert_id == event.alert_id]
    if event.severity < NO_WATER or not about:
        return []
    if event.acknowledged_at is not None:
        return _reminder(event, event.acknowledged_at, contacts, about, now)
    told = {past.contact_id for past in about}
    since = now - event.opened_at
    chosen: list[tuple[ContactRow, str, str, Why]] = []
    if since >= SECOND_PERSON_AFTER and len(told) == 1:
        second = _first(contacts, SECOND_ROLES, without=told)
        if second:
            chosen.append((second, "opened", "second", Why.NOBODY_ANSWERED))
            told.add(second.contact_id)
    if since >= REPAIRER_AFTER:
        repairer = _first(contacts, ("reparateur",), without=told)
        if repairer:
            chosen.append((repairer, "opened", "repairer", Why.REPAIR_IS_DUE))
    return chosen


def _reminder(
    event: Event,
    acknowledged_at: datetime,
    contacts: Sequence[ContactRow],
    about: Sequence[PastNotification],
    now: datetime,
) -> list[tuple[ContactRow, str, str, Why]]:
    """Taken in charge a day ago and still no water: the first person hears of it again, once a day."""
    days = (now - acknowledged_at) // REMINDED_EVERY
    first = _first(contacts, BY_SPECIALISTS.get(event.fault, FIRST_ROLES), without=set())
    reminded = sum(past.kind == "reminder" and now - past.at < REMINDED_EVERY for past in about)
    if days < 1 or first is None or reminded:
        return []
    return [(first, "reminder", f"day-{days}", Why.STILL_NOT_REPAIRED)]


def _first(contacts: Sequence[ContactRow], roles: Sequence[str], *, without: set[int]) -> ContactRow | None:
    for role in roles:
        found = [c for c in contacts if c.role == role and c.contact_id not in without]
        if found:
            return min(found, key=lambda contact: contact.rank)
    return None


def _told_lately(event: Event, history: Sequence[PastNotification], now: datetime) -> bool:
    """In the hot months towers are empty before dawn, day after day: people know, and are told twice a week."""
    return any(
        past.fault == event.fault and past.kind == "opened" and past.alert_id != event.alert_id
        and now - past.at < CALM_AGAIN_AFTER
        for past in history
    )  # fmt: skip


def _is_within_caps(event: Event, contact: ContactRow, history: Sequence[PastNotification], now: datetime) -> bool:
    if event.severity >= NO_WATER or event.kind is EventKind.RESOLVED:
        return True  # who was told of the beginning is told of the end
    ages = [now - past.at for past in history if past.contact_id == contact.contact_id]
    return (
        sum(age < timedelta(hours=1) for age in ages) < PER_HOUR
        and sum(age < timedelta(days=1) for age in ages) < PER_DAY
    )


def _when(event: Event, kind: str, now: datetime) -> datetime:
    """At once; in quiet hours what is not "no water" waits for the morning, and so does what people know already."""
    is_quiet = now.time() >= QUIET_FROM or now.time() < QUIET_UNTIL
    if (event.severity >= NO_WATER and kind != "reminder") or not is_quiet:
        return now
    morning = now.replace(hour=QUIET_UNTIL.hour, minute=0, second=0, microsecond=0)
    return morning if morning > now else morning + timedelta(days=1)
