"""What comes over a link, as a fuzzer meets it: of brokers, message centres, SMS routes, readers of the API, settings.

Each raises when what it does with bytes is wrong, and `FROM_…` holds bytes that are right.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from smpplib import smpp

from alerts.carriers import Inbound, Receipt
from alerts.carriers.android import AndroidConfig, AndroidRoute
from alerts.carriers.http import HttpConfig, HttpRoute
from alerts.carriers.orange import OrangeConfig, OrangeRoute
from alerts.carriers.over_http import Route, events_of
from alerts.carriers.smpp_pdu import Frames, OutOfStep, decode
from alerts.carriers.smpp_receipts import is_receipt, read_receipt, readings
from alerts.carriers.smpp_text import decoded, part, phone
from benchmarks.hostile import GATEWAY, NOON_US, UP, ZONE
from gateway.clock import SystemClock
from gateway.errors import ConfigError
from gateway.remote import read_signed, sign
from ingest.mqtt import (
    CONNACK,
    SUBACK,
    Answer,
    ProtocolError,
    Published,
    connack,
    granted_qos,
    puback_packets,
    publish_packet,
    read_packets,
)
from web.api.sta_filter import Options, bounds_of, holds, parse_options
from web.cursors import aware, cursor_of, cursor_of_key, number_of_64_bits, page_of, read_cursor, read_key
from web.errors import BadParameter, NotOffered

NOON = datetime.fromtimestamp(NOON_US / 1e6, UTC)
PHONE = "+224600000001"  # fictional


class WrongError(Exception):
    """A parser accepted what it must not, or does not account for what it was given."""


def from_a_broker(data: bytes) -> None:
    """The first byte says which MQTT, the second where the network cuts what a broker sends."""
    protocol = 5 if data[:1] > b"\x7f" else 4
    cut, stream = data[1] if len(data) > 1 else 0, data[2:]
    try:
        whole = _packets(stream, protocol)
    except ProtocolError:
        whole = None
    try:
        published, answers, at = _packets(stream[:cut], protocol)
        more_published, more_answers, end = _packets(stream[at:], protocol)
    except ProtocolError:
        if whole is not None:
            raise
        return
    if whole != (pieces := (published + more_published, answers + more_answers, at + end)):
        raise WrongError(f"cut at {cut} it is {pieces}, whole {whole}")


def _packets(stream: bytes, protocol: int) -> tuple[list[Published], list[Answer], int]:
    published, answers, end = read_packets(stream, protocol=protocol)
    if not 0 <= end <= len(stream) or sum(len(one.topic) + len(one.payload) for one in published) > end:
        raise WrongError(f"{published} of {len(stream)} bytes, read to {end}")
    for kind, body in answers:
        if kind == CONNACK:
            connack(body, protocol=protocol)
        elif kind == SUBACK:
            granted_qos(body)
    return published, answers, end


def from_a_message_centre(data: bytes) -> None:
    """PDUs, to the texts and the fates that are made of them."""
    try:
        whole = Frames().feed(data)
    except OutOfStep:
        return
    for raw in whole:
        delivery = decode(raw).delivery
        if delivery is None:
            continue
        if is_receipt(delivery):
            told = read_receipt(delivery, NOON)
            _keep(told.raw.replace("\0", ""), told.text_head.replace("\0", ""))
            if told.at > NOON:
                raise WrongError(f"it is to have arrived at {told.at}")
            for written in told.written:
                readings(written)
        else:
            piece = part(delivery)
            if not 1 <= piece.number <= piece.total:
                raise WrongError(f"part {piece.number} of {piece.total}")
            _keep(decoded(piece.octets, delivery.data_coding, "gsm").replace("\0", ""), phone(delivery.source))


def from_a_route(data: bytes) -> None:
    """A webhook. The first byte says which SMS route is told it, and whether it is a receipt."""
    which, body = data[0] if data else 0, data[1:].decode("utf-8", "replace")
    try:
        events = events_of(ROUTES[which % 128 % len(ROUTES)], "receipt" if which > 127 else "inbound", body, NOON)
    except Exception:  # whatever it trips, it is set aside
        return
    for event in events:
        if isinstance(event, Inbound):
            _keep(event.text, event.phone, event.provider_id)
        elif isinstance(event, Receipt):
            _keep(event.raw, event.text_head, event.phone or "", *event.provider_ids)


def _keep(*texts: str) -> None:
    """As PostgreSQL does: `UnicodeEncodeError` for half a letter."""
    for text in texts:
        if b"\0" in text.encode():
            raise WrongError(f"{text!r} cannot be kept")


def as_a_query(data: bytes) -> None:
    """What an address asks of SensorThings, asked of things as they are."""
    try:
        asked = [parse_options(parse_qsl(data.decode("utf-8", "replace"), keep_blank_values=True))]
    except NotOffered:
        return
    while asked:
        options = asked.pop()
        asked += options.expand.values()
        _ask(options)


def _ask(options: Options) -> None:
    if options.where is None:
        return
    for entity in ENTITIES:
        try:
            holds(options.where, entity)
        except NotOffered:
            continue
    try:
        bounds_of(options.where)
    except NotOffered:
        return


def as_a_cursor(data: bytes) -> None:
    """A mark in an address, as each of the lists reads it."""
    text = data.decode("utf-8", "replace")
    readers: list[Callable[[], object]] = [
        lambda: read_cursor(text),
        lambda: read_key(text, aware, number_of_64_bits),
        lambda: read_key(text, str),
        lambda: page_of([1, 2, 3], lambda one: (float(one), str(one)), cursor=text, limit=2),
    ]
    for read in readers:
        try:
            read()
        except BadParameter:
            continue


def from_afar(data: bytes) -> None:
    """Settings for a gateway; nobody has the key."""
    try:
        read_signed(data, zone=ZONE, gateway=GATEWAY, key=b"k" * 32)
    except ConfigError:
        return
    raise WrongError("it bears a right signature")


def _delivered(octets: bytes = b"", **fields: Any) -> bytes:
    pdu = smpp.make_pdu(
        "deliver_sm", sequence=1, source_addr_ton=1, source_addr_npi=1, source_addr=PHONE[1:], short_message=octets,
        **fields,
    )  # fmt: skip
    pdu.sequence = 1
    raw: bytes = pdu.generate()
    return raw


def _told(which: int, **fields: Any) -> bytes:
    return bytes([which]) + json.dumps(fields).encode()


SECRETS = {"NDIYAN_SMS_A_WEBHOOK_SECRET": "fictional, and long enough", "NDIYAN_SMS_A_SIGNING_KEY": "fictional"} | {
    f"NDIYAN_SMS_A_{name}": "fictional" for name in ("PASSWORD", "CLIENT_SECRET", "TOKEN", "SECRET_TOKEN")
}
HTTP = {"kind": "http"}
KANNEL = HTTP | {"template": "kannel", "url": "http://k", "webhook_url": "http://w", "user": "n", "from": "7"}
RAPIDPRO = HTTP | {"template": "rapidpro", "url": "http://r"}
NIMBA = HTTP | {"template": "nimba", "service_id": "me", "sender_name": "NDIYAN"}
ORANGE = {"kind": "orange", "client_id": "i"}
ANDROID = {"kind": "android", "url": "http://a", "user": "sms"}
ROUTES: list[Route] = [
    *(HttpRoute(HttpConfig.from_table("a", one, SECRETS), SystemClock()) for one in (KANNEL, RAPIDPRO, NIMBA)),
    OrangeRoute(OrangeConfig.from_table("a", ORANGE, SECRETS)),
    AndroidRoute(AndroidConfig.from_table("a", ANDROID, SECRETS)),
]
ENTITIES = (
    {
        "@iot.id": 3, "name": "Hoore-Fello", "properties": {"zone": "zone-1"}, "phenomenonTime": NOON, "result": 2.5,
        "location": {"type": "Point", "coordinates": [-12.3, 11.3]}, "Datastream": {"@iot.id": 7, "name": "level"},
    },
    {"@iot.id": "zone-1", "name": "", "phenomenonTime": None, "resultTime": NOON, "result": None},
)  # fmt: skip

AT = "2026-11-24T11:50:00Z"
RECEIPT = b"id:77 sub:001 dlvrd:001 submit date:2611241145 done date:2611241150 stat:DELIVRD err:000 text:NDIYAN"
FROM_A_BROKER = (
    b"\xff\x09" + publish_packet(UP, b"[]", protocol=5, mid=7) + bytes.fromhex("2003010000 900400010001 d000"),
    b"\x00\x05" + publish_packet(UP, b"[]", protocol=4, mid=7) + puback_packets([7]) + bytes.fromhex("b0020002"),
    b"\xff\x09" + bytes.fromhex("320e 0001 61 0007 05 0200000e10") + b"[]",
)
FROM_A_MESSAGE_CENTRE = (
    _delivered(b"1"),
    _delivered(RECEIPT, esm_class=4),
    _delivered(esm_class=4, receipted_message_id="77", message_state=2),
    _delivered(b"\x05\x00\x03\x2a\x02\x01" + "reçu".encode("utf-16-be"), esm_class=0x40, data_coding=8),
    _delivered(b"niveau 2,4", sar_msg_ref_num=3, sar_total_segments=2, sar_segment_seqnum=1),
)
FROM_A_ROUTE = (
    b"\x00id=m1&from=%2B224600000001&text=niveau+2%E9&charset=ISO-8859-1&at=1795524000",
    b"\x80ref=8e0f1e9e-0d0c-4a60-9f5f-3a4d2f0a1b2c&id=77&status=1&answer=ACK%2F",
    _told(1, id="m1", text="2 reçu", at=AT) [:-1] + b', "from": "tel:+224600000001"}',
    _told(0x82, messageid="77", contact=PHONE, status="received"),
    _told(3, inboundSMSMessageNotification={"inboundSMSMessage": {
        "senderAddress": f"tel:{PHONE}", "message": "ok", "messageId": "m1", "dateTime": AT,
    }}),
    _told(0x83, deliveryInfoNotification={"callbackData": "77", "deliveryInfo": {
        "address": f"tel:{PHONE}", "deliveryStatus": "DeliveredToTerminal",
    }}),
    _told(4, event="sms:received", payload={"sender": PHONE, "message": "1", "receivedAt": AT}),
    _told(4, event="sms:delivered", payload={"messageId": "77", "recipient": PHONE, "deliveredAt": AT}),
)  # fmt: skip
AS_A_QUERY = (
    b"$filter=result gt 2.5 and phenomenonTime ge 2026-11-24T00:00:00Z&$top=5&$orderby=name desc&$select=name",
    b"$expand=Datastreams($expand=Observations($top=1;$filter=result ne 3)),Locations/Things&$count=true&$skip=10",
    b"$filter=geo.intersects(location, geography'POLYGON ((-13 11, -12 11, -12 12, -13 11))') or not name eq 'H''o'",
    b"$filter=overlaps(phenomenonTime,2026-11-24T00:00:00Z/2026-11-25T00:00:00Z) and startswith(name,'a')",
)
AS_A_CURSOR = tuple(mark.encode() for mark in (cursor_of(NOON, 7), cursor_of_key(NOON, 7), cursor_of_key("zone-1")))
FROM_AFAR = (sign("[sampling]", number=1, zone=ZONE, gateway=GATEWAY, key=b"of somebody else"),)
