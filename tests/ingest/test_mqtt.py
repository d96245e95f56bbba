"""PUBLISH packets are read whole, however they come in pieces and whatever properties they bear."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.mqtt import ProtocolError, Published, connack, puback_packets, read_packets

EXPIRY = struct.pack("!BI", 0x02, 2_592_000)
ALIAS = struct.pack("!BH", 0x23, 7)
USER = b"\x26\x00\x01k\x00\x01v"


def publish(properties: bytes, payload: bytes = b"[]", *, mid: int = 9) -> bytes:
    body = b"\x00\x03a/b" + struct.pack("!H", mid) + bytes([len(properties)]) + properties + payload
    return bytes([0x32, len(body)]) + body


@pytest.mark.parametrize(
    ("properties", "expires_s"),
    [
        pytest.param(b"", None, id="none"),
        pytest.param(EXPIRY, 2_592_000, id="expiry-alone-as-gateways-send-it"),
        pytest.param(EXPIRY + USER, 2_592_000, id="expiry-first"),
        pytest.param(ALIAS + EXPIRY, 2_592_000, id="expiry-last"),
        pytest.param(USER, None, id="other"),
    ],
)
def test_the_life_of_a_message_is_read_among_its_properties(properties: bytes, expires_s: int | None) -> None:
    data = publish(properties)
    assert read_packets(data, protocol=5) == ([Published(b"a/b", b"[]", 9, expires_s)], [], len(data))


@given(st.lists(st.sampled_from([b"", EXPIRY, USER + EXPIRY]), min_size=1, max_size=4), st.data())
def test_packets_cut_anywhere_are_read_once_the_rest_has_come(parts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(publish(properties, mid=number) for number, properties in enumerate(parts, start=1))
    cut = data.draw(st.integers(0, len(stream)))
    first, _, end = read_packets(stream[:cut], protocol=5)
    second, _, rest = read_packets(stream[end:], protocol=5)
    assert [message.mid for message in first + second] == list(range(1, len(parts) + 1))
    assert end + rest == len(stream)


@pytest.mark.parametrize("length", [8, 10, 12])
def test_properties_that_are_longer_than_their_packet_are_refused(length: int) -> None:
    body = publish(EXPIRY, b"")[2:]
    assert length < len(body)
    with pytest.raises(ProtocolError, match=r"longer than the packet|none of MQTT 5"):
        read_packets(bytes([0x32, length]) + body[:length] + publish(b""), protocol=5)


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        pytest.param("3201 00008f00ff", "within a length", id="length"),
        pytest.param("320a 000161000704 0b808080", "within a length", id="a-number"),
        pytest.param("3209 000161000704150005 61 d000d000d000", "longer than all", id="property"),
    ],
)
def test_a_packet_that_reaches_into_the_next_is_refused_wherever_the_network_cuts_it(octets: str, why: str) -> None:
    """Found by the fuzzer: what it said hung on how much had come."""
    with pytest.raises(ProtocolError, match=why):
        read_packets(bytes.fromhex(octets), protocol=5)


def test_confirmations_are_one_packet_a_message() -> None:
    assert puback_packets([1, 258]) == b"\x40\x02\x00\x01\x40\x02\x01\x02"


def test_a_connack_whose_properties_are_cut_is_a_breach_of_the_protocol() -> None:
    with pytest.raises(ProtocolError, match="before its properties do"):
        connack(b"\x00\x00\x05\x11\x00", protocol=5)


@given(st.binary(max_size=20))
def test_no_connack_ends_the_link_in_any_other_way(body: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        connack(body, protocol=5)
