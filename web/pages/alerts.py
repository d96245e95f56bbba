"""Alerts: the list, and the whole story of one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from alerts.actions import acknowledge
from web.cursors import cursor_of, read_cursor
from web.errors import BadParameter
from web.pages.page import PageOf
from web.stories import alerts_page, events_of, find_alert, live_alerts, notifications_of

router = APIRouter()

PER_PAGE = 50
FILTERS: dict[str, list[str] | None] = {
    "ouvertes": ["open", "acknowledged"],
    "resolues": ["resolved"],
    "toutes": None,
}


@router.get("/alertes")
def alerts(
    page: PageOf,
    etat: Annotated[str, Query()] = "ouvertes",
    suite: Annotated[str | None, Query()] = None,
) -> Response:
    """Open alerts gravest first; past ones newest first, `suite` goes on from a page before."""
    if etat not in FILTERS:
        raise BadParameter("etat", etat, f"is none of {', '.join(FILTERS)}")
    if etat == "ouvertes":
        return page.render("alerts.html", found=live_alerts(page.connection), chosen=etat, filters=FILTERS, suite=None)
    before = None if suite is None else read_cursor(suite, "suite")
    found = alerts_page(page.connection, states=FILTERS[etat], before=before, limit=PER_PAGE + 1)
    more = cursor_of(found[PER_PAGE - 1].opened_at, found[PER_PAGE - 1].alert_id) if len(found) > PER_PAGE else None
    return page.render("alerts.html", found=found[:PER_PAGE], chosen=etat, filters=FILTERS, suite=more)


@router.get("/alertes/{alert_id}")
def alert(page: PageOf, alert_id: int) -> Response:
    """The story of an alert: what was seen, who was told what, who answered."""
    found = find_alert(page.connection, alert_id)
    return page.render(
        "alert.html",
        alert=found,
        events=events_of(page.connection, alert_id),
        notifications=notifications_of(page.connection, [alert_id])[alert_id],
    )


@router.post("/alertes/{alert_id}/prendre")
def take(page: PageOf, alert_id: int) -> Response:
    """Take an alert in charge; a second click changes nothing."""
    find_alert(page.connection, alert_id)
    acknowledge(page.connection, alert_id, who=f"{page.visitor.name} (web)", now=page.now)
    return page.see("alertes", alert_id)
