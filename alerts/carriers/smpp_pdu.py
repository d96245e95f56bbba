"""Bytes on an SMPP link into our types and back; the packing itself is smpplib's.

Of the two Python libraries smpplib's codec deals in octets and knows any status; aiosmpplib's refuses a PDU with a
status of the vendor's or with text that it cannot decode. What smpplib's cuts wrongly is mended here.
"""

from __future__ import annotations

import logging
import string
from dataclasses import dataclass
from typing import Any, ClassVar

from smpplib import command, exceptions, smpp
from smpplib.ptypes import ostr

HEADER = 16
LONGEST = 65_536 + 512  # a message_payload and its head: whatever claims to be longer is no PDU
SHORT_MESSAGE = 254  # octets
RECEIPT_WANTED = 1
IS_RECEIPT = 0x3C  # esm_class: any kind of receipt or acknowledgement
HAS_HEADER = 0x40  # esm_class: the text begins with a user data header
logging.getLogger("smpplib.command").setLevel(logging.ERROR)  # it warns of each vendor's parameter in each PDU


MASKED = bytes.maketrans((string.digits + string.ascii_letters).encode(), b"0" * 10 + b"a" * 52)


class _DeliverSm(command.DeliverSM):  # type: ignore[misc] # smpplib has no types
    """smpplib drops the last octet of this parameter, right only where the message centre ends it with a zero."""

    params: ClassVar = {**command.DeliverSM.params, "receipted_message_id": command.Param(type=ostr)}


class OutOfStep(Exception):
    """What comes in are no PDUs; nothing that follows on this link can be trusted."""


@dataclass(frozen=True, slots=True)
class Address:
    """An address with its type of number (5 is a name, 1 international) and numbering plan."""

    ton: int
    npi: int
    text: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the message centre hands to us: an inbound SMS or a receipt."""

    source: Address
    destination: Address
    esm_class: int
    data_coding: int
    octets: bytes
    receipted_id: str = ""
    message_state: int | None = None
    part_of: tuple[int, int, int] | None = None  # reference, number of parts, which


@dataclass(frozen=True, slots=True)
class Pdu:
    """One PDU; `delivery` is there for a deliver_sm that could be read."""

    command: str
    status: int
    sequence: int
    message_id: str = ""
    delivery: Delivery | None = None


class Frames:
    """Cuts a stream into PDUs, wherever the network cut it."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The PDUs that are whole now; raises `OutOfStep`."""
        self._buffer += data
        whole = []
        while len(self._buffer) >= HEADER:
            length = int.from_bytes(self._buffer[:4], "big")
            if not HEADER <= length <= LONGEST:
                raise OutOfStep(f"a PDU of {length} octets")
            if len(self._buffer) < length:
                break
            whole.append(bytes(self._buffer[:length]))
            del self._buffer[:length]
        return whole


def decode(raw: bytes) -> Pdu:
    """One whole PDU. What is not known has the command `unknown`, a deliver_sm that cannot be read no delivery."""
    status, sequence = int.from_bytes(raw[8:12], "big"), int.from_bytes(raw[12:16], "big")
    try:
        name = command.pdu.extract_command(raw)
    except exceptions.UnknownCommandError:
        return Pdu("unknown", status, sequence)
    if name == "deliver_sm":
        return Pdu(name, status, sequence, delivery=_delivery(raw))
    if name != "submit_sm_resp" or len(raw) == HEADER:
        return Pdu(name, status, sequence)
    return Pdu(name, status, sequence, message_id=_text(raw[HEADER:].split(b"\0", 1)[0]))


def bind(kind: str, sequence: int, *, system_id: str, password: str, system_type: str, address_range: str) -> bytes:
    """A bind_transceiver, bind_transmitter or bind_receiver."""
    return _encode(
        f"bind_{kind}", sequence,
        system_id=system_id, password=password, system_type=system_type, address_range=address_range,
    )  # fmt: skip


def submit(
    sequence: int, source: Address, destination: Address, *, data_coding: int, octets: bytes, valid_for_s: float
) -> bytes:
    """A submit_sm that asks for a receipt; a text of more than one segment goes as a payload that the centre cuts."""
    limit = 160 if data_coding == 0 else 140
    place = "short_message" if len(octets) <= limit else "message_payload"
    return _encode(
        "submit_sm", sequence,
        source_addr_ton=source.ton, source_addr_npi=source.npi, source_addr=source.text,
        dest_addr_ton=destination.ton, dest_addr_npi=destination.npi, destination_addr=destination.text,
        data_coding=data_coding, registered_delivery=RECEIPT_WANTED, validity_period=_relative_time(valid_for_s),
        **{place: octets},
    )  # fmt: skip


def plain(name: str, sequence: int, status: int = 0) -> bytes:
    """A PDU that says nothing but its name and status."""
    return _encode(name, sequence, status=status)


def _encode(name: str, sequence: int, **fields: Any) -> bytes:
    pdu = smpp.make_pdu(name, sequence=sequence, **fields)
    pdu.sequence = sequence  # smpplib takes it from its client otherwise
    raw: bytes = pdu.generate()
    return raw


def _relative_time(seconds: float) -> str:
    """A span as SMPP writes it (3.4, 7.1.1): YYMMDDhhmmss000R, here in days at most."""
    whole = max(1, round(seconds))
    days, rest = divmod(whole, 86_400)
    return f"0000{min(days, 30):02d}{rest // 3600:02d}{rest // 60 % 60:02d}{rest % 60:02d}000R"


def _delivery(raw: bytes) -> Delivery | None:
    pdu = _DeliverSm("deliver_sm", sequence=0, allow_unknown_opt_params=True)
    try:
        _require_whole(raw)
        pdu.parse(raw)
        return Delivery(
            source=Address(pdu.source_addr_ton or 0, pdu.source_addr_npi or 0, _text(pdu.source_addr)),
            destination=Address(pdu.dest_addr_ton or 0, pdu.dest_addr_npi or 0, _text(pdu.destination_addr)),
            esm_class=pdu.esm_class or 0,
            data_coding=pdu.data_coding or 0,
            octets=pdu.short_message or pdu.message_payload or b"",
            receipted_id=_text(pdu.receipted_message_id),
            message_state=pdu.message_state,
            part_of=_parts(pdu),
        )
    except Exception:  # smpplib says what is wrong in any way it likes; the message centre is told and keeps it
        logging.getLogger(__name__).warning("a deliver_sm cannot be read: %s", _shape(raw), exc_info=True)
        return None


def _shape(raw: bytes) -> str:
    """How it begins, for a log: of the number and the words of who wrote every digit is a 0 and every letter an a."""
    return f"{len(raw)} octets, {raw[:64].translate(MASKED).hex()}"


def _require_whole(raw: bytes) -> None:
    """smpplib reads on where a text has no end, and makes something of it."""
    at = HEADER
    for octets in (0, 2, 2, 3, 0):  # before each of the five texts that a zero ends
        at = raw.index(b"\0", at + octets) + 1
    length_at = at + 4
    if length_at >= len(raw) or length_at + 1 + raw[length_at] > len(raw):
        raise ValueError("it ends within its text")


def _parts(pdu: Any) -> tuple[int, int, int] | None:
    parts = (pdu.sar_msg_ref_num, pdu.sar_total_segments, pdu.sar_segment_seqnum)
    return None if None in parts else parts


def _text(octets: bytes | None) -> str:
    return (octets or b"").split(b"\0", 1)[0].decode("latin-1")
