"""How good our own alerts are to people."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from alerts.metrics import SMS_BUDGET_PER_WEEK, fetch_metrics
from ingest.readings_pg import PgReadings
from web.errors import BadParameter
from web.pages.page import PageOf

router = APIRouter()

SPANS = {"7": 7, "30": 30, "90": 90, "365": 365}


@router.get("/alertes/bilan")
def figures(page: PageOf, jours: Annotated[str, Query()] = "30") -> Response:
    """The figures of the last days."""
    if jours not in SPANS:
        raise BadParameter("jours", jours, f"is none of {', '.join(SPANS)}")
    found = fetch_metrics(page.connection, start=page.now - timedelta(days=SPANS[jours]), end=page.now)
    zones = {row.zone_id: row.name for row in PgReadings(page.connection).zones()}
    return page.render(
        "figures.html", found=found, spans=SPANS, chosen=jours, zones=zones, budget=SMS_BUDGET_PER_WEEK
    )  # fmt: skip
