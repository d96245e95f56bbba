"""What became of a fault that somebody asked the demo for, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from ingest.db import Connection, queries
from web.errors import NotThere
from web.labels import N_
from web.sms import Notification, notifications_of
from web.stories import Alert, find_alert

SQL = queries("web", "breaking")

SHOWN = 20


@dataclass(frozen=True, slots=True)
class DemoFault:
    """A row of `demo_fault`, with its zone's name; all times are platform time."""

    demo_fault_id: int
    zone_id: str
    zone_name: str
    fault: str
    asked_by: str
    asked_at: datetime
    starts_at: datetime
    started_at: datetime | None
    repair_at: datetime | None
    repaired_at: datetime | None


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the way; `took` is since the step before that has happened, `since_asked` since the beginning."""

    name: str
    at: datetime | None
    took: timedelta | None
    since_asked: timedelta | None


@dataclass(frozen=True, slots=True)
class Story:
    """A fault with its way and, once there is one, its alert."""

    fault: DemoFault
    alert: Alert | None
    steps: tuple[Step, ...]

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to come."""
        return self.steps[-1].at is not None


def ask_for(connection: Connection, *, zone: str, fault: str, who: str, now: datetime) -> int:
    """Ask the simulator to break something now; returns the number of the request."""
    row = connection.execute(SQL["insert"], {"zone": zone, "fault": fault, "who": who, "now": now}).fetchone()
    return int(row[0]) if row else 0


def why_busy(connection: Connection, *, zone: str, fault: str) -> str | None:
    """Why this zone cannot be broken now: `unrepaired` or `alert` (one of this kind is live); None when it can."""
    unrepaired, alert = connection.execute(SQL["busy"], {"zone": zone, "fault": fault}).fetchone() or (None, None)
    if unrepaired is not None:
        return "unrepaired"
    return "alert" if alert is not None else None


def recent_faults(connection: Connection) -> list[DemoFault]:
    """What was asked for last."""
    return [DemoFault(*row) for row in connection.execute(SQL["list"], {"limit": SHOWN})]


def fetch_story(connection: Connection, demo_fault_id: int) -> Story:
    """The way of one fault so far.

    Raises
    ------
    NotThere : it was never asked for
    """
    row = connection.execute(SQL["one"], {"id": demo_fault_id}).fetchone()
    if row is None:
        raise NotThere("fault", demo_fault_id)
    fault = DemoFault(*row)
    parameters = {"zone": fault.zone_id, "fault": fault.fault, "since": fault.asked_at}
    found = connection.execute(SQL["alert"], parameters).fetchone()
    alert = find_alert(connection, found[0]) if found else None
    told: list[Notification] = []
    shown_at = None
    if alert is not None:
        told = notifications_of(connection, [alert.alert_id])[alert.alert_id]
        shown_at = (connection.execute(SQL["shown_at"], {"alert": alert.alert_id}).fetchone() or (None,))[0]
    return Story(fault, alert, tuple(steps_of(fault, alert, told, shown_at)))


def steps_of(fault: DemoFault, alert: Alert | None, told: list[Notification], shown_at: datetime | None) -> list[Step]:
    """The way of a fault: each step with its time, None for what has not happened yet."""
    instants = [
        (N_("Demandé"), fault.asked_at),
        (N_("La panne commence"), fault.started_at),
        (N_("Premier indice dans les mesures"), alert.first_evidence_at if alert else None),
        (N_("Alerte ouverte"), alert.opened_at if alert else None),
        (N_("SMS envoyé"), _first_sent(told, "opened")),
        (N_("Affiché sur le téléphone"), shown_at),
        (N_("Prise en charge"), alert.acknowledged_at if alert else None),
        (N_("Le réparateur a fini"), fault.repaired_at),
        (N_("Résolue par les mesures"), alert.resolved_at if alert else None),
        (N_("SMS de clôture envoyé"), _first_sent(told, "resolved")),
    ]
    steps = []
    before = fault.asked_at
    for name, at in instants:
        took = None if at is None else max(timedelta(0), at - before)
        steps.append(Step(name, at, took, None if at is None else max(timedelta(0), at - fault.asked_at)))
        before = before if at is None else max(before, at)
    return steps


def _first_sent(told: list[Notification], kind: str) -> datetime | None:
    sent = [item.submitted_at for item in told if item.kind == kind and item.submitted_at is not None]
    return min(sent, default=None)
