"""The demo's on-screen phone: what a handset would hold, and answers typed on it. Fictional people only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ingest.db import Connection, queries
from web.errors import BadParameter, NotThere

SQL = queries("web", "phone")

SHOWN = 50  # messages; an old handset keeps about as many
LONGEST_REPLY = 160  # one GSM-7 segment


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a phone in the demo."""

    contact_id: int
    name: str
    role: str
    phone: str
    language: str
    zone_id: str
    zone_name: str
    newest_at: datetime | None
    unread: int


@dataclass(frozen=True, slots=True)
class Sms:
    """A message on the phone; `direction` is `in` or `out`, times are platform time, `at` is when it came or went."""

    direction: str
    ref: str
    text: str
    sent_at: datetime
    delivered_at: datetime | None
    read_at: datetime | None
    at: datetime


def people(connection: Connection) -> list[Person]:
    """All people of fictional zones, by zone and rank."""
    return [Person(*row) for row in connection.execute(SQL["people"])]


def messages(connection: Connection, phone: str) -> list[Sms]:
    """What the phone holds, newest first."""
    return [Sms(*row) for row in connection.execute(SQL["messages"], {"phone": phone, "limit": SHOWN})]


def mark_read(connection: Connection, phone: str, *, now: datetime) -> None:
    """Somebody looked at the phone's screen."""
    connection.execute(SQL["mark_read"], {"phone": phone, "now": now})


def require_known(connection: Connection, phone: str) -> None:
    """Refuse a phone that belongs to nobody fictional."""
    row = connection.execute(SQL["is_known"], {"phone": phone}).fetchone()
    if row is None or not row[0]:
        raise NotThere("phone", phone)


def reply(connection: Connection, phone: str, text: str, *, now: datetime) -> int:
    """Send a text from the phone; returns its number.

    Raises
    ------
    BadParameter : the text is empty or longer than one segment
    """
    text = text.strip()
    if not 1 <= len(text) <= LONGEST_REPLY:
        raise BadParameter("text", text, f"has not 1 to {LONGEST_REPLY} characters")
    row = connection.execute(SQL["insert_reply"], {"phone": phone, "text": text, "now": now}).fetchone()
    return int(row[0]) if row else 0
