"""Breakdowns that people report, as the page of their zone shows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

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


def zone_of_report(connection: Connection, report_id: int) -> str:
    """The zone in which it was reported; `NotThere` when there is no such report."""
    row = connection.execute(SQL["zone_of"], {"report": report_id}).fetchone()
    if row is None:
        raise NotThere("report", str(report_id))
    return str(row[0])
