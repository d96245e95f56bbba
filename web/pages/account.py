"""The account of messages: what each gateway sent, what became of it, and what is missing."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from web.account import (
    conflict_cursor,
    conflicts_page,
    fetch_days,
    fetch_gaps,
    fetch_gateways,
    fetch_last_received,
    read_conflict_cursor,
    require_gateway,
    sum_of,
)
from web.cursors import cursor_of_key, read_key
from web.errors import BadParameter
from web.pages.page import PageOf

router = APIRouter()

SPANS = {"1": 1, "7": 7, "30": 30}
DAYS_PER_PAGE, CONFLICTS_PER_PAGE = 31, 50
NOBODY = "-"  # in an address: what came under no gateway of the registry


@router.get("/comptes")
def account(page: PageOf, jours: Annotated[str, Query()] = "7") -> Response:
    """All gateways over the last days, today included."""
    if jours not in SPANS:
        raise BadParameter("jours", jours, f"is none of {', '.join(SPANS)}")
    last = page.now.date()
    lines = fetch_gateways(page.connection, last - timedelta(days=SPANS[jours] - 1), last)
    gaps = fetch_gaps(page.connection)
    return page.render(
        "account.html",
        lines=lines,
        total=sum_of(lines, day=last),
        spans=SPANS,
        chosen=jours,
        seen=fetch_last_received(page.connection),
        on_the_way=sum(gap.missing for gap in gaps if not gap.is_gap),
        lost=sum(gap.missing for gap in gaps if gap.is_gap),
        nobody=NOBODY,
    )


@router.get("/comptes/{zone_id}/{gateway_id}")
def days(page: PageOf, zone_id: str, gateway_id: str, suite: Annotated[str | None, Query()] = None) -> Response:
    """One gateway day by day, and the numbers of it that have not come; `suite` goes on from a page before."""
    zone, gateway = (part if part != NOBODY else "" for part in (zone_id, gateway_id))
    if gateway:
        require_gateway(page.connection, zone, gateway)
    after = None if suite is None else (read_key(suite, date.fromisoformat, parameter="suite")[0], zone, gateway)
    found = fetch_days(page.connection, zone=zone, gateway=gateway, after=after, limit=DAYS_PER_PAGE + 1)
    shown = found[:DAYS_PER_PAGE]
    gaps = fetch_gaps(page.connection, zone=zone, gateway=gateway)
    return page.render(
        "account_days.html",
        zone=zone,
        gateway=gateway,
        lines=shown,
        total=sum_of(shown, day=page.now.date()),
        suite=cursor_of_key(shown[-1].day) if len(found) > DAYS_PER_PAGE else None,
        seen_at=fetch_last_received(page.connection).get((zone, gateway)),
        gaps=gaps,
        on_the_way=sum(gap.missing for gap in gaps if not gap.is_gap),
        lost=sum(gap.missing for gap in gaps if gap.is_gap),
    )


@router.get("/conflits")
def conflicts(page: PageOf, suite: Annotated[str | None, Query()] = None) -> Response:
    """Two values for one channel and moment, newest first."""
    before = None if suite is None else read_conflict_cursor(suite, "suite")
    found = conflicts_page(page.connection, before=before, limit=CONFLICTS_PER_PAGE + 1)
    shown = found[:CONFLICTS_PER_PAGE]
    more = conflict_cursor(shown[-1]) if len(found) > CONFLICTS_PER_PAGE else None
    return page.render("conflicts.html", found=shown, suite=more)
