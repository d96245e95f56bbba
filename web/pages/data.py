"""Data to take along: a form for exports, and the ways to whatever says how good the data are."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from ingest.readings_pg import PgReadings
from web.errors import NotThere
from web.pages.page import PageOf

router = APIRouter()

OFFERED = timedelta(days=30)  # the span that stands in the form at first


@router.get("/donnees")
def data(page: PageOf, zone: Annotated[str | None, Query()] = None) -> Response:
    """The form for all zones, or for one of which channels can be chosen."""
    store = PgReadings(page.connection)
    zones = store.zones()
    if zone is not None and zone not in {row.zone_id for row in zones}:
        raise NotThere("zone", zone)
    last = page.now.date()
    return page.render(
        "data.html", zones=zones, chosen=zone, channels=store.channels(zone) if zone else [],
        first=last - OFFERED, last=last,
    )  # fmt: skip
