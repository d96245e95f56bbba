"""What a request needs before it is answered: services, a connection, a visitor whom the door let in.

Every route but the public ones stands behind `page_guard` or `api_guard`, which ask `web/rights.py` what the address
needs; a test walks over all routes with every role.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from math import ceil
from secrets import compare_digest
from typing import TYPE_CHECKING, Annotated, cast

from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant
from psycopg_pool import ConnectionPool

from gateway.clock import Clock
from ingest.db import Connection
from web.access import Scope, Visitor, find_api_key, find_session
from web.config import WebConfig
from web.errors import BadParameter, LoginNeeded, NotThere, RequestForged, RightMissing, ScopeMissing, TooManyRequests
from web.in_turn import InTurn
from web.letters import require_address, require_form
from web.limits import Limiter
from web.metrics import Requests
from web.narrow import narrow, widen
from web.passwords import Passwords
from web.replica import Replica
from web.rights import Right, door_of
from web.totals import KeptTotals
from web.turns import SAFE_METHODS, Turns
from web.uplinks import Uplinks

if TYPE_CHECKING:
    from web.provider import Provider

POOL_WAIT_S = 3.0  # a page that cannot reach the database says so rather than spin


@dataclass(frozen=True, slots=True)
class Services:
    """What the application was made with; `wall` tells the world's time, `clock` the platform's."""

    config: WebConfig
    clock: Clock
    wall: Clock
    pool: ConnectionPool[Connection]
    trials: InTurn
    limiter: Limiter
    passwords: Passwords
    requests: Requests
    turns: Turns
    totals: KeptTotals
    uplinks: Uplinks
    files: InTurn
    provider: Provider | None
    replica: Replica | None = None

    @property
    def cookie(self) -> str:
        """Name of the session's cookie; the prefix makes browsers insist on TLS and on this very host."""
        return "__Host-ndiyan" if self.config.is_https else "ndiyan"


def services_of(request: Request) -> Services:
    """The services of the application that answers this request."""
    return cast(Services, request.app.state.services)


ServicesOf = Annotated[Services, Depends(services_of)]


async def turn_of(request: Request, services: ServicesOf) -> AsyncIterator[None]:
    """A turn, from before the request has a connection until it has given it back."""
    async with services.turns.taken(request):
        yield


TurnOf = Annotated[None, Depends(turn_of, scope="function")]


def connection_of(request: Request, services: ServicesOf, _: TurnOf) -> Iterator[Connection]:
    """One connection for the whole request, given back before the answer travels to a slow browser.

    Once `session_visitor` has found a secretary, it sees the rows of their zone alone; whoever has it next sees all.
    """
    with services.pool.connection(timeout=POOL_WAIT_S) as connection:
        try:
            yield connection
        finally:
            if getattr(request.state, "zone", None) is not None:
                widen(connection)


ConnectionOf = Annotated[Connection, Depends(connection_of, scope="function")]


def past_of(request: Request, services: ServicesOf, connection: ConnectionOf) -> Iterator[Connection]:
    """For what bears to be a little behind: a connection to the copy of the database, or that of the request.

    Comes after the guards, which have found out whose zone it is about. How far behind is noted for the answer.
    """
    if services.replica is None:
        yield connection
        return
    with services.replica.opened(connection, getattr(request.state, "zone", None)) as past:
        if past is not None:
            request.state.behind = past.behind
        yield connection if past is None else past.connection


PastOf = Annotated[Connection, Depends(past_of, scope="function")]


def past_pool_of(request: Request, services: ServicesOf, _: PastOf) -> ConnectionPool[Connection]:
    """The pool of the same, for what is read while it is sent."""
    if services.replica is not None and hasattr(request.state, "behind"):
        return services.replica.pool
    return services.pool


PastPoolOf = Annotated[ConnectionPool[Connection], Depends(past_pool_of)]


def session_visitor(request: Request, services: ServicesOf, connection: ConnectionOf) -> Visitor:
    """The person behind the session cookie, if they may do this; a secretary's connection is narrowed to their zone.

    Raises
    ------
    LoginNeeded : no cookie, or its session is unknown or over
    RightMissing : the role may not
    """
    token = request.cookies.get(services.cookie)
    visitor = find_session(connection, token, now_wall=services.wall.now()) if token else None
    if visitor is None:
        raise LoginNeeded
    right = right_of(request)
    if right is None or not visitor.may(right):
        raise RightMissing(right or request.url.path)
    if visitor.zone is not None:
        request.state.zone = visitor.zone  # before it is narrowed: what goes wrong between leaves it to be widened
        narrow(connection, visitor.zone)
    return visitor


def right_of(request: Request) -> Right | None:
    """The right that this request asks for; None: nobody has it."""
    door = door_of(request.url.path)
    if door is None:
        return None
    return door.read if request.method in SAFE_METHODS else door.write


