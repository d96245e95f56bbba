"""Whom to call by hand: alerts that nobody answered by SMS."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from alerts.calls import calls_due, mark_called
from web.pages.page import PageOf

router = APIRouter()


@router.get("/messages/appeler")
def calls(page: PageOf) -> Response:
    """Names and whole numbers, the gravest alert first."""
    return page.render("calls.html", due=calls_due(page.connection))


@router.post("/messages/appeler/{call_id}")
def called(page: PageOf, call_id: int) -> Response:
    """Somebody has called; a second click changes nothing."""
    mark_called(page.connection, call_id, who=page.who, now=page.now)
    return page.see("messages", "appeler")
