"""What is kept of people, and all of it for whoever asks about themselves."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from alerts.errors import StandsElsewhere
from ingest.audit import record
from web.consent import phone_of
from web.errors import BadParameter, NotThere
from web.kept import PARTS, as_csv, as_json, fetch_kept
from web.pages.page import PageOf
from web.pages.sms import people_page

router = APIRouter()

FORMATS = {"json": (as_json, "application/json"), "csv": (as_csv, "text/csv; charset=utf-8")}


@router.get("/messages/accord/donnees")
def what_is_kept(page: PageOf) -> Response:
    """Which data, what for, how long, and how they are erased."""
    return page.render("kept.html", parts=PARTS)


@router.get("/messages/accord/{contact_id}/donnees")
def of_one(page: PageOf, contact_id: int, format: Annotated[str, Query()] = "json") -> Response:
    """Everything that is kept of one person, to take along; who they are must be seen by the visitor.

    A secretary takes along what is of their zone, and nothing of who is in another committee too.
    """
    if format not in FORMATS:
        raise BadParameter("format", format, f"is none of {', '.join(FORMATS)}")
    phone = phone_of(page.connection, contact_id)
    try:
        kept = fetch_kept(page.connection, phone, narrowed=page.visitor.zone)
    except StandsElsewhere:
        return people_page(page, stands_elsewhere=True)
    if kept is None:
        raise NotThere("contact", str(contact_id))
    with page.connection.transaction():
        record(
            page.connection, who=page.who, what="person_taken_along", subject=str(contact_id), zone=page.visitor.zone,
            now=page.now, after={"format": format},
        )  # fmt: skip
    write, media = FORMATS[format]
    name = f"ndiyan-{contact_id}.{format}"
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return Response(write(kept), media_type=media, headers=headers)
