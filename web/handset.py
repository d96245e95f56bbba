"""The demo's on-screen phone: what a 2G handset holds and shows, the network around it, and what is done with it.

Fictional people only.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from datetime import datetime, timedelta

from ingest.db import Connection, queries
from web.errors import BadParameter, NotThere

SQL = queries("web", "phone")

SHOWN = 50  # messages; an old handset keeps about as many
LONGEST_REPLY = 160  # one GSM-7 segment
COLUMNS, LINES = 14, 5  # of letters on the screen of a 2G phone (SMS.md §7.5)
MOST_BARS = 4
LONGEST_DELAY = timedelta(days=1)


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
    """A message on the phone; `direction` is `in`, `out` or `rang` (the owner rang us, without a text).

    Times are platform time, `at` is when it came or went.
    """

    direction: str
    ref: str
    text: str
    sent_at: datetime
    delivered_at: datetime | None
    read_at: datetime | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Network:
    """The handset and the network around it.

    Parameters
    ----------
    bars : 0 (out of reach) to 4
    delay : of every SMS, on top of the usual seconds
    loss_pct : of the SMS to this handset that the network loses without a word
    repeats : the handset shows every SMS twice
    """

    is_on: bool = True
    bars: int = MOST_BARS
    delay: timedelta = timedelta()
    loss_pct: int = 0
    repeats: bool = False

    @property
    def is_reachable(self) -> bool:
        """Whether anything comes and goes."""
        return self.is_on and self.bars > 0


def people(connection: Connection) -> list[Person]:
    """All people of fictional zones, by zone and rank."""
    return [Person(*row) for row in connection.execute(SQL["people"])]


def find_person(everybody: list[Person], contact: int | None) -> Person | None:
    """The one that was asked for; without a choice whoever got the newest message, None where nobody has a phone.

    Raises
    ------
    NotThere : nobody has this number
    """
    if contact is not None:
        found = next((person for person in everybody if person.contact_id == contact), None)
        if found is None:
            raise NotThere("contact", contact)
        return found
    told = [(person.newest_at, person) for person in everybody if person.newest_at is not None]
    return max(told, key=lambda pair: pair[0])[1] if told else next(iter(everybody), None)


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
    BadParameter : the text is empty or longer than one segment, or the phone is off or out of reach
    """
    text = text.strip()
    if not 1 <= len(text) <= LONGEST_REPLY:
        raise BadParameter("text", text, f"has not 1 to {LONGEST_REPLY} characters")
    return _send(connection, phone, text, now)


def ring(connection: Connection, phone: str, *, now: datetime) -> int:
    """Ring and hang up: a call that nobody answers costs nothing; returns its number.

    Raises
    ------
    BadParameter : the phone is off or out of reach
    """
    return _send(connection, phone, None, now)


def _send(connection: Connection, phone: str, text: str | None, now: datetime) -> int:
    if not network_of(connection, phone).is_reachable:
        raise BadParameter("phone", phone, "is switched off or out of reach")
    row = connection.execute(SQL["insert_reply"], {"phone": phone, "text": text, "now": now}).fetchone()
    return int(row[0]) if row else 0


def network_of(connection: Connection, phone: str) -> Network:
    """The network around a handset; a good one where nobody has said anything else."""
    row = connection.execute(SQL["network"], {"phone": phone}).fetchone()
    return Network(*row) if row else Network()


def set_network(connection: Connection, phone: str, network: Network, *, now: datetime) -> None:
    """Change it; what is under way obeys at once.

    Raises
    ------
    BadParameter : out of bounds
    """
    if not 0 <= network.bars <= MOST_BARS:
        raise BadParameter("bars", network.bars, f"is not 0 to {MOST_BARS}")
    if not timedelta() <= network.delay <= LONGEST_DELAY:
        raise BadParameter("delay", network.delay, f"is not 0 to {LONGEST_DELAY}")
    if not 0 <= network.loss_pct <= 100:
        raise BadParameter("loss", network.loss_pct, "is not 0 to 100 %")
    connection.execute(
        SQL["set_network"],
        {
            "phone": phone, "is_on": network.is_on, "bars": network.bars, "delay": network.delay,
            "loss_pct": network.loss_pct, "repeats": network.repeats, "now": now,
        },
    )  # fmt: skip


def screens_of(text: str) -> list[list[str]]:
    """A text as a 2G phone shows it: screens of 5 lines of 14 letters, words whole where they fit."""
    lines = [
        line
        for paragraph in text.splitlines()
        for line in textwrap.wrap(paragraph, COLUMNS, break_on_hyphens=False) or [""]
    ]
    return [lines[at : at + LINES] for at in range(0, len(lines), LINES)] or [[""]]
