"""The little of MQTT 5 that a measurement speaks itself, over plain sockets that block."""

from __future__ import annotations

import socket
import struct

from gateway.config import MqttSettings
from gateway.wire import MESSAGE_LIFE_S
from ingest import mqtt

LIFE = struct.pack("!BBI", 5, 0x02, MESSAGE_LIFE_S)  # the properties: Message Expiry Interval, as gateways send it


def connected(settings: MqttSettings, client_id: str, *, session_expiry_s: int = 0) -> socket.socket:
    """A link that the broker has accepted; nothing behind the CONNACK has been read.

    Raises
    ------
    ConnectionError : the broker refused, or closed the link
    """
    link = socket.create_connection((settings.host, settings.port), timeout=60)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    link.sendall(
        mqtt.connect_packet(
            client_id, protocol=5, username=settings.username, password=settings.password, keepalive_s=0,
            session_expiry_s=session_expiry_s, receive_maximum=65_535,
        )
    )  # fmt: skip
    kind, length = _exactly(link, 2)
    body = _exactly(link, length)
    if kind >> 4 != mqtt.CONNACK or length & 0x80 or mqtt.connack(body, protocol=5)[1]:
        raise ConnectionRefusedError(f"the broker answered CONNECT with {kind:#x} {body!r}")
    return link


def publish_packet(topic: bytes, payload: bytes, mid: int) -> bytes:
    """PUBLISH at QoS 1 with a life, as gateways send it."""
    body = struct.pack("!H", len(topic)) + topic + struct.pack("!H", mid) + LIFE + payload
    size, length = len(body), bytearray()
    while True:
        size, digit = divmod(size, 128)
        length.append(digit | (0x80 if size else 0))
        if not size:
            return b"\x32" + bytes(length) + body


def _exactly(link: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        received = link.recv(size - len(data))
        if not received:
            raise ConnectionResetError("the broker closed the link")
        data += received
    return data
