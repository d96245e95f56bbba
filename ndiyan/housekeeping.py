"""Once a day the keeper lets go of what nobody needs any more, by the policy of the settings, and counts it.

Never of a reading, an alert or its story, a gateway's account or the journal: reports and proofs of years later rest on
them. What is let go of is how things came and went: bytes, texts, receipts, links.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time, timedelta
from types import MappingProxyType

import psycopg

from ingest.db import Connection, connect, queries
from ndiyan.keeper import beat

log = logging.getLogger(__name__)

SQL = queries("ndiyan", "housekeeping")
AT = time(3, 30)  # after the backup of the night has usually been made
MOST = 10_000  # rows at once
# What each setting rules, in the order in which it is done.
RULED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "raw": ("raw_messages", "brought_files"),
        "sms": ("sms_texts", "sms_answers", "receipts", "handset"),
        "set_aside": ("set_aside",),
        "traces": ("route_events", "webhooks", "login_links"),
    }
)
Retention = Mapping[str, int]  # days by key of `RULED`; 0 keeps for ever


def tidy(connection: Connection, retention: Retention, now: datetime) -> dict[str, dict[str, int]]:
    """Let go of what is old; returns for each kind how many days are kept and how many rows went."""
    went: dict[str, dict[str, int]] = {}
    for key, kinds in RULED.items():
        days = retention[key]
        for kind in kinds:
            number = _let_go(connection, kind, now - timedelta(days=days)) if days else 0
            went[kind] = {"days": days, "went": number}
    log.info("tidied up", extra={kind: one["went"] for kind, one in went.items() if one["went"]})
    return went


def _let_go(connection: Connection, kind: str, before: datetime) -> int:
    total = 0
    while True:
        number = connection.execute(SQL[kind], {"before": before, "most": MOST}).rowcount
        total += number
        if number < MOST:
            return total


def housekeeping(url: str, retention: Retention) -> Callable[[datetime], None]:
    """A chore for the keeper: tidies up once a day; when it was done is in the database, so a restart repeats none."""

    def look(now: datetime) -> None:
        try:
            with connect(url, application="ndiyan-housekeeping") as connection:
                row = connection.execute(SQL["done"]).fetchone()
                if row is None or row[0] < _last_due(now):
                    beat(connection, "housekeeping", now, tidy(connection, retention, now))
        except psycopg.Error as error:
            log.warning("not tidied up: %s", str(error).splitlines()[0])

    return look


def _last_due(now: datetime) -> datetime:
    due_at = datetime.combine(now.date(), AT, UTC)
    return due_at if due_at <= now else due_at - timedelta(days=1)
