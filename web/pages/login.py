"""The door: a one-time link opens a session, a button ends it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from web.access import SESSION_LIFE, end_session, find_session, open_session
from web.dependencies import ConnectionOf, ServicesOf
from web.errors import LinkRefused
from web.language import Language
from web.pages.page import LOGIN_HEADER, PageOf

open_router = APIRouter()
router = APIRouter()


@open_router.get("/login/{token}", include_in_schema=False)
def login(request: Request, token: str, services: ServicesOf, connection: ConnectionOf) -> Response:
    """Use the link up and go to the overview; whoever is in already is let through a used link."""
    if "prefetch" in request.headers.get("sec-purpose", ""):
        return Response(status_code=503)  # a browser that guesses must not use the link up
    now_wall = services.wall.now()
    answer = RedirectResponse(f"/{Language.FR}/", status_code=303)
    try:
        session = open_session(connection, token, now_wall=now_wall)
    except LinkRefused:
        cookie = request.cookies.get(services.cookie)
        if cookie and find_session(connection, cookie, now_wall=now_wall):
            return answer
        raise
    answer.set_cookie(
        services.cookie, session.token, max_age=int(SESSION_LIFE.total_seconds()),
        httponly=True, samesite="lax", secure=services.config.is_https, path="/",
    )  # fmt: skip
    return answer


@router.post("/sortir")
def logout(page: PageOf) -> Response:
    """End the session."""
    services = page.services
    end_session(page.connection, page.request.cookies[services.cookie])
    answer = page.render("goodbye.html")
    answer.headers[LOGIN_HEADER] = "-"  # the service worker forgets what it kept
    answer.delete_cookie(services.cookie, path="/", secure=services.config.is_https, httponly=True, samesite="lax")
    return answer
