"""The few MQTT packets that ingest speaks, as pure functions on bytes: 3.1.1 and 5, subscriber's side, QoS 0 and 1.

Why not a client library here: the promise of ingest hangs on when and on which connection a message is acknowledged,
and the speed of ingest on how many Python objects a message costs. The library that gateways use spends 27 µs a
message in MQTT 5 and ties no acknowledgement to its connection (PERFORMANCE §3g, RELIABILITY §2.3); these functions
spend two, and have no state at all. Sources: OASIS MQTT 3.1.1 §3, MQTT 5.0 §3.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK = 0x10, 2, 3, 4, 0x82, 9, 0xA2, 11
PINGREQ_PACKET, PINGRESP, DISCONNECT_PACKET, DISCONNECT = b"\xc0\x00", 13, b"\xe0\x00", 14
FAILURE = 0x80  # reason codes from here on

_SESSION_EXPIRY, _RECEIVE_MAXIMUM, _MESSAGE_EXPIRY = 0x11, 0x21, 0x02
_FOUR_BYTES = struct.Struct("!I")
# Length of the value behind each property's number (MQTT 5 §2.2.2.2): a number of bytes, "text", "pair" or "varint".
_PROPERTY: dict[int, int | str] = {
    0x01: 1, 0x02: 4, 0x03: "text", 0x08: "text", 0x09: "text", 0x0B: "varint", 0x11: 4, 0x12: "text", 0x13: 2,
    0x15: "text", 0x16: "text", 0x17: 1, 0x18: 4, 0x19: 1, 0x1A: "text", 0x1C: "text", 0x1F: "text", 0x21: 2, 0x22: 2,
    0x23: 2, 0x24: 1, 0x25: 1, 0x26: "pair", 0x27: 4, 0x28: 1, 0x29: 1, 0x2A: 1,
}  # fmt: skip


class ProtocolError(ValueError):
    """The other side sent something that is not MQTT as we asked for it."""


class Published(msgspec.Struct, frozen=True, gc=False):
    """One PUBLISH as it came. `mid` is 0 for QoS 0; `expires_s` is what the broker left of the message's life [s].

    `is_retained` when the broker had kept it for whoever subscribes; of what is published now the bit is clear, however
    it was published (3.1.1 §3.3.1.3).
    """

    topic: bytes
    payload: bytes
    mid: int
    expires_s: int | None
    is_retained: bool = False


class Answer(NamedTuple):
    """Any other packet: its kind (the first four bits) and its body."""

    kind: int
    body: bytes


def connect_packet(
    client_id: str,
    *,
    protocol: int,
    username: str | None,
    password: str | None,
    keepalive_s: int,
    session_expiry_s: int,
    receive_maximum: int,
) -> bytes:
    """CONNECT for a session that is kept (clean start off); the last two count in MQTT 5 only."""
    flags = (0x80 if username is not None else 0) | (0x40 if password is not None else 0)
    body = _text("MQTT") + bytes([protocol, flags]) + struct.pack("!H", keepalive_s)
    if protocol == 5:
        properties = struct.pack("!BIBH", _SESSION_EXPIRY, session_expiry_s, _RECEIVE_MAXIMUM, receive_maximum)
        body += _varint(len(properties)) + properties
    body += _text(client_id)
    body += b"".join(_text(text) for text in (username, password) if text is not None)
    return _packet(CONNECT, body)


def subscribe_packet(mid: int, topic: str, *, protocol: int, qos: int = 1) -> bytes:
    """SUBSCRIBE to one topic filter."""
    properties = b"\x00" if protocol == 5 else b""
    return _packet(SUBSCRIBE, struct.pack("!H", mid) + properties + _text(topic) + bytes([qos]))


def unsubscribe_packet(mid: int, topic: str, *, protocol: int) -> bytes:
    """UNSUBSCRIBE from one topic filter."""
    return _packet(UNSUBSCRIBE, struct.pack("!H", mid) + (b"\x00" if protocol == 5 else b"") + _text(topic))


def publish_packet(topic: str, payload: bytes, *, protocol: int, mid: int = 0) -> bytes:
    """PUBLISH at QoS 0, or with a message id at QoS 1."""
    number = struct.pack("!H", mid) if mid else b""
    return _packet(0x32 if mid else 0x30, _text(topic) + number + (b"\x00" if protocol == 5 else b"") + payload)


def farewell_packet(*, protocol: int) -> bytes:
    """DISCONNECT that ends the session as well, in MQTT 5."""
    return DISCONNECT_PACKET if protocol == 4 else _packet(0xE0, b"\x00\x05" + struct.pack("!BI", _SESSION_EXPIRY, 0))


def puback_packets(mids: Sequence[int]) -> bytes:
    """A PUBACK (success) for each message id, in order."""
    packets = np.empty((len(mids), 4), dtype=np.uint8)
    packets[:, 0], packets[:, 1] = 0x40, 2
    packets[:, 2:] = np.array(mids, dtype=">u2").reshape(-1, 1).view(np.uint8)
    return packets.tobytes()


def connack(body: bytes, *, protocol: int) -> tuple[bool, int, int | None]:
    """A CONNACK's session present, reason code, and the session expiry that the server imposes [s] (None: ours).

    Raises
    ------
    ProtocolError : the packet ends before its parts do
    """
    if len(body) < 2:
        raise ProtocolError("CONNACK: too short")
    try:
        expiry = _properties(body, 2)[0].get(_SESSION_EXPIRY) if protocol == 5 and len(body) > 2 else None
    except (IndexError, struct.error) as error:
        raise ProtocolError("CONNACK: it ends before its properties do") from error
    return bool(body[0] & 1), body[1], expiry


def granted_qos(body: bytes) -> tuple[int, int]:
    """To which SUBSCRIBE of one topic filter a SUBACK answers, and what it grants; from `FAILURE` on a refusal."""
    if len(body) < 3:
        raise ProtocolError("SUBACK: too short")
    return int.from_bytes(body[:2], "big"), body[-1]


def read_packets(data: bytes, *, protocol: int) -> tuple[list[Published], list[Answer], int]:
    """All whole packets at the beginning of `data`, and where the first incomplete one begins.

    Raises
    ------
    ProtocolError : a packet contradicts itself
    """
    published: list[Published] = []
    answers: list[Answer] = []
    at, end = 0, len(data)
    is_v5 = protocol == 5
    try:
        while end - at >= 2:
            first, length, body = data[at], data[at + 1], at + 2
            if length & 0x80:
                if end - at > 2 and data[body] < 0x80:  # two digits, as nearly all packs have
                    length, body = length & 0x7F | data[body] << 7, body + 1
                else:
                    length, body = _read_varint(data, at + 1)
                    if body < 0:
                        break
            stop = body + length
            if stop > end:
                break
            if first >> 4 == PUBLISH:
                topic_end = body + 2 + (data[body] << 8 | data[body + 1])
                topic = data[body + 2 : topic_end]
                mid, expires = 0, None
                if first & 6:
                    mid = data[topic_end] << 8 | data[topic_end + 1]
                    topic_end += 2
                if is_v5:
                    if data[topic_end] == 5 and data[topic_end + 1] == _MESSAGE_EXPIRY:  # as gateways send
                        (expires,) = _FOUR_BYTES.unpack_from(data, topic_end + 2)
                        topic_end += 6
                    elif data[topic_end]:
                        properties, topic_end = _properties(data, topic_end)
                        expires = properties.get(_MESSAGE_EXPIRY)
                    else:
                        topic_end += 1
                if topic_end > stop:
                    raise ProtocolError("PUBLISH: its parts are longer than the packet")
                published.append(Published(topic, data[topic_end:stop], mid, expires, first & 1 == 1))
            else:
                answers.append(Answer(first >> 4, data[body:stop]))
            at = stop
    except (IndexError, struct.error) as error:
        raise ProtocolError("a packet ends before its parts do") from error
    return published, answers, at


def _packet(first: int, body: bytes) -> bytes:
    return bytes([first]) + _varint(len(body)) + body


def _text(text: str) -> bytes:
    plain = text.encode()
    return struct.pack("!H", len(plain)) + plain


def _varint(number: int) -> bytes:
    found = bytearray()
    while True:
        number, digit = divmod(number, 128)
        found.append(digit | (0x80 if number else 0))
        if not number:
            return bytes(found)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    """A variable byte integer and where it ends; the end is -1 when it is not all there yet."""
    number = 0
    for shift in range(0, 28, 7):
        if at >= len(data):
            return 0, -1
        digit = data[at]
        number |= (digit & 0x7F) << shift
        at += 1
        if not digit & 0x80:
            return number, at
    raise ProtocolError("a length of more than four bytes")


def _whole_varint(data: bytes, at: int) -> tuple[int, int]:
    number, end = _read_varint(data, at)
    if end < 0:
        raise ProtocolError("a packet ends within a length of its properties")
    return number, end


def _properties(data: bytes, at: int) -> tuple[dict[int, int], int]:
    """The properties whose value is a number of four bytes, and where all end; the others are read over."""
    length, at = _whole_varint(data, at)
    end = at + length
    found: dict[int, int] = {}
    while at < end:
        name = data[at]
        kind = _PROPERTY.get(name)
        at += 1
        if isinstance(kind, int):
            if kind == 4:
                (found[name],) = _FOUR_BYTES.unpack_from(data, at)
            at += kind
        elif kind == "varint":
            _, at = _whole_varint(data, at)
        elif kind is None:
            raise ProtocolError(f"property {name:#x} is none of MQTT 5")
        else:
            for _ in range(2 if kind == "pair" else 1):
                at += 2 + (data[at] << 8 | data[at + 1])
    if at > end:
        raise ProtocolError("a property is longer than all of them")
    return found, end
