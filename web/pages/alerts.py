"""Alerts: the list, and the whole story of one."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Query
from fastapi.responses import Response

from alerts.actions import acknowledge, mark, shelve, unshelve
from alerts.errors import ShelfRefused
from alerts.shelf import longest_shelf
from web.cursors import cursor_of, read_cursor
from web.errors import BadParameter
from web.pages.page import PageOf
from web.sms import inbound_about, notifications_of, stories_of
from web.stories import alerts_page, events_of, explained_alerts, find_alert, last_mark, live_alerts
from web.water import fetch_blind_spots

router = APIRouter()

PER_PAGE = 50
SHELF_HOURS = (2, 6, 24, 72, 168, 720)  # offered on the page, as far as the severity allows
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
    events = events_of(page.connection, alert_id)
    longest = longest_shelf(found.severity)
    return page.render(
        "alert.html",
        alert=found,
        events=events,
        mark=last_mark(events),
        blind=fetch_blind_spots(page.connection, found.zone_id, page.now),
        explains=explained_alerts(page.connection, alert_id),
        shelf_hours=[hours for hours in SHELF_HOURS if timedelta(hours=hours) <= longest],
        told=stories_of(page.connection, notifications_of(page.connection, [alert_id])[alert_id]),
        answers=inbound_about(page.connection, alert_id),
    )


@router.post("/alertes/{alert_id}/prendre")
def take(page: PageOf, alert_id: int) -> Response:
    """Take an alert in charge; a second click changes nothing."""
    find_alert(page.connection, alert_id)
    acknowledge(page.connection, alert_id, who=f"{page.visitor.name} (web)", now=page.now)
    return page.see("alertes", alert_id)


@router.post("/alertes/{alert_id}/endormir")
def put_on_shelf(
    page: PageOf, alert_id: int, heures: Annotated[float, Form()], raison: Annotated[str, Form()] = ""
) -> Response:
    """Tell nobody of an alert for some hours, and say why."""
    find_alert(page.connection, alert_id)
    try:
        shelve(
            page.connection, alert_id, span=timedelta(hours=heures), why=raison, who=f"{page.visitor.name} (web)",
            now=page.now,
        )  # fmt: skip
    except ShelfRefused as error:
        name = {"why": "raison", "hours": "heures"}[error.name]
        raise BadParameter(name, error.value, error.bound) from error
    return page.see("alertes", alert_id)


@router.post("/alertes/{alert_id}/reveiller")
def take_off_shelf(page: PageOf, alert_id: int) -> Response:
    """Undo a shelf."""
    find_alert(page.connection, alert_id)
    unshelve(page.connection, alert_id, who=f"{page.visitor.name} (web)", now=page.now)
    return page.see("alertes", alert_id)


@router.post("/alertes/{alert_id}/juger")
def judge(page: PageOf, alert_id: int, verdict: Annotated[str, Form()]) -> Response:
    """Say whether an alert was right."""
    if verdict not in ("vraie", "fausse"):
        raise BadParameter("verdict", verdict, "is none of vraie, fausse")
    find_alert(page.connection, alert_id)
    mark(page.connection, alert_id, is_true=verdict == "vraie", who=f"{page.visitor.name} (web)", now=page.now)
    return page.see("alertes", alert_id)
