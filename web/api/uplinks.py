"""Messages of devices, from network servers that send them by HTTP. Keys need `send`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from ingest.profiles.by_http import Server, topic_of
from web.api.models import UplinkTaken
from web.api.responses import ERRORS
from web.dependencies import ServicesOf

router = APIRouter(prefix="/uplinks", tags=["uplinks"], responses=ERRORS)

UP = "up"  # the event of ChirpStack that carries measurements
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"type": "object"},
                "example": {
                    "end_device_ids": {
                        "device_id": "tower-3", "application_ids": {"application_id": "labe"},
                        "dev_eui": "0004A30B001C0530",
                    },
                    "received_at": "2026-03-02T10:40:00.503Z",
                    "uplink_message": {
                        "f_port": 1, "decoded_payload": {"distance": 0.89}, "received_at": "2026-03-02T10:40:00.290Z",
                    },
                },
            }
        },
    }
}  # fmt: skip


async def _body_of(request: Request) -> bytes:
    return await request.body()


BodyOf = Annotated[bytes, Depends(_body_of)]


@router.post("/the-things-stack", summary="An uplink of The Things Stack 3 (webhook)", openapi_extra=BODY)
def the_things_stack(services: ServicesOf, body: BodyOf) -> UplinkTaken:
    """The body is kept as it came and read by the profile that reads the same message by MQTT.

    Answered once it is committed, also when it had to be set aside; sent again, its readings are duplicates.
    """
    return _taken(services, Server.THE_THINGS_STACK, body)


@router.post(
    "/chirpstack",
    summary="An event of ChirpStack 4 (HTTP integration, JSON)",
    openapi_extra=BODY,
    response_model=UplinkTaken,
    responses={204: {"description": "An event that carries no measurements"}},
)
def chirpstack(
    services: ServicesOf,
    body: BodyOf,
    event: Annotated[str, Query(description="which event, as ChirpStack adds it", examples=["up"])] = UP,
) -> UplinkTaken | Response:
    """As for The Things Stack; events other than `up` carry no measurements and are not kept."""
    return _taken(services, Server.CHIRPSTACK, body) if event == UP else Response(status_code=204)


def _taken(services: ServicesOf, server: Server, body: bytes) -> UplinkTaken:
    found = services.uplinks.store(topic_of(server, body), body, services.clock.now())
    return UplinkTaken(
        stored=found.stored, duplicate=found.duplicate, conflict=found.conflict, set_aside=found.set_aside
    )
