"""What people wrote, as people look for it: who, when, about what."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from ingest.db import Connection, queries
from web.masks import hide_phones
from web.spreadsheets import csv_text

SQL = queries("web", "audit")

COLUMNS = ("at", "who", "what", "subject", "zone", "before", "after")


class Written(NamedTuple):
    """One thing that somebody wrote; `number` orders what was written at one time."""

    at: datetime
    number: int
    who: str
    what: str
    subject: str
    zone: str | None
    before: str
    after: str


def fetch_written(
    connection: Connection, *, who: str | None, about: str | None, before: tuple[datetime, int] | None, limit: int
) -> list[Written]:
    """The newest first: of whoever's name begins like `who`, about this subject or zone; phones are masked."""
    asked = {"who": who, "about": about, "limit": limit, "before_at": before and before[0],
             "before_number": before and before[1]}  # fmt: skip
    return [
        Written(*row[:6], *(hide_phones(told(part)) for part in row[6:]))
        for row in connection.execute(SQL["written"], asked)
    ]


def as_csv(found: Iterable[Written]) -> str:
    """The same as a table; nothing in it is a formula."""
    return csv_text([COLUMNS, *((one.at.isoformat(), *one[2:]) for one in found)])


def told(part: dict[str, object] | None) -> str:
    """One side of a change as a line."""
    return ", ".join(f"{name} {_plain(value)}" for name, value in (part or {}).items())


def _plain(value: object) -> str:
    """A value as people write it: 4080, not 4080.0, all digits of a place, the names of a list behind each other."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return " ".join(map(_plain, value))
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return "—" if value is None else str(value)
