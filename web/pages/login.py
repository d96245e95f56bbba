"""The door: a link or a password opens a session, a button ends it. However people come, it is the same session."""

from __future__ import annotations

import base64
import json
import logging
from dataclasses import asdict
from math import ceil
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from ingest.db import Connection
from web.access import OpenedSession, Purpose, end_session, find_session, open_session, purpose_of
from web.accounts import find_account, log_in, set_password
from web.dependencies import POOL_WAIT_S, ConnectionOf, Services, ServicesOf, require_same_origin
from web.errors import (
    CodeRefused,
    LinkRefused,
    LoginRefused,
    NotThere,
    PasswordRefused,
    ProviderNeeded,
    SignOnRefusal,
    SignOnRefused,
)
from web.labels import N_
from web.language import Language, texts_of
from web.letters import stranger_letters
from web.limits import Tries
from web.narrow import widened
from web.pages.page import LOGIN_HEADER, PageOf, render
from web.passwords import LONGEST, SHORTEST
from web.sign_on import person_of, sign_on

if TYPE_CHECKING:
    from web.provider import Provider, Trip

log = logging.getLogger(__name__)

open_router = APIRouter(dependencies=[Depends(stranger_letters)])
router = APIRouter()

RETURN = "/entrer/retour"  # the one address to which the OpenID provider sends people back
TRIP_S = 600  # how long somebody may take at the provider

REFUSALS = {
    "login": N_("Le nom et le mot de passe ne vont pas ensemble."),
    "code": N_("Le code manque, ne va pas, ou a déjà servi."),
    "length": N_("Ce mot de passe a %(value)s caractères ; il en faut %(least)s au moins et %(most)s au plus."),
    "plain": N_("Ce mot de passe n’a que %(value)s caractères différents ; il en faut davantage."),
    "name": N_("Ce mot de passe contient le nom du compte ou celui de Ndiyan."),
    "own": N_("Votre mot de passe ne va pas, ou il y a eu trop d’essais : attendez trois minutes."),
    "tries": N_("Il y a eu trop d’essais : attendez trois minutes."),
    "twice": N_("Les deux mots de passe ne sont pas les mêmes."),
    "provider": N_("Ce compte n’entre pas par un mot de passe : entrez par %(provider)s."),
    SignOnRefusal.AWAY: N_("%(provider)s ne répond pas. Attendez un peu et recommencez."),
    SignOnRefusal.SETUP: N_("%(provider)s et Ndiyan ne s’entendent pas. Qui gère le serveur lance : ndiyan doctor"),
    SignOnRefusal.DENIED: N_("L’entrée par %(provider)s a été interrompue ou refusée là-bas."),
    SignOnRefusal.STRAYED: N_("Cette entrée a été commencée ailleurs, ou il y a trop longtemps. Recommencez ici."),
    SignOnRefusal.TOKEN: N_("Ce que %(provider)s a répondu n’est pas valable ; c’est noté. Recommencez."),
    SignOnRefusal.MAIL: N_("%(provider)s ne donne pas d’adresse e-mail vérifiée qui soit admise ici."),
    SignOnRefusal.GROUP: N_("Vous n’êtes chez %(provider)s dans aucun groupe qui soit admis ici."),
    SignOnRefusal.TAKEN: N_("Un autre compte a déjà cette adresse ; qui gère les comptes peut le régler."),
    SignOnRefusal.CLOSED: N_("Ce compte est fermé. Qui gère les comptes peut le rouvrir."),
}

WHY = {LoginRefused: "login", CodeRefused: "code", ProviderNeeded: "provider"}


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
    address = _address(request)
    tries = Tries(connection)
    wait_s = ceil(tries.wait_s(nom, address, now=now_wall))
    if wait_s > 0:
        return _waits(request, services, language, wait_s, to=vers, name=nom)
    try:
        session = log_in(
            connection, name=nom, password=mot, code=code, passwords=services.passwords, now_wall=now_wall,
            only_by_provider=services.config.only_by_provider,
        )  # fmt: skip
    except (LoginRefused, CodeRefused, ProviderNeeded) as error:
        why = WHY[type(error)]
        log.warning("refused to log in: %s", why, extra={"address": address})
        return form(request, services, language, to=vers, name=nom, why=why, status=403)
    tries.forgive(nom)
    return _opened(request, services, connection, session, _own_address(vers) or f"/{language.value}/")


@open_router.get("/{language}/entrer/ailleurs", include_in_schema=False)
def depart(
    request: Request, language: Language, services: ServicesOf, vers: Annotated[str, Query(max_length=2000)] = ""
) -> Response:
    """Send somebody to the OpenID provider, and their browser keeps what it needs to come back.

    Holds no connection while the provider is asked: one that is slow would keep everybody from the database.
    """
    require_same_origin(request, services.config)  # or another site could open a session that nobody asked for
    provider, wait_s = _provider(services), _wait_without_name_s(request, services)
    if wait_s > 0:
        return _waits(request, services, language, wait_s, to=vers)
    try:
        address, trip = provider.depart()
    except SignOnRefused as error:
        return _not_signed_on(request, services, language, error, to=vers)
    answer = RedirectResponse(address, status_code=303)
    kept = asdict(trip) | {"to": _own_address(vers) or f"/{language.value}/", "language": language.value}
    answer.set_cookie(
        _trip_cookie(services), base64.urlsafe_b64encode(json.dumps(kept).encode()).decode(), max_age=TRIP_S,
        httponly=True, samesite="lax", secure=services.config.is_https, path="/",
    )  # fmt: skip
    return answer


