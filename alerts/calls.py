"""The list of people to be called by hand: the ladder's last step, for somebody at a desk."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from alerts.actions import note
from alerts.closing import UNDO_WITHIN
from ingest.db import Connection, queries

SQL = queries("alerts", "calls")


@dataclass(frozen=True, slots=True)
class Call:
    """Somebody is to be called; without a name the zone has nobody of a fitting role.

    `alert_id`, `code` and `fault` are None where it is about the zone and not about an alert; `called_by` is who has.
    """

    call_id: int
    alert_id: int | None
    code: str | None
    fault: str | None
    severity: int
    zone_id: str
    zone_name: str
    why: str
    since: datetime
    name: str | None
    role: str | None
    phone: str | None
    called_by: str | None


def calls_due(connection: Connection) -> list[Call]:
    """Whom to call about live alerts and about zones, the gravest and oldest first."""
    return [Call(*row) for row in connection.execute(SQL["listed"], {"called_since": None})]


def just_called(connection: Connection, now: datetime) -> list[Call]:
    """Whom somebody has called a moment ago, so that it can be taken back."""
    return [Call(*row) for row in connection.execute(SQL["listed"], {"called_since": now - UNDO_WITHIN})]


class Called(NamedTuple):
    """What somebody called about: an alert, or without one a zone."""

    alert_id: int | None
    zone_id: str | None
    why: str


def mark_called(connection: Connection, call_id: int, *, who: str, now: datetime) -> Called | None:
    """Somebody has called; it stands in the alert's story. A second time changes nothing and is None."""
    with connection.transaction():
        row = connection.execute(SQL["called"], {"call": call_id, "who": who, "now": now}).fetchone()
        if row is None:
            return None
        called = Called(*row)
        if called.alert_id is not None:
            note(connection, called.alert_id, kind="called", who=who, at=now)
    return called


def take_back(connection: Connection, call_id: int, *, who: str, now: datetime) -> Called | None:
    """Nobody has called after all. None when nobody was said to have, or when it is too late."""
    with connection.transaction():
        row = connection.execute(SQL["not_called"], {"call": call_id, "since": now - UNDO_WITHIN}).fetchone()
        if row is None:
            return None
        called = Called(*row)
        if called.alert_id is not None:
            note(connection, called.alert_id, kind="uncalled", who=who, at=now)
    return called
