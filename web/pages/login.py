"""The door: a link or a password opens a session, a button ends it. However people come, it is the same session."""

from __future__ import annotations

import logging
from math import ceil
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from web.access import SESSION_LIFE, OpenedSession, Purpose, end_session, find_session, open_session, purpose_of
from web.accounts import log_in, set_password
from web.dependencies import ConnectionOf, Services, ServicesOf, require_same_origin
from web.errors import CodeRefused, LinkRefused, LoginRefused, PasswordRefused
from web.labels import N_
from web.language import Language, texts_of
from web.limits import Tries
from web.narrow import widened
from web.pages.page import LOGIN_HEADER, PageOf, render
from web.passwords import LONGEST, SHORTEST

log = logging.getLogger(__name__)

open_router = APIRouter()
router = APIRouter()

REFUSALS = {
    "login": N_("Le nom et le mot de passe ne vont pas ensemble."),
    "code": N_("Le code manque, ne va pas, ou a déjà servi."),
    "length": N_("Ce mot de passe a %(value)s caractères ; il en faut %(least)s au moins et %(most)s au plus."),
    "plain": N_("Ce mot de passe n’a que %(value)s caractères différents ; il en faut davantage."),
    "name": N_("Ce mot de passe contient le nom du compte ou celui de Ndiyan."),
    "own": N_("Votre mot de passe ne va pas, ou il y a eu trop d’essais : attendez trois minutes."),
    "twice": N_("Les deux mots de passe ne sont pas les mêmes."),
}


@open_router.get("/{language}/entrer", include_in_schema=False)
def entrance(
    request: Request, language: Language, services: ServicesOf, vers: Annotated[str, Query()] = ""
) -> Response:
    """The form to log in."""
    return form(request, services, language, to=vers)


@open_router.post("/{language}/entrer", include_in_schema=False)
def enter(
    request: Request,
    language: Language,
    services: ServicesOf,
    connection: ConnectionOf,
    nom: Annotated[str, Form(max_length=200)] = "",
    mot: Annotated[str, Form(max_length=1000)] = "",
    code: Annotated[str, Form(max_length=40)] = "",
    vers: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Begin a session with name, password and, where one is set up, a code; too many tries wait."""
    require_same_origin(request, services.config)
    now_wall = services.wall.now()
    address = request.client.host if request.client else ""
    tries = Tries(connection)
    wait_s = ceil(tries.wait_s(nom, address, now=now_wall))
    if wait_s > 0:
        log.warning("too many tries to log in", extra={"address": address})
        answer = form(request, services, language, to=vers, name=nom, wait_s=wait_s, status=429)
        answer.headers["retry-after"] = str(wait_s)
        return answer
    try:
        session = log_in(
            connection, name=nom, password=mot, code=code, passwords=services.passwords, now_wall=now_wall
        )  # fmt: skip
    except (LoginRefused, CodeRefused) as error:
        why = "code" if isinstance(error, CodeRefused) else "login"
        log.warning("refused to log in: %s", why, extra={"address": address})
        return form(request, services, language, to=vers, name=nom, why=why, status=403)
    tries.forgive(nom)
    return _opened(services, session, _own_address(vers) or f"/{language.value}/")


def form(
    request: Request, services: Services, language: Language, *, to: str = "", name: str = "", why: str = "",
    wait_s: int = 0, status: int = 200,
) -> Response:  # fmt: skip
    """The page where people log in; `to` is where they wanted to go, `why` a refusal, `wait_s` until the next try."""
    return render(
        request, services, language, "entrance.html", now=services.clock.now(), is_fictional=services.config.demo,
        frame=None, status=status, to=_own_address(to), name=name, wait_s=wait_s,
        refusal=texts_of(language).gettext(REFUSALS[why]) if why else None,
    )  # fmt: skip


@open_router.get("/login/{token}", include_in_schema=False)
def login(
    request: Request, token: str, services: ServicesOf, connection: ConnectionOf,
    langue: Annotated[Language, Query()] = Language.FR,
) -> Response:  # fmt: skip
    """Use the link up and go to the overview, or show the form of a password; who is in is let through a used link."""
    if "prefetch" in request.headers.get("sec-purpose", ""):
        return Response(status_code=503)  # a browser that guesses must not use the link up
    now_wall = services.wall.now()
    home = f"/{langue.value}/"
    try:
        person, purpose = purpose_of(connection, token, now_wall=now_wall)
        if purpose is Purpose.PASSWORD:
            return _password_form(request, services, langue, person)
        return _opened(services, open_session(connection, token, now_wall=now_wall), home)
    except LinkRefused:
        cookie = request.cookies.get(services.cookie)
        if cookie and find_session(connection, cookie, now_wall=now_wall):
            return RedirectResponse(home, status_code=303)
        raise


@open_router.post("/login/{token}", include_in_schema=False)
def choose_password(
    request: Request,
    token: str,
    services: ServicesOf,
    connection: ConnectionOf,
    langue: Annotated[Language, Query()] = Language.FR,
    mot: Annotated[str, Form(max_length=1000)] = "",
    encore: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Set the password of whoever the link belongs to, and let them in; a password that may not be one is told why."""
    require_same_origin(request, services.config)
    now_wall = services.wall.now()
    person, _ = purpose_of(connection, token, now_wall=now_wall)
    if mot != encore:
        return _password_form(request, services, langue, person, refusal=refusal_of("twice", 0, langue))
    try:
        session = set_password(
            connection, token, mot, passwords=services.passwords, now=services.clock.now(), now_wall=now_wall
        )  # fmt: skip
    except PasswordRefused as error:
        return _password_form(
            request, services, langue, person, refusal=refusal_of(error.why, error.value, langue)
        )  # fmt: skip
    log.info("a password was set", extra={"person": person})
    return _opened(services, session, f"/{langue.value}/")


def refusal_of(why: str, value: object, language: Language) -> str:
    """Why a password may not be one, with its bounds."""
    return texts_of(language).gettext(REFUSALS[why]) % {"value": value, "least": SHORTEST, "most": LONGEST}


def _password_form(
    request: Request, services: Services, language: Language, person: str, *, refusal: str | None = None
) -> Response:
    return render(
        request, services, language, "password.html", now=services.clock.now(), is_fictional=services.config.demo,
        frame=None, status=200 if refusal is None else 400, person=person, refusal=refusal, least=SHORTEST,
        most=LONGEST,
    )  # fmt: skip


def _opened(services: Services, session: OpenedSession, to: str) -> Response:
    """On to where they wanted to go, with the session's cookie."""
    log.info("logged in", extra={"person": session.person})
    answer = RedirectResponse(to, status_code=303)
    answer.set_cookie(
        services.cookie, session.token, max_age=int(SESSION_LIFE.total_seconds()),
        httponly=True, samesite="lax", secure=services.config.is_https, path="/",
    )  # fmt: skip
    return answer


def _own_address(to: str) -> str:
    """An address of ours as it was asked for, or none: no form sends people to another site."""
    is_ours = to.startswith("/") and not to.startswith(("//", "/\\")) and to.isprintable() and "/login/" not in to
    return to if is_ours else ""


@router.post("/sortir")
def logout(page: PageOf) -> Response:
    """End the session."""
    services = page.services
    answer = page.render("goodbye.html")
    with widened(page.connection, page.visitor.zone) as connection:
        end_session(connection, page.request.cookies[services.cookie])
    answer.headers[LOGIN_HEADER] = "-"  # the service worker forgets what it kept
    answer.delete_cookie(services.cookie, path="/", secure=services.config.is_https, httponly=True, samesite="lax")
    return answer