@open_router.get(RETURN, include_in_schema=False)
def arrive(request: Request, services: ServicesOf) -> Response:
    """Let in whoever comes back from the OpenID provider, if it vouches for them and they are admitted here.

    Who did not set out is refused and not counted: any site can send its visitors here, and they are not trying. Who is
    let in was counted when they set out.
    """
    provider, now_wall = _provider(services), services.wall.now()
    trip, to, language = _kept(request, services)
    wait_s = _wait_without_name_s(request, services) if trip is not None else 0
    if wait_s > 0:
        return _waits(request, services, language, wait_s, to=to)
    try:
        claims = provider.arrive(trip, request.query_params)
        person = person_of(claims, provider.config)
        with services.pool.connection(timeout=POOL_WAIT_S) as connection:
            session = sign_on(connection, person, now=services.clock.now(), now_wall=now_wall)
            Tries(connection).give_back_to_address(_address(request))
            answer = _opened(request, services, connection, session, _own_address(to) or f"/{language.value}/")
    except SignOnRefused as error:
        answer = _not_signed_on(request, services, language, error, to=to)
    _forget_trip(answer, services)
    return answer


def form(
    request: Request, services: Services, language: Language, *, to: str = "", name: str = "", why: str = "",
    wait_s: int = 0, status: int = 200,
) -> Response:  # fmt: skip
    """The page where people log in; `to` is where they wanted to go, `why` a refusal, `wait_s` until the next try."""
    provider = services.config.provider
    return render(
        request, services, language, "entrance.html", now=services.clock.now(), is_fictional=services.config.demo,
        frame=None, status=status, to=_own_address(to), name=name, wait_s=wait_s, provider=provider and provider.name,
        refusal=texts_of(language).gettext(REFUSALS[why]) % {"provider": provider and provider.name} if why else None,
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
            if find_account(connection, person).role in services.config.only_by_provider:
                return form(request, services, langue, why="provider", status=403)
            return _password_form(request, services, langue, person)
        return _opened(request, services, connection, open_session(connection, token, now_wall=now_wall), home)
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
            connection, token, mot, passwords=services.passwords, now=services.clock.now(), now_wall=now_wall,
            only_by_provider=services.config.only_by_provider,
        )  # fmt: skip
    except ProviderNeeded:
        return form(request, services, langue, why="provider", status=403)
    except PasswordRefused as error:
        return _password_form(
            request, services, langue, person, refusal=refusal_of(error.why, error.value, langue)
        )  # fmt: skip
    log.info("a password was set", extra={"person": person})
    return _opened(request, services, connection, session, f"/{langue.value}/")


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


def _provider(services: Services) -> Provider:
    """The OpenID provider; without one its addresses do not exist."""
    if services.provider is None:
        raise NotThere("page", "provider")
    return services.provider


def _wait_without_name_s(request: Request, services: Services) -> int:
    with services.pool.connection(timeout=POOL_WAIT_S) as connection:
        return ceil(Tries(connection).wait_without_name_s(_address(request), now=services.wall.now()))


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _waits(
    request: Request, services: Services, language: Language, wait_s: int, *, to: str, name: str = ""
) -> Response:
    log.warning("too many tries to log in", extra={"address": _address(request)})
    answer = form(request, services, language, to=to, name=name, wait_s=wait_s, status=429)
    answer.headers["retry-after"] = str(wait_s)
    return answer


def _not_signed_on(
    request: Request, services: Services, language: Language, error: SignOnRefused, *, to: str
) -> Response:
    log.warning("refused to log in: %s", error, extra={"address": _address(request)})
    status = 503 if error.reason in (SignOnRefusal.AWAY, SignOnRefusal.SETUP) else 403
    return form(request, services, language, to=to, why=error.reason, status=status)


def _trip_cookie(services: Services) -> str:
    return f"{services.cookie}-trip"


def _kept(request: Request, services: Services) -> tuple[Trip | None, str, Language]:
    """What the browser kept of its way to the provider, and where in which language it wanted to go."""
    from web.provider import Trip

    try:
        kept = json.loads(base64.urlsafe_b64decode(request.cookies.get(_trip_cookie(services), "")))
        trip = Trip(*(str(kept[key]) for key in ("state", "nonce", "verifier")))
        return trip, str(kept["to"]), Language(kept["language"])
    except (ValueError, LookupError, TypeError):
        return None, "", Language.FR


def _forget_trip(answer: Response, services: Services) -> None:
    answer.delete_cookie(
        _trip_cookie(services), path="/", secure=services.config.is_https, httponly=True, samesite="lax"
    )  # fmt: skip


def _opened(
    request: Request, services: Services, connection: Connection, session: OpenedSession, to: str
) -> Response:  # fmt: skip
    """On to where they wanted to go, with the session's cookie; the session that this browser had before ends."""
    if before := request.cookies.get(services.cookie):
        end_session(connection, before)
    log.info("logged in", extra={"person": session.person, "way": session.way})
    answer = RedirectResponse(to, status_code=303)
    answer.set_cookie(
        services.cookie, session.token, max_age=int(session.life.total_seconds()),
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
    services, provider = page.services, page.services.provider
    with widened(page.connection, page.visitor.zone) as connection:
        is_tied = find_account(connection, page.visitor.name).is_tied
        end_session(connection, page.request.cookies[services.cookie])
    ends = provider.goodbye(services.config.public_url) if provider and is_tied else None
    answer = page.render("goodbye.html", ends=ends, provider=provider and provider.config.name)
    answer.headers[LOGIN_HEADER] = "-"  # the service worker forgets what it kept
    answer.delete_cookie(services.cookie, path="/", secure=services.config.is_https, httponly=True, samesite="lax")
    return answer
