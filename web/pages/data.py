"""Data to take along: a form for exports, and the ways to whatever says how good the data are."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from ingest.readings_pg import PgReadings
from web.errors import NotThere
from web.pages.page import PageOf
from web.zones import find_zones

router = APIRouter()

OFFERED = timedelta(days=30)  # the span that stands in the form at first


@router.get("/donnees")
def data(
    page: PageOf,
    zone: Annotated[str | None, Query()] = None,
    q: Annotated[str, Query(max_length=200)] = "",
    number: Annotated[int, Query(alias="page", ge=1)] = 1,
) -> Response:
    """The form for some zones, a page of them at a time, or for one of which channels can be chosen."""
    store = PgReadings(page.connection)
    names = {row.zone_id: row.name for row in store.zones()}
    if zone is not None and zone not in names:
        raise NotThere("zone", zone)
    last = page.now.date()
    return page.render(
        "data.html", some=find_zones(page.connection, q, number), asked_for=q, chosen=zone,
        name=names[zone] if zone else "", channels=store.channels(zone) if zone else [],
        first=last - OFFERED, last=last,
    )  # fmt: skip
