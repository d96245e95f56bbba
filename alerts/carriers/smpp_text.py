"""Text and addresses as SMPP writes them, into ours and back. Pure."""

from __future__ import annotations

from typing import NamedTuple

import gsm0338

from alerts.carriers.options import e164
from alerts.carriers.smpp_pdu import HAS_HEADER, Address, Delivery

GSM = gsm0338.Codec()
NAME, INTERNATIONAL = 5, 1  # types of number
ISDN = 1  # the numbering plan of telephones
LONGEST_ADDRESS = 20
DEFAULT, LATIN_1, UCS_2 = 0, 3, 8  # data_coding
JOINED_8_BIT, JOINED_16_BIT = 0x00, 0x08  # information elements of a text in parts (3GPP TS 23.040, 9.2.3.24)


class Part(NamedTuple):
    """Which piece of which long SMS; one that is whole has no reference."""

    reference: tuple[int, ...]
    total: int
    number: int
    octets: bytes


def encoded(text: str, default_alphabet: str) -> tuple[int, bytes]:
    """data_coding and octets: the centre's default alphabet where that has all letters, else UCS-2."""
    try:
        octets = GSM.encode(text)[0] if default_alphabet == "gsm" else text.encode("latin-1")
    except UnicodeEncodeError:
        return UCS_2, text.encode("utf-16-be")
    return DEFAULT, octets


def decoded(octets: bytes, data_coding: int, default_alphabet: str) -> str:
    """The text; what cannot be read becomes U+FFFD, never an error.

    Octets that GSM 03.38 does not have are Latin-1, whatever the data_coding says.
    """
    if data_coding & 0xF0 == 0xF0:  # a message class: bit 2 tells 8-bit data from the default alphabet
        data_coding = LATIN_1 if data_coding & 0x04 else DEFAULT
    if data_coding == UCS_2:
        return octets.decode("utf-16-be", "replace")
    is_gsm = data_coding == DEFAULT and default_alphabet == "gsm" and all(octet < 0x80 for octet in octets)
    return str(GSM.decode(octets, "replace")[0]) if is_gsm else octets.decode("latin-1")


def part(delivery: Delivery) -> Part:
    """Take the user data header off, and tell which piece it is."""
    header, octets = b"", delivery.octets
    if delivery.esm_class & HAS_HEADER and octets and octets[0] < len(octets):
        header, octets = octets[1 : octets[0] + 1], octets[octets[0] + 1 :]
    joined = _joined(header) or delivery.part_of
    if joined is not None:
        reference, total, number = joined
        if 1 <= number <= total and total > 1:
            return Part((reference,), total, number, octets)
    return Part((), 1, 1, octets)


def phone(address: Address) -> str:
    """E.164 where it is a telephone's, as it is where it is a name or a short code."""
    if address.ton == NAME:
        return address.text
    is_whole = address.ton == INTERNATIONAL and not address.text.startswith(("+", "00"))
    return e164(f"+{address.text}" if is_whole else address.text)


def recipient(number: str) -> Address:
    """A telephone in E.164; smpplib would cut a longer one, and somebody else's phone would ring."""
    if len(number) > LONGEST_ADDRESS:
        raise ValueError(f"{number[:4]}…: {len(number)} digits are more than {LONGEST_ADDRESS}")
    return Address(INTERNATIONAL, ISDN, number.removeprefix("+"))


def sender(source: str) -> Address:
    """Ourselves: a number with +, a short code, else a name."""
    if source.startswith("+"):
        return Address(INTERNATIONAL, ISDN, source[1:])
    return Address(0, ISDN, source) if source.isdigit() else Address(NAME, 0, source)


def _joined(header: bytes) -> tuple[int, int, int] | None:
    while len(header) >= 2:
        element, length = header[0], header[1]
        value, header = header[2 : 2 + length], header[2 + length :]
        if element == JOINED_8_BIT and len(value) == 3:
            return value[0], value[1], value[2]
        if element == JOINED_16_BIT and len(value) == 4:
            return int.from_bytes(value[:2], "big"), value[2], value[3]
    return None
