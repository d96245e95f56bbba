"""The demo's on-screen phones for programs: a script can play the committee member."""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter

from web import handset
from web.api.models import Listing, NetworkBody, PersonView, ReplyBody, ReplySent, SmsView
from web.api.responses import ERRORS
from web.dependencies import ConnectionOf, ServicesOf

router = APIRouter(prefix="/phone", tags=["phone (demo)"], responses=ERRORS)


@router.get("", summary="Fictional people and their phones")
def people(connection: ConnectionOf) -> Listing[PersonView]:
    """Everybody who can be played, by zone; the numbers are fictional and therefore shown whole."""
    return Listing(
        items=[
            PersonView(
                contact_id=one.contact_id, name=one.name, role=one.role, phone=one.phone, language=one.language,
                zone=one.zone_id, unread=one.unread,
            )
            for one in handset.people(connection)
        ]
    )  # fmt: skip


@router.get("/{phone}/messages", summary="What a phone holds")
def messages(connection: ConnectionOf, phone: str) -> Listing[SmsView]:
    """The newest 50 messages of both directions, newest first; looking does not mark them as read."""
    handset.require_known(connection, phone)
    return Listing(
        items=[
            SmsView(
                direction=one.direction, text=one.text, sent_at=one.sent_at, delivered_at=one.delivered_at,
                read_at=one.read_at,
            )
            for one in handset.messages(connection, phone)
        ]
    )  # fmt: skip


@router.post("/{phone}/replies", summary="Answer as the owner of a phone", status_code=202)
def reply(services: ServicesOf, connection: ConnectionOf, phone: str, body: ReplyBody) -> ReplySent:
    """The text goes the way of every inbound SMS: through the carrier, then to the alert it answers."""
    handset.require_known(connection, phone)
    return ReplySent(id=handset.reply(connection, phone, body.text, now=services.clock.now()))


@router.post("/{phone}/rings", summary="Ring as the owner of a phone, and hang up", status_code=202)
def ring(services: ServicesOf, connection: ConnectionOf, phone: str) -> ReplySent:
    """A missed call means "seen" where exactly one alert is open for this phone."""
    handset.require_known(connection, phone)
    return ReplySent(id=handset.ring(connection, phone, now=services.clock.now()))


@router.get("/{phone}/network", summary="The network around a phone")
def network(connection: ConnectionOf, phone: str) -> NetworkBody:
    """As it was set last."""
    handset.require_known(connection, phone)
    found = handset.network_of(connection, phone)
    return NetworkBody(
        is_on=found.is_on, bars=found.bars, delay_s=found.delay.total_seconds(), loss_pct=found.loss_pct,
        repeats=found.repeats,
    )  # fmt: skip


@router.put("/{phone}/network", summary="Switch a phone off, or make its network a bad one")
def set_network(services: ServicesOf, connection: ConnectionOf, phone: str, body: NetworkBody) -> NetworkBody:
    """A phone that is off gets its messages later, or never, when their time is over; receipts say so."""
    handset.require_known(connection, phone)
    wanted = handset.Network(body.is_on, body.bars, timedelta(seconds=body.delay_s), body.loss_pct, body.repeats)
    handset.set_network(connection, phone, wanted, now=services.clock.now())
    return network(connection, phone)
