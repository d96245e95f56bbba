"""What SMS routes tell us: `/sms/NAME/SECRET/receipt|inbound`, or signed at `/sms/NAME/events`.

Each request is checked, written down as it came and committed, and only then answered; what it means is the sender's
matter. So a route that hears nothing from us tells us again, and a replay changes nothing.
"""

from __future__ import annotations

import hashlib
import logging
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import PlainTextResponse, Response

from alerts.carriers.doors import Door, Refusal
from ingest.db import Connection, queries
from web.dependencies import ConnectionOf, Services, ServicesOf
from web.errors import NotThere
from web.turns import HOOKS, body_length

log = logging.getLogger(__name__)

SQL = queries("alerts", "carrier_event")
router = APIRouter(prefix=HOOKS, include_in_schema=False)


async def _body_of(request: Request) -> bytes:
    """What was sent: the body, or for routes that only know GET what stands in the address."""
    said: bytes = request.scope["query_string"]
    if body_length(request) > 0:  # to read nothing would fail if the sender has hung up meanwhile
        said = await request.body()
    return said


BodyOf = Annotated[bytes, Depends(_body_of)]


@router.post("/{carrier}/events")
def signed(carrier: str, request: Request, services: ServicesOf, connection: ConnectionOf, body: BodyOf) -> Response:
    """An event that its sender has signed; the world's clock judges its age."""
    door = _door(services, carrier)
    headers = request.headers
    why = door.why_not_signed(
        body,
        timestamp=headers.get("x-timestamp", ""),
        signature=headers.get("x-signature", ""),
        now=services.wall.now(),
    )
    return _refuse(connection, services, door, why) if why else _take(connection, services, door, "event", body)


@router.api_route("/{carrier}/{secret}/{kind}", methods=["GET", "POST"])
def told(
    carrier: str,
    secret: str,
    kind: Literal["receipt", "inbound"],
    services: ServicesOf,
    connection: ConnectionOf,
    body: BodyOf,
) -> Response:
    """A receipt or an SMS that came in; the address itself is the secret."""
    door = _door(services, carrier)
    why = door.why_not(secret)
    return _refuse(connection, services, door, why) if why else _take(connection, services, door, kind, body)


def _door(services: Services, carrier: str) -> Door:
    door = services.config.doors.get(carrier)
    if door is None:
        raise NotThere("SMS route", carrier)
    return door


def _refuse(connection: Connection, services: Services, door: Door, why: Refusal) -> Response:
    connection.execute(
        SQL["count_refusal"], {"carrier": door.carrier, "reason": why.value, "now": services.clock.now()}
    )
    log.warning("sms.%s: a webhook was refused: %s", door.carrier, why)
    return PlainTextResponse("refused", status_code=403)


def _take(connection: Connection, services: Services, door: Door, kind: str, body: bytes) -> Response:
    if not body or b"\0" in body:
        return PlainTextResponse("nothing was said", status_code=400)
    connection.execute(
        SQL["store"],
        {
            "carrier": door.carrier,
            "key": hashlib.sha256(kind.encode() + b"\0" + body).hexdigest(),
            "kind": kind,
            "body": body.decode("utf-8", "replace"),
            "now": services.clock.now(),
        },
    )
    return PlainTextResponse("ok")