async def page_guard(
    request: Request, services: ServicesOf, visitor: Annotated[Visitor, Depends(session_visitor)]
) -> Visitor:
    """Let a session in; an unsafe request must also come from one of our own forms.

    Raises
    ------
    LoginNeeded, RightMissing : as `session_visitor`
    RequestForged : another origin sent it, or the form's token is not the session's
    NotThere, BadParameter : a letter is none
    """
    require_address(request)
    if request.method not in SAFE_METHODS:
        require_same_origin(request, services.config)
        form = await request.form()
        token = form.get("csrf")
        if not isinstance(token, str) or not compare_digest(token.encode(), (visitor.csrf or "").encode()):
            await form.close()  # a picture may lie in it
            raise RequestForged("the form's token is not this session's")
        try:
            require_form(form)
        except BadParameter:
            await form.close()
            raise
    return visitor


VisitorOf = Annotated[Visitor, Depends(page_guard)]


def api_visitor(request: Request, services: ServicesOf, connection: ConnectionOf) -> Visitor:
    """Whoever holds the API key, or for reading the session; a key never travels in a cookie or an address.

    Raises
    ------
    LoginNeeded : neither is valid, or a session tried to change something
    RightMissing : the session's role may not
    TooManyRequests : it asked more often than the settings allow
    NotThere, BadParameter : in its address is a letter that is none
    """
    require_address(request)
    visitor = _with_key(request, services, connection)
    if visitor is None and request.method not in SAFE_METHODS:
        raise LoginNeeded
    if visitor is None:
        visitor = session_visitor(request, services, connection)
    wait_s = services.limiter.wait_s(visitor.identity, now_s=services.wall.now().timestamp())
    if wait_s > 0:
        raise TooManyRequests(services.config.requests_per_minute, ceil(wait_s))
    return visitor


def _with_key(request: Request, services: Services, connection: Connection) -> Visitor | None:
    """The holder of the key that the request carries, None when it carries none."""
    kind, _, secret = request.headers.get("authorization", "").partition(" ")
    if not kind:
        return None
    key = {"bearer": secret.strip(), "basic": _password(secret)}.get(kind.lower(), "")
    visitor = find_api_key(connection, key, now_wall=services.wall.now())
    if visitor is None:
        raise LoginNeeded
    return visitor


def _password(basic: str) -> str:
    """What stands behind the colon of HTTP's basic authentication: some programs (QGIS, Grafana) know nothing else."""
    try:
        return base64.b64decode(basic.strip(), validate=True).decode().partition(":")[2]
    except ValueError:  # no base64, or no text in it
        return ""


ApiVisitorOf = Annotated[Visitor, Depends(api_visitor)]


def api_guard(request: Request, visitor: ApiVisitorOf) -> Visitor:
    """Let in a session of the right role, and a key that may read, or for changing something may write.

    Raises
    ------
    LoginNeeded, RightMissing, TooManyRequests : as `api_visitor`
    ScopeMissing : the key may not
    """
    return _allowed(visitor, Scope.READ if request.method in SAFE_METHODS else Scope.WRITE)


def known_parameters(request: Request) -> None:
    """Refuse a parameter that the address does not have: whoever mistypes `start` would get the last day and not know.

    Raises
    ------
    BadParameter : names it and those that there are
    """
    names = offered(request.scope["route"].dependant)
    for name, value in request.query_params.multi_items():
        if name not in names:
            raise BadParameter(name, value, f"is no parameter here; there are: {', '.join(sorted(names)) or 'none'}")


def offered(dependant: Dependant) -> set[str]:
    """Names of all parameters that an address and what it depends on read from its query."""
    names = {field.alias for field in dependant.query_params}
    return names.union(*map(offered, dependant.dependencies))


def early_visitor(request: Request, services: Services, connection: Connection) -> Visitor:
    """Who wants to send a file or photo, told by the head of the request; the guards ask again once it is here.

    Raises
    ------
    LoginNeeded, RightMissing : as `session_visitor`; in the API only a key may send
    ScopeMissing : the key may not
    RequestForged : another site sent it
    """
    if not request.url.path.startswith("/api/"):
        require_same_origin(request, services.config)
        return session_visitor(request, services, connection)
    visitor = _with_key(request, services, connection)
    if visitor is None:
        raise LoginNeeded
    return visitor if Scope.SEND in visitor.scopes else _allowed(visitor, Scope.WRITE)


def export_guard(visitor: ApiVisitorOf) -> Visitor:
    """Let in who may take exports; raises as `api_guard`."""
    return _allowed(visitor, Scope.EXPORT)


def send_guard(visitor: ApiVisitorOf) -> Visitor:
    """Let in who may send readings; raises as `api_guard`."""
    return _allowed(visitor, Scope.SEND)


def _allowed(visitor: Visitor, scope: Scope) -> Visitor:
    if visitor.role is None and scope not in visitor.scopes:
        raise ScopeMissing(scope)
    return visitor


KeyOf = Annotated[Visitor, Depends(api_guard)]


def demo_only(services: ServicesOf) -> None:
    """Hide what belongs to the demo from every other installation."""
    if not services.config.demo:
        raise NotThere("page", "demo")


def require_same_origin(request: Request, config: WebConfig) -> None:
    """Refuse what browsers say was sent by another site; a client that says nothing still needs the token."""
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        raise RequestForged(f"Sec-Fetch-Site is {site}")
    origin = request.headers.get("origin")
    own = {config.origin, f"{request.url.scheme}://{request.headers.get('host', '')}"}
    if origin is not None and origin not in own:
        raise RequestForged(f"Origin is {origin}")
