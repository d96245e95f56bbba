"""What is kept of people, and all of it for whoever asks about themselves."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from web.consent import phone_of
from web.errors import BadParameter, NotThere
from web.kept import PARTS, as_csv, as_json, fetch_kept
from web.narrow import widened
from web.pages.page import PageOf

router = APIRouter()

FORMATS = {"json": (as_json, "application/json"), "csv": (as_csv, "text/csv; charset=utf-8")}


@router.get("/messages/accord/donnees")
def what_is_kept(page: PageOf) -> Response:
    """Which data, what for, how long, and how they are erased."""
    return page.render("kept.html", parts=PARTS)


@router.get("/messages/accord/{contact_id}/donnees")
def of_one(page: PageOf, contact_id: int, format: Annotated[str, Query()] = "json") -> Response:
    """Everything that is kept of one person, to take along; who they are must be seen by the visitor."""
    if format not in FORMATS:
        raise BadParameter("format", format, f"is none of {', '.join(FORMATS)}")
    phone = phone_of(page.connection, contact_id)
    with widened(page.connection, page.visitor.zone) as connection:
        kept = fetch_kept(connection, phone)
    if kept is None:
        raise NotThere("contact", str(contact_id))
    write, media = FORMATS[format]
    name = f"ndiyan-{contact_id}.{format}"
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return Response(write(kept), media_type=media, headers=headers)
