"""Whom to call by hand: alerts that nobody answered by SMS."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from alerts.calls import Called, calls_due, just_called, mark_called, take_back
from ingest.audit import record
from web.pages.page import PageOf

router = APIRouter()


@router.get("/messages/appeler")
def calls(page: PageOf) -> Response:
    """Names and whole numbers, the gravest alert first, and who was called a moment ago."""
    lately = just_called(page.connection, page.now)
    return page.render("calls.html", is_secret=True, due=calls_due(page.connection), lately=lately)


@router.post("/messages/appeler/{call_id}")
def called(page: PageOf, call_id: int) -> Response:
    """Somebody has called; a second click changes nothing."""
    with page.connection.transaction():
        call = mark_called(page.connection, call_id, who=page.who, now=page.now)
        _record(page, call_id, "zone_called", call)
    return page.see("messages", "appeler")


@router.post("/messages/appeler/{call_id}/annuler")
def uncalled(page: PageOf, call_id: int) -> Response:
    """Nobody has called after all; it stands on the list again where that can still be said."""
    with page.connection.transaction():
        call = take_back(page.connection, call_id, who=page.who, now=page.now)
        _record(page, call_id, "zone_uncalled", call)
    return page.see("messages", "appeler")


def _record(page: PageOf, call_id: int, what: str, call: Called | None) -> None:
    """An alert tells its own story; what is about a zone is written down."""
    if call is not None and call.alert_id is None:
        record(
            page.connection, who=page.who, what=what, subject=f"call-{call_id}", zone=call.zone_id,
            after={"why": call.why}, now=page.now,
        )  # fmt: skip
