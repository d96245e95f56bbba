"""Whom to call by hand: alerts that nobody answered by SMS."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from alerts.calls import calls_due, mark_called
from ingest.audit import record
from web.pages.page import PageOf

router = APIRouter()


@router.get("/messages/appeler")
def calls(page: PageOf) -> Response:
    """Names and whole numbers, the gravest alert first."""
    return page.render("calls.html", is_secret=True, due=calls_due(page.connection))


@router.post("/messages/appeler/{call_id}")
def called(page: PageOf, call_id: int) -> Response:
    """Somebody has called; a second click changes nothing."""
    with page.connection.transaction():
        call = mark_called(page.connection, call_id, who=page.who, now=page.now)
        if call is not None and call.alert_id is None:  # an alert tells its own story
            record(
                page.connection, who=page.who, what="zone_called", subject=f"call-{call_id}", zone=call.zone_id,
                after={"why": call.why}, now=page.now,
            )  # fmt: skip
    return page.see("messages", "appeler")
