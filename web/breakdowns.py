"""Breakdowns that people report, as the page of their zone shows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from alerts.breakdown import close_report, reopen_report
from alerts.closing import BreakdownCause
from ingest.audit import record
from ingest.db import Connection, queries
from web.errors import NotThere

SQL = queries("web", "breakdowns")
CLOSED_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Report:
    """What somebody reported in their own words, and how it ended."""

    report_id: int
    reported_at: datetime
    text: str
    name: str
    role: str
    phone: str
    closed_at: datetime | None
    closed_by: str | None
    cause: str | None
    told_at: datetime | None


def fetch_reports(connection: Connection, zone_id: str) -> list[Report]:
    """What is open in a zone and the last that is closed, the open ones first."""
    return [Report(*row) for row in connection.execute(SQL["of_zone"], {"zone": zone_id, "closed": CLOSED_SHOWN})]


def close_by_hand(connection: Connection, report_id: int, *, cause: BreakdownCause, who: str, now: datetime) -> str:
    """Say what a report was and that it is over; returns its zone. A second time changes nothing.

    Raises
    ------
    NotThere : there is no such report
    """
    zone = _zone_of(connection, report_id)
    with connection.transaction():
        if close_report(connection, report_id, cause=cause, who=who, now=now):
            after = {"cause": cause.value}
            record(connection, who=who, what="report_closed", subject=f"P{report_id}", zone=zone, after=after, now=now)
    return zone


def reopen_by_hand(connection: Connection, report_id: int, *, who: str, now: datetime) -> str:
    """Undo the closing of a report; returns its zone. A second time changes nothing.

    Raises
    ------
    NotThere : there is no such report
    """
    zone = _zone_of(connection, report_id)
    with connection.transaction():
        cause = reopen_report(connection, report_id)
        if cause is not None:
            before = {"cause": cause}
            record(
                connection, who=who, what="report_reopened", subject=f"P{report_id}", zone=zone, before=before, now=now
            )  # fmt: skip
    return zone


def _zone_of(connection: Connection, report_id: int) -> str:
    row = connection.execute(SQL["zone_of"], {"report": report_id}).fetchone()
    if row is None:
        raise NotThere("report", str(report_id))
    return str(row[0])
