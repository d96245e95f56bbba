"""Messages that were set aside, as pages, API and command line read them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ingest.db import Connection, queries
from web.errors import NotThere

SQL = queries("web", "set_aside")

PREVIEW_BYTES = 160


@dataclass(frozen=True, slots=True)
class SetAside:
    """A message as it came, and why it was not taken; `payload` may be only its beginning."""

    set_aside_id: int
    received_at: datetime
    topic: str
    zone_id: str | None
    gateway_id: str | None
    reason: str
    detail: str
    size: int
    payload: bytes
    replayed_at: datetime | None

    @property
    def text(self) -> str:
        """The payload as text where it is printable UTF-8, else its bytes in hexadecimal."""
        return readable(self.payload)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is set aside for one reason in one zone (None: in none that is known) and was not replayed yet."""

    reason: str
    zone_id: str | None
    count: int
    oldest_at: datetime
    newest_at: datetime


def readable(payload: bytes) -> str:
    """Printable UTF-8 as it stands (its end may be cut within a letter), anything else in hexadecimal."""
    text = payload.decode("utf-8", errors="replace").rstrip("\ufffd")
    if text and all(letter.isprintable() or letter in "\n\r\t" for letter in text) and "\ufffd" not in text:
        return text
    return payload.hex(" ")


def set_aside_page(
    connection: Connection,
    *,
    zone: str | None = None,
    reason: str | None = None,
    since: datetime | None = None,
    is_waiting: bool | None = None,
    before: tuple[datetime, int] | None = None,
    limit: int,
) -> list[SetAside]:
    """Messages newest first, with the beginning of their bytes.

    An empty `zone` asks for those whose zone is not known; `is_waiting` for those not replayed yet (False: replayed).
    `before` is (received_at, set_aside_id) of the last one already seen.
    """
    parameters = {
        "zone": zone, "reason": reason, "since": since, "is_waiting": is_waiting, "preview": PREVIEW_BYTES,
        "before_at": before[0] if before else None, "before_id": before[1] if before else None, "limit": limit,
    }  # fmt: skip
    return [SetAside(*row) for row in connection.execute(SQL["page"], parameters)]


def find_set_aside(connection: Connection, set_aside_id: int) -> SetAside:
    """One message with all its bytes; `NotThere` when there is none of this id."""
    row = connection.execute(SQL["one"], {"id": set_aside_id}).fetchone() if abs(set_aside_id) < 2**63 else None
    if row is None:
        raise NotThere("set-aside message", set_aside_id)
    return SetAside(*row)


def fetch_waiting(connection: Connection) -> list[Waiting]:
    """What waits, by reason and zone, most first."""
    return [Waiting(*row) for row in connection.execute(SQL["waiting"])]
