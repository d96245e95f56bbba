"""Messages that could not be accepted: nothing is thrown away in silence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from ingest.db import queries
from web.cursors import cursor_of, read_cursor
from web.errors import NotThere
from web.pages.page import PageOf

SQL = queries("web", "set_aside")
router = APIRouter()

PER_PAGE = 50
PREVIEW_BYTES, WHOLE_BYTES = 160, 64 * 1024


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


def readable(payload: bytes) -> str:
    """Printable UTF-8 as it stands (its end may be cut within a letter), anything else in hexadecimal."""
    text = payload.decode("utf-8", errors="replace").rstrip("\ufffd")
    if text and all(letter.isprintable() or letter in "\n\r\t" for letter in text) and "\ufffd" not in text:
        return text
    return payload.hex(" ")


@router.get("/mis-de-cote")
def set_aside(page: PageOf, suite: Annotated[str | None, Query()] = None) -> Response:
    """The newest of them; `suite` goes on from a page before."""
    before = None if suite is None else read_cursor(suite, "suite")
    parameters = {
        "preview": PREVIEW_BYTES, "limit": PER_PAGE + 1,
        "before_at": before[0] if before else None, "before_id": before[1] if before else None,
    }  # fmt: skip
    found = [SetAside(*row) for row in page.connection.execute(SQL["page"], parameters)]
    more = (
        cursor_of(found[PER_PAGE - 1].received_at, found[PER_PAGE - 1].set_aside_id) if len(found) > PER_PAGE else None
    )
    return page.render("set_aside.html", found=found[:PER_PAGE], suite=more)


@router.get("/mis-de-cote/{set_aside_id}")
def one(page: PageOf, set_aside_id: int) -> Response:
    """One message with all its bytes."""
    row = page.connection.execute(SQL["one"], {"id": set_aside_id, "preview": WHOLE_BYTES}).fetchone()
    if row is None:
        raise NotThere("set-aside message", set_aside_id)
    return page.render("set_aside_one.html", message=SetAside(*row))
